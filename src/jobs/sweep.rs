//! Recurring jobs that do what is due, batch by batch.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::Instant;

use super::Ended;
use crate::app::App;
use crate::error::Fault;

/// Repeats `batch`, which does some of what is due at an instant and answers whether there was any, until there is none: due
/// again in a minute then, or at once if it did not get through.
pub(crate) async fn sweep(
    app: &App,
    batch: impl AsyncFn(&App, Instant) -> Result<bool, Fault>,
) -> Result<Ended, Fault> {
    let now = app.clock.now();
    let begun = tokio::time::Instant::now();
    // The rest of the lease is for the last batch.
    while begun.elapsed() < app.config.job_lease / 3 {
        if !batch(app, now).await? {
            return Ok(Ended::Again(now.checked_add_signed(TimeDelta::minutes(1)).unwrap_or(now)));
        }
    }
    Ok(Ended::Again(now))
}

/// What was found, by what it belongs to: each group is for a transaction of its own.
pub(crate) fn grouped<K: Ord, V>(found: Vec<(K, V)>) -> BTreeMap<K, Vec<V>> {
    let mut groups: BTreeMap<K, Vec<V>> = BTreeMap::new();
    for (key, value) in found {
        groups.entry(key).or_default().push(value);
    }
    groups
}
