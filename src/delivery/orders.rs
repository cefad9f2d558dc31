//! What an order does to its place in a delivery slot: called by the orders slice inside its own transaction.

use std::collections::BTreeMap;

use entity::id::{CustomerId, DeliverySlotId, OrderId, SlotHoldId};
use entity::slot_hold::{Column, Entity, Model, SlotHoldState};
use entity::{Instant, delivery_slot, order};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};

pub(crate) use super::holds::Refusal;
use super::holds::{full_or_shut, release_one, shut};
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
    /// Whether its customer has, or joins with it, a membership with the places that are for members only.
    pub(crate) by_member: bool,
    pub(crate) placed_at: Instant,
}

/// Holds by their ids, locked until the transaction ends, each with its slot.
#[derive(Debug, Default)]
pub(crate) struct Locked(BTreeMap<SlotHoldId, (Model, delivery_slot::Model)>);

impl Locked {
    /// Whether this is a hold that an order of `customer` may name: the customer's own, or one of somebody whom nobody knew.
    pub(crate) fn is_for(&self, hold: SlotHoldId, customer: Option<CustomerId>) -> bool {
        self.0.get(&hold).is_some_and(|(held, _)| held.customer_id.is_none() || held.customer_id == customer)
    }
}

/// A place for members only that an order has.
#[derive(Debug)]
pub(crate) struct MembersPlace(Model);

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
    let gone: Vec<_> = held.iter().filter(|held| is_given_back(held)).map(|held| held.slot_id.0).collect();
    if !gone.is_empty() {
        let slots = delivery_slot::Entity::find().filter(is_among(backend, "id", gone));
        slots.order_by_asc(delivery_slot::Column::Id).lock_exclusive().all(tx.db()).await?;
    }
    let slots = is_among(backend, "id", held.iter().map(|held| held.slot_id.0));
    let slots = delivery_slot::Entity::find().filter(slots).all(tx.db()).await?;
    let slots: BTreeMap<DeliverySlotId, delivery_slot::Model> =
        slots.into_iter().map(|slot| (slot.id, slot)).collect();
    let with_slot = |held: Model| Some((held.id, (held.clone(), slots.get(&held.slot_id)?.clone())));
    Ok(Locked(held.into_iter().filter_map(with_slot).collect()))
}

fn is_given_back(held: &Model) -> bool {
    match held.state {
        SlotHoldState::Released | SlotHoldState::Expired => true,
        SlotHoldState::Held | SlotHoldState::Confirmed => false,
    }
}

/// Gives orders the places that they name. What was given back meanwhile is taken again, if there is room. The orders exist
/// whether that could be done or not; answers for each whether its place is for members only, or why it has none.
pub(crate) async fn pin(
    tx: &Tx,
    Locked(holds): &mut Locked,
    named: &[Named],
) -> Result<Vec<(OrderId, Result<bool, Refusal>)>, Fault> {
    let mut pinned = Vec::with_capacity(named.len());
    for order in named {
        let held = holds.get_mut(&order.hold);
        let (held, slot) = held.ok_or_else(|| Fault::internal("a hold of a slot was not locked"))?;
        let refusal = match held.state {
            // Of another order.
            SlotHoldState::Confirmed => Some(Refusal::NotFound),
            _ if slot.members_only && !order.by_member => Some(Refusal::MembersOnly),
            SlotHoldState::Held => None,
            SlotHoldState::Released | SlotHoldState::Expired => take_again(tx, slot, order.placed_at).await?,
        };
        if refusal.is_none() {
            confirm(tx, held, order).await?;
            held.state = SlotHoldState::Confirmed;
        }
        pinned.push((order.order, refusal.map_or(Ok(slot.members_only), Err)));
    }
    Ok(pinned)
}

/// Takes a place that was given back; answers why not, if it cannot be had any more.
async fn take_again(tx: &Tx, slot: &delivery_slot::Model, at: Instant) -> Result<Option<Refusal>, Fault> {
    if let Some(refusal) = shut(slot, at) {
        return Ok(Some(refusal));
    }
    if take(tx, slot.id, at).await? {
        return Ok(None);
    }
    full_or_shut(tx, slot.id, at).await.map(Some)
}

/// The order has the place from now on, and so has its customer. Who had it before, and gave it back when it was cancelled,
/// has it no more.
async fn confirm(tx: &Tx, held: &Model, named: &Named) -> Result<(), Fault> {
    let mut confirmed = Entity::update_many()
        .col_expr(Column::State, Expr::val(SlotHoldState::Confirmed.to_value()))
        .col_expr(Column::OrderId, Expr::val(named.order))
        .col_expr(Column::EndedAt, Expr::val(None::<Instant>));
    if let Some(customer) = named.customer {
        confirmed = confirmed
            .col_expr(Column::CustomerId, Expr::val(customer))
            .col_expr(Column::Holder, Expr::val(None::<String>));
    }
    let confirmed =
        confirmed.filter(Column::Id.eq(held.id).and(Column::State.eq(held.state))).exec(tx.db()).await?;
    if confirmed.rows_affected == 1 {
        Ok(())
    } else {
        Err(Fault::internal("a hold of a slot changed without the lock on it"))
    }
}

/// Orders of a guest became the customer's: so did their places.
pub(crate) async fn attached(tx: &Tx, customer: CustomerId) -> Result<(), Fault> {
    let theirs = Query::select()
        .column(order::Column::Id)
        .from(order::Entity)
        .and_where(order::Column::CustomerId.eq(customer))
        .take();
    Entity::update_many()
        .col_expr(Column::CustomerId, Expr::val(customer))
        .col_expr(Column::Holder, Expr::val(None::<String>))
        .filter(Column::OrderId.in_subquery(theirs).and(Column::CustomerId.is_null()))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// The order is cancelled: its place goes back.
pub(crate) async fn cancelled(tx: &Tx, order: OrderId) -> Result<(), Fault> {
    if let Some(held) = Entity::find().filter(Column::OrderId.eq(order)).one(tx.db()).await? {
        release_one(tx, &held, SlotHoldState::Confirmed).await?;
    }
    Ok(())
}

/// The place of an order that is for members only, locked until the transaction ends; whoever locks a membership too does
/// so after.
pub(crate) async fn lock_members_place(tx: &Tx, order: OrderId) -> Result<Option<MembersPlace>, Fault> {
    let held = place_of(order).lock_exclusive().one(tx.db()).await?;
    let Some(held) = held else { return Ok(None) };
    let slot = delivery_slot::Entity::find_by_id(held.slot_id).lock_exclusive().one(tx.db()).await?;
    Ok(slot.filter(|slot| slot.members_only).map(|_| MembersPlace(held)))
}

/// The order goes on without the membership that its place is for: it goes back.
pub(crate) async fn give_up(tx: &Tx, MembersPlace(held): &MembersPlace) -> Result<(), Fault> {
    release_one(tx, held, SlotHoldState::Confirmed).await.map(drop)
}

/// Whether an order has a place that is for members only.
pub(crate) async fn has_members_place(tx: &Tx, order: OrderId) -> Result<bool, Fault> {
    let Some(held) = place_of(order).one(tx.db()).await? else { return Ok(false) };
    let slot = delivery_slot::Entity::find_by_id(held.slot_id).one(tx.db()).await?;
    Ok(slot.is_some_and(|slot| slot.members_only))
}

fn place_of(order: OrderId) -> Select<Entity> {
    Entity::find().filter(Column::OrderId.eq(order).and(Column::State.eq(SlotHoldState::Confirmed)))
}
