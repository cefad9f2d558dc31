//! Places in delivery slots: held while somebody checks out, given back.

use chrono::TimeDelta;
use entity::id::{CustomerId, DeliverySlotId, SlotHoldId};
use entity::slot_hold::{ActiveModel, Column, Entity, Model, SlotHoldState};
use entity::{Instant, delivery_slot};
use sea_orm::sea_query::{Expr, Query, SimpleExpr};
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect, Set,
};
use serde::Serialize;

use super::slots::{give_back, take};
use crate::db::dialect::{self, is_among};
use crate::error::{Fault, Outcome, refuse};
use crate::memberships::held::held_or_begun;
use crate::tx::Tx;

/// Places that one may hold at a time.
const MOST_HELD: usize = 3;

/// Whoever holds a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Holder {
    /// A customer.
    Customer(CustomerId),
    /// Somebody whom nobody knows, as the shop calls them.
    Named(String),
}

impl Holder {
    fn is_of(&self) -> SimpleExpr {
        match self {
            Self::Customer(customer) => Column::CustomerId.eq(*customer),
            Self::Named(name) => Column::Holder.eq(name.as_str()),
        }
    }

    fn customer(&self) -> Option<CustomerId> {
        match self {
            Self::Customer(customer) => Some(*customer),
            Self::Named(_) => None,
        }
    }

    /// Waits until no other transaction decides what this one holds.
    async fn lock(&self, tx: &Tx) -> Result<(), Fault> {
        let name = match self {
            Self::Customer(customer) => format!("slot_holds:customer:{}", customer.0),
            Self::Named(name) => format!("slot_holds:holder:{name}"),
        };
        Ok(dialect::lock(tx.db(), &name).await?)
    }
}

/// A place to be held.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Hold {
    /// None if the id that was given is no slot's.
    pub(super) slot: Option<DeliverySlotId>,
    pub(super) holder: Holder,
}

/// Why a place cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such slot or hold, or not theirs.
    NotFound,
    /// All places are taken.
    SlotFull,
    /// The shop closed it.
    SlotClosed,
    /// It is too late for it.
    CutOffPassed,
    /// It is for members only.
    MembersOnly,
    /// They hold as many as they may.
    TooManyHolds,
}

impl Refusal {
    /// As the database and clients have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::SlotFull => "SLOT_FULL",
            Self::SlotClosed => "SLOT_CLOSED",
            Self::CutOffPassed => "CUT_OFF_PASSED",
            Self::MembersOnly => "MEMBERS_ONLY",
            Self::TooManyHolds => "TOO_MANY_HOLDS",
        }
    }

    /// For whoever tried it.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::NotFound => "There is no such delivery slot or hold.",
            Self::SlotFull => "All places of this delivery slot are taken.",
            Self::SlotClosed => "The delivery slot is closed.",
            Self::CutOffPassed => "It is too late for this delivery slot.",
            Self::MembersOnly => "The delivery slot is for members.",
            Self::TooManyHolds => "Three places are held already: give one back first.",
        }
    }
}

/// Holds a place in a slot. Whoever holds one there already gets that one, for no longer than before.
pub(super) async fn hold(tx: &Tx, hold: &Hold) -> Outcome<SlotHoldId, Refusal> {
    let Some(id) = hold.slot else { return refuse(Refusal::NotFound) };
    hold.holder.lock(tx).await?;
    let own = hold.holder.is_of().and(Column::State.eq(SlotHoldState::Held));
    let own = Entity::find().filter(own.and(Column::ExpiresAt.gt(tx.now()))).all(tx.db()).await?;
    if let Some(there) = own.iter().find(|held| held.slot_id == id) {
        return Ok(there.id);
    }
    let Some(slot) = delivery_slot::Entity::find_by_id(id).one(tx.db()).await? else {
        return refuse(Refusal::NotFound);
    };
    if let Some(refusal) = not_open(tx, &slot, tx.now(), hold.holder.customer()).await? {
        return refuse(refusal);
    }
    if own.len() >= MOST_HELD {
        return refuse(Refusal::TooManyHolds);
    }
    let lapsed = Column::SlotId.eq(id).and(Column::ExpiresAt.lte(tx.now()));
    expire(tx, id, lapsed).await?;
    if !take(tx, id, tx.now()).await? {
        return refuse(full_or_shut(tx, id, tx.now()).await?);
    }
    let minutes = TimeDelta::minutes(tx.settings().slot_hold_minutes.into());
    let (customer_id, holder) = match &hold.holder {
        Holder::Customer(customer) => (Some(*customer), None),
        Holder::Named(name) => (None, Some(name.clone())),
    };
    let row = ActiveModel {
        id: Set(tx.id()),
        slot_id: Set(id),
        customer_id: Set(customer_id),
        holder: Set(holder),
        order_id: Set(None),
        state: Set(SlotHoldState::Held),
        expires_at: Set(tx.after(minutes)),
        created_at: Set(tx.now()),
        ended_at: Set(None),
    };
    Ok(row.insert(tx.db()).await?.id)
}

/// Why nobody, or not this customer, can have a place of the slot at `at`, however many are free. Whoever is joining can
/// hold what is for members; the order that names the hold is to join too.
async fn not_open(
    tx: &Tx,
    slot: &delivery_slot::Model,
    at: Instant,
    customer: Option<CustomerId>,
) -> Result<Option<Refusal>, Fault> {
    let shut = shut(slot, at);
    if shut.is_some() || !slot.members_only {
        return Ok(shut);
    }
    let plan = match customer {
        Some(customer) => held_or_begun(tx.db(), customer, at).await?,
        None => None,
    };
    let has_slots = plan.is_some_and(|plan| plan.benefits.slots);
    Ok((!has_slots).then_some(Refusal::MembersOnly))
}

