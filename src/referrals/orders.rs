//! What an order does to the referral of its buyer: called by the orders slice inside its own transaction.

use chrono::TimeDelta;
use entity::id::{OrderId, ReferralId};
use entity::order::OrderState;
use entity::referral::{Column, Entity, Model, ReferralReason, ReferralState};
use entity::{Instant, order, order_line};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};

use super::people::is_of;
use super::{Owed, bind, end, events, friend_of, locked_of};
use crate::error::Fault;
use crate::points::orders::{self as points, Owner};
use crate::tx::Tx;

/// Orders of a friend that are looked at for another that counts.
const CANDIDATES: u64 = 20;

/// An order that names a code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) order: OrderId,
    pub(crate) code: &'a str,
    /// The friend.
    pub(crate) friend: Owner,
    pub(crate) placed_at: Instant,
}

/// Binds the buyer to whoever has the code; the order exists whether that counts or not: answers why not.
pub(crate) async fn bind(tx: &Tx, named: &Named<'_>) -> Result<Option<ReferralReason>, Fault> {
    let order = Some((named.order, named.placed_at));
    Ok(bind::bind(tx, named.code, named.friend, order).await?.err())
}

/// An order that is paid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paid {
    pub(crate) order: OrderId,
    pub(crate) owner: Owner,
    /// When it was paid.
    pub(crate) at: Instant,
    /// When it was delivered, if it was already.
    pub(crate) delivered_at: Option<Instant>,
}

/// The first paid order of a friend is the one that counts.
pub(crate) async fn paid(tx: &Tx, paid: &Paid) -> Result<(), Fault> {
    // Behind the lock: a return of another order that gives the referral back comes before or after.
    match locked_of(tx, paid.owner).await? {
        Some(row) if row.state == ReferralState::Pending => qualify(tx, paid, row.id).await,
        Some(_) | None => Ok(()),
    }
}

async fn qualify(tx: &Tx, paid: &Paid, referral: ReferralId) -> Result<(), Fault> {
    let counts = Entity::update_many()
        .col_expr(Column::State, Expr::val(ReferralState::Qualified.to_value()))
        .col_expr(Column::OrderId, Expr::val(paid.order))
        .col_expr(Column::QualifiedAt, Expr::val(paid.at))
        .col_expr(Column::VestsAt, Expr::val(vests_at(tx, paid.delivered_at.unwrap_or(paid.at))))
        .filter(Column::Id.eq(referral).and(Column::State.eq(ReferralState::Pending)))
        .exec(tx.db())
        .await?;
    if counts.rows_affected == 0 {
        return Err(Fault::internal("a locked referral changed its state"));
    }
    match of_order(tx, paid.order).await? {
        Some(row) => events::tell(tx, "referral.qualified", &row).await,
        None => Err(Fault::internal("a referral that was written is gone")),
    }
}

/// When the return window of an order that was delivered, or paid and not delivered yet, at `from` is over.
pub(super) fn vests_at(tx: &Tx, from: Instant) -> Instant {
    let days = TimeDelta::days(tx.settings().referrals.vesting_days.into());
    from.checked_add_signed(days).unwrap_or(from)
}

/// The order arrived: its return window begins.
pub(crate) async fn delivered(tx: &Tx, order: OrderId, at: Instant) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::VestsAt, Expr::val(vests_at(tx, at)))
        .filter(Column::OrderId.eq(order).and(Column::State.eq(ReferralState::Qualified)))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// The referral that an order counts for, locked.
async fn of_order(tx: &Tx, order: OrderId) -> Result<Option<Model>, Fault> {
    Ok(Entity::find().filter(Column::OrderId.eq(order)).lock_exclusive().one(tx.db()).await?)
}

/// Pieces of a locked order came back, and are counted: if those were the last, its referral ends. What it gave is to be
/// taken back after what the order itself earned; the accounts are locked by then.
pub(crate) async fn returned(tx: &Tx, order: OrderId) -> Result<Option<Owed>, Fault> {
    let Some(row) = of_order(tx, order).await? else { return Ok(None) };
    if has_pieces_left(tx, order).await? {
        return Ok(None);
    }
    match row.state {
        ReferralState::Qualified => reopen(tx, &row).await.map(|()| None),
        ReferralState::Rewarded => {
            let owed = end(tx, &row, ReferralReason::OrderReturned).await?;
            if let Some(owed) = &owed {
                points::lock_accounts(tx, &owed.accounts).await?;
            }
            Ok(owed)
        }
        ReferralState::Pending | ReferralState::Refused | ReferralState::ClawedBack => Ok(None),
    }
}

/// Whether anything of an order is still with its buyer.
pub(super) async fn has_pieces_left(tx: &Tx, order: OrderId) -> Result<bool, Fault> {
    use order_line::Column;
    let left = Expr::col(Column::Returned).lt(Expr::col(Column::Quantity));
    let line = order_line::Entity::find().filter(Column::OrderId.eq(order).and(left));
    Ok(line.one(tx.db()).await?.is_some())
}

/// The order that counted does not any more: the next one does that is paid and kept, or that will be.
pub(super) async fn reopen(tx: &Tx, row: &Model) -> Result<(), Fault> {
    let reopened = Entity::update_many()
        .col_expr(Column::State, Expr::val(ReferralState::Pending.to_value()))
        .col_expr(Column::OrderId, Expr::val(None::<OrderId>))
        .col_expr(Column::QualifiedAt, Expr::val(None::<Instant>))
        .col_expr(Column::VestsAt, Expr::val(None::<Instant>))
        .filter(Column::Id.eq(row.id).and(Column::State.eq(ReferralState::Qualified)))
        .exec(tx.db())
        .await?;
    if reopened.rows_affected != 1 {
        return Err(Fault::internal("a locked referral changed its state"));
    }
    events::tell(tx, "referral.reopened", &Model { state: ReferralState::Pending, ..row.clone() }).await?;
    match kept(tx, row).await? {
        Some(next) => qualify(tx, &next, row.id).await,
        None => Ok(()),
    }
}

/// The first paid order of the friend that is not the one of `row` and has not come back.
async fn kept(tx: &Tx, row: &Model) -> Result<Option<Paid>, Fault> {
    use order::Column;
    let Some(owner) = friend_of(row) else { return Ok(None) };
    let paid = [OrderState::Paid, OrderState::Shipped, OrderState::Delivered];
    let candidates = order::Entity::find()
        .filter(is_of(owner).and(Column::State.is_in(paid)))
        .filter(Column::PlacedAt.gte(row.bound_at).and(Column::Imported.eq(false)))
        .order_by_asc(Column::PaidAt)
        .order_by_asc(Column::Id)
        .limit(CANDIDATES);
    for next in candidates.all(tx.db()).await? {
        let is_other = row.order_id != Some(next.id);
        if let Some(at) = next.paid_at.filter(|_| is_other)
            && has_pieces_left(tx, next.id).await?
        {
            return Ok(Some(Paid { order: next.id, owner, at, delivered_at: next.delivered_at }));
        }
    }
    Ok(None)
}
