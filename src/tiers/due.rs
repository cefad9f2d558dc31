//! What time and the shop do to tiers. The sweep finds what is due by index, so that it costs what is due and not the
//! number of members; only a change of the programme looks at everybody for whom something counted.

use chrono::TimeDelta;
use entity::Instant;
use entity::customer_tier::{Column, Entity, Model};
use entity::id::{AccountId, CustomerId};
use entity::{job, tier_day};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};

use super::settle::{Why, settle};
use crate::app::App;
use crate::error::Fault;
use crate::jobs::{self, Ended, Job};
use crate::points::orders as points;
use crate::tx::Tx;

/// The recurring job that ends tiers and tells of ends.
pub(crate) const SWEEP: &str = "tiers.sweep";
/// The job that goes through everybody after the shop changed its tiers.
pub(crate) const RECOMPUTE: &str = "tiers.recompute";
/// Customers of one transaction.
const BATCH: u64 = 500;
/// Seconds in which every instance surely has new settings in force.
const SETTLED_AFTER: i64 = 5;

/// Settles what is due.
pub(crate) async fn sweep(app: &App) -> Result<Ended, Fault> {
    jobs::sweep::sweep(app, settle_due).await
}

async fn settle_due(app: &App, now: Instant) -> Result<bool, Fault> {
    // Of a shop that gave its tiers up nothing ends: the change of the programme takes all of them away.
    let has_tiers = !app.settings().tiers.tiers.is_empty();
    let due = if has_tiers { due(app, now).await? } else { Vec::new() };
    if due.is_empty() {
        return Ok(false);
    }
    app.change(&due, async |tx: &Tx, due| settle_locked(tx, due, &Why::TIME).await).await?;
    Ok(true)
}

async fn due(app: &App, now: Instant) -> Result<Vec<AccountId>, Fault> {
    let rows: Vec<CustomerId> = Entity::find()
        .select_only()
        .column(Column::CustomerId)
        .filter(Column::DueAt.lte(now))
        .order_by_asc(Column::DueAt)
        .limit(BATCH)
        .into_tuple()
        .all(&app.db.read)
        .await?;
    Ok(rows.into_iter().map(|customer| AccountId(customer.0)).collect())
}

async fn settle_locked(tx: &Tx, accounts: &[AccountId], why: &Why) -> Result<(), Fault> {
    let owners = points::lock_owners(tx, accounts).await?;
    settle(tx, owners.into_values().filter_map(|(_, customer)| customer), why).await
}

/// How far it went.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress {
    /// Everybody up to this one has been looked at.
    after: Option<AccountId>,
}

/// Has everybody looked at, because the programme or the calendar changed.
pub(crate) async fn recompute_all(tx: &Tx) -> Result<(), Fault> {
    // By then no instance goes by the settings before.
    let due = tx.after(TimeDelta::seconds(SETTLED_AFTER));
    enqueue(tx, &Progress::default(), Some(due)).await
}

async fn enqueue(tx: &Tx, progress: &Progress, due: Option<Instant>) -> Result<(), Fault> {
    let payload = serde_json::to_value(progress)?;
    jobs::enqueue(tx, Job { kind: RECOMPUTE, payload, due, dedup_key: None, max_attempts: 20 }).await
}

/// Looks at the next, and has another job do the rest.
pub(crate) async fn recompute(app: &App, job: &job::Model) -> Result<Ended, Fault> {
    // Whoever changed the settings may have been another instance.
    crate::settings::refresh(app).await?;
    let Progress { after } = serde_json::from_value(job.payload.clone())?;
    let next = counted_after(app, after).await?;
    app.change(&next, async |tx: &Tx, next| {
        settle_locked(tx, next, &Why::PROGRAMME).await?;
        match next.last() {
            Some(last) => enqueue(tx, &Progress { after: Some(*last) }, None).await,
            None => Ok(()),
        }
    })
    .await?;
    Ok(Ended::Done)
}

/// The next accounts for which something counted or that have a tier.
async fn counted_after(app: &App, after: Option<AccountId>) -> Result<Vec<AccountId>, Fault> {
    let after = after.unwrap_or(AccountId(uuid::Uuid::nil()));
    let limit = BATCH;
    let mut found: Vec<AccountId> = tier_day::Entity::find()
        .select_only()
        .distinct()
        .column(tier_day::Column::AccountId)
        .filter(tier_day::Column::AccountId.gt(after))
        .order_by_asc(tier_day::Column::AccountId)
        .limit(limit)
        .into_tuple()
        .all(&app.db.read)
        .await?;
    let given: Vec<Model> = Entity::find()
        .filter(Column::CustomerId.gt(CustomerId(after.0)))
        .order_by_asc(Column::CustomerId)
        .limit(limit)
        .all(&app.db.read)
        .await?;
    found.extend(given.into_iter().map(|row| AccountId(row.customer_id.0)));
    found.sort_unstable();
    found.dedup();
    found.truncate(usize::try_from(limit)?);
    Ok(found)
}
