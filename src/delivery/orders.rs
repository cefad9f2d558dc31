//! What an order does to its place in a delivery slot: called by the orders slice inside its own transaction.

use std::collections::BTreeMap;

use entity::id::{CustomerId, OrderId, SlotHoldId};
use entity::slot_hold::{Column, Entity, Model, SlotHoldState};
use entity::{Instant, delivery_slot};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};

pub(crate) use super::holds::Refusal;
use super::holds::{full_or_shut, not_open, release_one};
use super::slots::take;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::tx::Tx;

/// An order that names a hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) order: OrderId,
    pub(crate) hold: SlotHoldId,
    /// Whose order it is; none of a guest.
    pub(crate) customer: Option<CustomerId>,
    pub(crate) placed_at: Instant,
}

/// Holds by their ids, locked until the transaction ends.
#[derive(Debug, Default)]
pub(crate) struct Locked(BTreeMap<SlotHoldId, Model>);

impl Locked {
    /// Whether this is a hold that an order of `customer` may name: the customer's own, or one of somebody whom nobody knew.
    pub(crate) fn is_for(&self, hold: SlotHoldId, customer: Option<CustomerId>) -> bool {
        self.0.get(&hold).is_some_and(|held| held.customer_id.is_none() || held.customer_id == customer)
    }
}

/// Locks the holds that orders name, by id, and the slots of those that have lapsed; whoever locks accounts too does so
/// after.
pub(crate) async fn lock(tx: &Tx, holds: impl Iterator<Item = SlotHoldId>) -> Result<Locked, Fault> {
    let ids: Vec<_> = holds.map(|hold| hold.0).collect();
    if ids.is_empty() {
        return Ok(Locked::default());
    }
    let backend = tx.db().get_database_backend();
    let among = Entity::find().filter(is_among(backend, "id", ids)).order_by_asc(Column::Id);
    let held = among.lock_exclusive().all(tx.db()).await?;
    let gone = held.iter().filter(|held| is_given_back(held)).map(|held| held.slot_id.0);
    let gone: Vec<_> = gone.collect();
    if !gone.is_empty() {
        let slots = delivery_slot::Entity::find().filter(is_among(backend, "id", gone));
        slots.order_by_asc(delivery_slot::Column::Id).lock_exclusive().all(tx.db()).await?;
    }
    Ok(Locked(held.into_iter().map(|held| (held.id, held)).collect()))
}

fn is_given_back(held: &Model) -> bool {
    match held.state {
        SlotHoldState::Released | SlotHoldState::Expired => true,
        SlotHoldState::Held | SlotHoldState::Confirmed => false,
    }
}

/// Gives orders the places that they name. What was given back meanwhile is taken again, if there is room. The orders exist
/// whether that could be done or not; answers why not for those for which it could not.
pub(crate) async fn pin(
    tx: &Tx,
    Locked(holds): &mut Locked,
    named: &[Named],
) -> Result<Vec<(OrderId, Refusal)>, Fault> {
    let mut refused = Vec::new();
    for order in named {
        let held = holds.get_mut(&order.hold);
        let held = held.ok_or_else(|| Fault::internal("a hold of a slot was not locked"))?;
        let refusal = match held.state {
            SlotHoldState::Held => None,
            // Of another order.
            SlotHoldState::Confirmed => Some(Refusal::NotFound),
            SlotHoldState::Released | SlotHoldState::Expired => take_again(tx, held, order).await?,
        };
        if let Some(refusal) = refusal {
            refused.push((order.order, refusal));
        } else {
            confirm(tx, held, order.order).await?;
            held.state = SlotHoldState::Confirmed;
        }
    }
    Ok(refused)
}

/// Takes the place of a hold that was given back; answers why not, if it cannot be had any more.
async fn take_again(tx: &Tx, held: &Model, order: &Named) -> Result<Option<Refusal>, Fault> {
    let slot = delivery_slot::Entity::find_by_id(held.slot_id).one(tx.db()).await?;
    let slot = slot.ok_or_else(|| Fault::internal("a hold of a slot that is gone"))?;
    if let Some(refusal) = not_open(tx, &slot, order.placed_at, order.customer).await? {
        return Ok(Some(refusal));
    }
    if take(tx, slot.id, order.placed_at).await? {
        return Ok(None);
    }
    full_or_shut(tx, slot.id, order.placed_at).await.map(Some)
}

/// The order has the place from now on. Who had it before, and gave it back when it was cancelled, has it no more.
async fn confirm(tx: &Tx, held: &Model, order: OrderId) -> Result<(), Fault> {
    let confirmed = Entity::update_many()
        .col_expr(Column::State, Expr::val(SlotHoldState::Confirmed.to_value()))
        .col_expr(Column::OrderId, Expr::val(order))
        .col_expr(Column::EndedAt, Expr::val(None::<Instant>))
        .filter(Column::Id.eq(held.id).and(Column::State.eq(held.state)))
        .exec(tx.db())
        .await?;
    if confirmed.rows_affected == 1 {
        Ok(())
    } else {
        Err(Fault::internal("a hold of a slot changed without the lock on it"))
    }
}

/// The order is cancelled: its place goes back.
pub(crate) async fn cancelled(tx: &Tx, order: OrderId) -> Result<(), Fault> {
    if let Some(held) = Entity::find().filter(Column::OrderId.eq(order)).one(tx.db()).await? {
        release_one(tx, &held, SlotHoldState::Confirmed).await?;
    }
    Ok(())
}
