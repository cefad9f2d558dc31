//! What an order does to its coupon: called by the orders slice inside its own transaction.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::coupon::{self, Column as Coupon};
use entity::coupon_use::{Column, CouponUseState, Entity};
use entity::id::{CouponUseId, OrderId};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::coupons::normal;
pub(crate) use super::terms::{Cart, CartLine};
use super::terms::{Refusal, Terms, may_use};
use super::uses::{give_back, retake, take};
use crate::db::dialect::is_among_texts;
use crate::error::{Fault, Outcome, Stop, refuse, split};
use crate::memberships::plans::Plan;
use crate::tx::Tx;

/// An order that names a coupon.
#[derive(Clone, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) order: OrderId,
    pub(crate) code: &'a str,
    /// The customer or guest.
    pub(crate) owner: Uuid,
    /// The plan that the customer has now, but for one that the order itself joins.
    pub(crate) plan: Option<&'a Plan>,
    /// What it costs. Lines are stated after the discount: what they cost before is not known.
    pub(crate) cart: Cart,
}

/// Coupons by their codes, locked until the transaction ends.
#[derive(Debug, Default)]
pub(crate) struct Locked(BTreeMap<String, coupon::Model>);

/// Locks the coupons that orders name, as far as they are ours, by id; whoever locks accounts too does so after.
pub(crate) async fn lock(tx: &Tx, codes: impl Iterator<Item = &str>) -> Result<Locked, Fault> {
    let codes: Vec<String> = codes.map(normal).collect();
    if codes.is_empty() {
        return Ok(Locked::default());
    }
    let among = is_among_texts(tx.db().get_database_backend(), "code", codes);
    let ours =
        coupon::Entity::find().filter(among).order_by_asc(Coupon::Id).lock_exclusive().all(tx.db()).await?;
    Ok(Locked(ours.into_iter().map(|coupon| (coupon.code.clone(), coupon)).collect()))
}

/// Takes the coupons that orders name, as far as they are ours: what was reserved for the cart, else a new use. The orders
/// exist whether the coupon could be used or not; answers for each whether its coupon is for members only, or why it could
/// not.
pub(crate) async fn use_coupons(
    tx: &Tx,
    Locked(ours): &Locked,
    named: &[Named<'_>],
) -> Result<Vec<(OrderId, Result<bool, &'static str>)>, Fault> {
    let mut used = Vec::with_capacity(named.len());
    for order in named {
        let Some(coupon) = ours.get(&normal(order.code)) else { continue };
        let terms: Terms = serde_json::from_value(coupon.terms.clone())?;
        let is_for_members = terms.is_for_members();
        let taken = split(reserved_or_new(tx, coupon, terms, order).await)?;
        if let Ok(taken) = taken {
            tie(tx, taken, order.order).await?;
        }
        used.push((order.order, taken.map(|_| is_for_members).map_err(Refusal::name)));
    }
    Ok(used)
}

/// What was reserved, if the order is one that the coupon is for; else a new use. The least that a cart must cost is not
/// asked of an order: its lines are stated after the discount.
async fn reserved_or_new(
    tx: &Tx,
    coupon: &coupon::Model,
    terms: Terms,
    named: &Named<'_>,
) -> Outcome<CouponUseId, Refusal> {
    // Also of what was reserved: whoever reserved it as a member may have withdrawn since.
    if !terms.is_open_to(named.plan) {
        may_use(coupon, Some(named.owner), tx.now()).map_err(Stop::Refused)?;
        return refuse(Refusal::MembersOnly);
    }
    let taken = Terms { minimum: None, ..terms }.apply(&named.cart).map_err(Stop::Refused)?;
    let open = Column::CouponId.eq(coupon.id).and(Column::OwnerId.eq(named.owner));
    let open = open.and(Column::State.eq(CouponUseState::Reserved)).and(Column::OrderId.is_null());
    if let Some(reserved) = Entity::find().filter(open).one(tx.db()).await? {
        return Ok(reserved.id);
    }
    take(tx, coupon, named.owner, &named.cart, &taken).await
}

/// The order has it from now on, as long as it has points that are to pay it.
async fn tie(tx: &Tx, used: CouponUseId, order: OrderId) -> Result<(), Fault> {
    let until = tx.after(TimeDelta::days(tx.settings().programme.order_hold_days.into()));
    let tied = Entity::update_many()
        .col_expr(Column::OrderId, Expr::val(order))
        .col_expr(Column::ReservedUntil, Expr::val(until))
        .filter(Column::Id.eq(used).and(Column::OrderId.is_null()))
        .filter(Column::State.eq(CouponUseState::Reserved))
        .exec(tx.db())
        .await?;
    if tied.rows_affected == 1 {
        Ok(())
    } else {
        Err(Fault::internal("a use of a coupon was taken without the lock on it"))
    }
}

/// The order is paid: its coupon is used for good. A use that was given back since the order had it is taken again;
/// answers why not, if it cannot be.
pub(crate) async fn paid(tx: &Tx, order: OrderId) -> Result<Option<&'static str>, Fault> {
    let redeemed = Entity::update_many()
        .col_expr(Column::State, Expr::val(CouponUseState::Redeemed.to_value()))
        .filter(Column::OrderId.eq(order).and(Column::State.eq(CouponUseState::Reserved)))
        .exec(tx.db())
        .await?;
    if redeemed.rows_affected > 0 {
        return Ok(None);
    }
    let released = Column::OrderId.eq(order).and(Column::State.eq(CouponUseState::Released));
    let Some(used) = Entity::find().filter(released).one(tx.db()).await? else { return Ok(None) };
    Ok(split(retake(tx, &used).await)?.err().map(Refusal::name))
}

/// The order is cancelled: its coupon goes back, if its terms say so; that of an order that was never paid always does.
pub(crate) async fn cancelled(tx: &Tx, order: OrderId, was_paid: bool) -> Result<(), Fault> {
    let Some(used) = Entity::find().filter(Column::OrderId.eq(order)).one(tx.db()).await? else {
        return Ok(());
    };
    let found = coupon::Entity::find().filter(Coupon::Id.eq(used.coupon_id)).one(tx.db()).await?;
    let coupon = found.ok_or_else(|| Fault::internal("a use of a coupon that is gone"))?;
    let terms: Terms = serde_json::from_value(coupon.terms)?;
    if terms.back_on_cancel || !was_paid {
        give_back(tx, Column::Id.eq(used.id), used.coupon_id).await?;
    }
    Ok(())
}