/// Why nobody can have a place of the slot at `at`, however many are free.
pub(super) fn shut(slot: &delivery_slot::Model, at: Instant) -> Option<Refusal> {
    if slot.closed_at.is_some() {
        Some(Refusal::SlotClosed)
    } else if slot.cut_off_at <= at {
        Some(Refusal::CutOffPassed)
    } else {
        None
    }
}

/// Why no place of a slot could be taken: it is full, or was shut since it was looked at.
pub(super) async fn full_or_shut(tx: &Tx, slot: DeliverySlotId, at: Instant) -> Result<Refusal, Fault> {
    let slot = delivery_slot::Entity::find_by_id(slot).one(tx.db()).await?;
    Ok(slot.and_then(|slot| shut(&slot, at)).unwrap_or(Refusal::SlotFull))
}

/// Gives back those holds of a slot that are held, by time, each once; answers how many that was. `which` has to say that
/// they have lapsed.
pub(super) async fn expire(tx: &Tx, slot: DeliverySlotId, which: SimpleExpr) -> Result<u64, Fault> {
    let held = which.and(Column::State.eq(SlotHoldState::Held));
    // In one order, so that two who do this wait for each other in one direction only.
    let due = Entity::find().filter(held).order_by_asc(Column::Id).lock_exclusive().all(tx.db()).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let among = is_among(tx.db().get_database_backend(), "id", due.iter().map(|held| held.id.0));
    let expired = end(tx, among, SlotHoldState::Held, SlotHoldState::Expired).await?;
    give_back(tx, slot, expired).await?;
    Ok(expired)
}

/// Ends those holds that are in state `from`; answers how many that were. Their places are still to be given back.
async fn end(tx: &Tx, which: SimpleExpr, from: SlotHoldState, to: SlotHoldState) -> Result<u64, Fault> {
    let ended = Entity::update_many()
        .col_expr(Column::State, Expr::val(to.to_value()))
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(which.and(Column::State.eq(from)))
        .exec(tx.db())
        .await?;
    Ok(ended.rows_affected)
}

/// Releases a hold that is in state `from`, and gives its place back; false if it is in another by now.
pub(super) async fn release_one(tx: &Tx, held: &Model, from: SlotHoldState) -> Result<bool, Fault> {
    if end(tx, Column::Id.eq(held.id), from, SlotHoldState::Released).await? == 0 {
        return Ok(false);
    }
    give_back(tx, held.slot_id, 1).await?;
    Ok(true)
}

/// A hold to be given back.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Release {
    /// None if the id that was given is no hold's.
    pub(super) id: Option<SlotHoldId>,
    /// Whose it must be; anybody's, if none.
    pub(super) customer: Option<CustomerId>,
}

/// Gives back what is held; what an order has goes back with the order.
pub(super) async fn release(tx: &Tx, release: &Release) -> Outcome<SlotHoldId, Refusal> {
    let Some(id) = release.id else { return refuse(Refusal::NotFound) };
    let found = Entity::find_by_id(id).one(tx.db()).await?;
    let is_theirs = |held: &Model| release.customer.is_none_or(|customer| held.customer_id == Some(customer));
    let Some(held) = found.filter(is_theirs) else { return refuse(Refusal::NotFound) };
    // Time may have given it back, or an order taken it, since it was looked at.
    if release_one(tx, &held, SlotHoldState::Held).await? { Ok(id) } else { refuse(Refusal::NotFound) }
}

/// The first `most` places of each of these customers that are held at `at`, or ordered, in slots that are not over by then,
/// the earliest first; one statement.
pub(super) async fn upcoming(
    db: &impl ConnectionTrait,
    customers: impl IntoIterator<Item = CustomerId>,
    at: Instant,
    most: i32,
) -> Result<Vec<Model>, Fault> {
    use delivery_slot::Column as Slot;
    let theirs = is_among(db.get_database_backend(), "customer_id", customers.into_iter().map(|id| id.0));
    let is_held = Column::State.eq(SlotHoldState::Held).and(Column::ExpiresAt.gt(at));
    let rank = "ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY starts_at, slot_holds.id)";
    let of_slot = || Column::SlotId.into_expr().equals(Slot::Id.as_column_ref());
    let ranked = Query::select()
        .column((Entity, Column::Id))
        .expr_as(Expr::cust(rank), "place")
        .from(Entity)
        .inner_join(delivery_slot::Entity, of_slot())
        .and_where(theirs)
        .and_where(is_held.or(Column::State.eq(SlotHoldState::Confirmed)))
        .and_where(Slot::EndsAt.gt(at))
        .take();
    let first = Query::select()
        .column("id")
        .from_subquery(ranked, "ranked")
        .and_where(Expr::col("place").lte(most))
        .take();
    let mut places = Entity::find().filter(Column::Id.in_subquery(first));
    QuerySelect::query(&mut places).inner_join(delivery_slot::Entity, of_slot());
    Ok(places.order_by_asc(Slot::StartsAt).order_by_asc(Column::Id).all(db).await?)
}

/// Whoever turned out to be `into` has what `from` held.
pub(crate) async fn move_holds(tx: &Tx, from: CustomerId, into: CustomerId) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::CustomerId, Expr::val(into))
        .filter(Column::CustomerId.eq(from))
        .exec(tx.db())
        .await?;
    Ok(())
}
