//! Giving back the places that were held for too long.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::Instant;
use entity::id::{DeliverySlotId, SlotHoldId};
use entity::slot_hold::{Column, Entity, SlotHoldState};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::holds::expire;
use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::jobs::Ended;
use crate::tx::Tx;

/// The recurring job that gives back the places that were held and not ordered in time.
pub(crate) const LAPSE: &str = "delivery.lapse";
/// Holds that are looked for at once.
const BATCH: u64 = 500;

/// Gives back the places that were held and not ordered in time; due again in a minute, or at once if it did not get
/// through.
pub(crate) async fn lapse(app: &App) -> Result<Ended, Fault> {
    let now = app.clock.now();
    let begun = tokio::time::Instant::now();
    // The rest of the lease is for the last batch.
    while begun.elapsed() < app.config.job_lease / 3 {
        let due = due(app, now).await?;
        if due.is_empty() {
            return Ok(Ended::Again(now + TimeDelta::minutes(1)));
        }
        for holds in due {
            app.change(&holds, lapse_of).await?;
        }
    }
    Ok(Ended::Again(now))
}

/// Holds of one slot that are due.
type Due = (DeliverySlotId, Vec<Uuid>);

/// Up to a batch of holds that are due, by their slots.
async fn due(app: &App, now: Instant) -> Result<Vec<Due>, Fault> {
    let found: Vec<(DeliverySlotId, SlotHoldId)> = Entity::find()
        .select_only()
        .columns([Column::SlotId, Column::Id])
        .filter(Column::State.eq(SlotHoldState::Held).and(Column::ExpiresAt.lte(now)))
        .order_by_asc(Column::ExpiresAt)
        .limit(BATCH)
        .into_tuple()
        .all(&app.db.read)
        .await?;
    let mut due: BTreeMap<DeliverySlotId, Vec<Uuid>> = BTreeMap::new();
    for (slot, hold) in found {
        due.entry(slot).or_default().push(hold.0);
    }
    Ok(due.into_iter().collect())
}

/// Those of them that nobody ordered or gave back meanwhile.
async fn lapse_of(tx: &Tx, (slot, holds): &Due) -> Result<(), Fault> {
    let among = is_among(tx.db().get_database_backend(), "id", holds.iter().copied());
    expire(tx, *slot, among.and(Column::ExpiresAt.lte(tx.now()))).await?;
    Ok(())
}
