//! Giving back the places that were held for too long.

use entity::Instant;
use entity::id::{DeliverySlotId, SlotHoldId};
use entity::slot_hold::{Column, Entity, SlotHoldState};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};

use super::holds::expire;
use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::jobs::Ended;
use crate::jobs::sweep::{grouped, sweep};
use crate::tx::Tx;

/// The recurring job that gives back the places that were held and not ordered in time.
pub(crate) const LAPSE: &str = "delivery.lapse";
/// Holds that are looked for at once.
const BATCH: u64 = 500;

/// Gives back the places that were held and not ordered in time.
pub(crate) async fn lapse(app: &App) -> Result<Ended, Fault> {
    sweep(app, lapse_due).await
}

async fn lapse_due(app: &App, now: Instant) -> Result<bool, Fault> {
    let due = due(app, now).await?;
    let is_any = !due.is_empty();
    for holds in grouped(due) {
        app.change(&holds, lapse_of).await?;
    }
    Ok(is_any)
}

/// Up to a batch of holds that are due, each with its slot.
async fn due(app: &App, now: Instant) -> Result<Vec<(DeliverySlotId, SlotHoldId)>, Fault> {
    Ok(Entity::find()
        .select_only()
        .columns([Column::SlotId, Column::Id])
        .filter(Column::State.eq(SlotHoldState::Held).and(Column::ExpiresAt.lte(now)))
        .order_by_asc(Column::ExpiresAt)
        .limit(BATCH)
        .into_tuple()
        .all(&app.db.read)
        .await?)
}

/// Those of a slot that nobody ordered or gave back meanwhile.
async fn lapse_of(tx: &Tx, (slot, holds): &(DeliverySlotId, Vec<SlotHoldId>)) -> Result<(), Fault> {
    let among = is_among(tx.db().get_database_backend(), "id", holds.iter().map(|hold| hold.0));
    expire(tx, *slot, among.and(Column::ExpiresAt.lte(tx.now()))).await?;
    Ok(())
}
