//! Uses of coupons: reserved for a cart, taken by an order, given back.

use chrono::TimeDelta;
use entity::coupon::{self, Column as Coupon};
use entity::coupon_use::{ActiveModel, Column, CouponUseState, Entity, Model};
use entity::id::{CouponId, CouponUseId, CustomerId};
use entity::{Instant, reward_claim};
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Set,
};
use serde::Serialize;
use uuid::Uuid;

use super::coupons::normal;
use super::terms::{Cart, Refusal, Taken, Terms, may_use};
use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::jobs::Ended;
use crate::jobs::sweep::{grouped, sweep};
use crate::memberships::held;
use crate::memberships::orders as memberships;
use crate::tx::Tx;

/// The recurring job that gives back what was reserved for carts and never ordered, or by orders that were never paid.
pub(crate) const LAPSE: &str = "coupons.lapse";
/// How long a cart has what it reserved.
const RESERVED_FOR: TimeDelta = TimeDelta::minutes(30);
/// Uses given back in one transaction.
const BATCH: u64 = 500;

/// A use to be set aside for a cart.
#[derive(Clone, Debug)]
pub(crate) struct Reserve {
    pub(crate) code: String,
    /// Whose.
    pub(crate) owner: Uuid,
    pub(crate) cart: Cart,
}

/// What a request is told apart by.
impl Serialize for Reserve {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Cart { currency, lines, shipping, with_points } = &self.cart;
        let lines: Vec<_> = lines.iter().map(|line| (&line.sku, &line.categories, line.total)).collect();
        (&self.code, self.owner, currency.code(), lines, shipping, with_points).serialize(serializer)
    }
}

/// What a coupon would take off; the coupon with it.
pub(crate) async fn explain(
    app: &App,
    code: &str,
    owner: Option<Uuid>,
    cart: &Cart,
) -> Result<Result<(coupon::Model, Taken), Refusal>, Fault> {
    let db = &app.db.read;
    let found = coupon::Entity::find().filter(Coupon::Code.eq(normal(code))).one(db).await?;
    let Some(coupon) = found else { return Ok(Err(Refusal::NotFound)) };
    if let Err(refusal) = may_use(&coupon, owner, app.clock.now()) {
        return Ok(Err(refusal));
    }
    let terms: Terms = serde_json::from_value(coupon.terms.clone())?;
    if !is_open_to(db, &terms, owner, app.clock.now()).await? {
        return Ok(Err(Refusal::MembersOnly));
    }
    let taken = match terms.apply(cart) {
        Ok(taken) => taken,
        Err(refusal) => return Ok(Err(refusal)),
    };
    // Of what the customer has reserved already there is one for the customer.
    let own = match owner {
        Some(owner) => own_uses(db, coupon.id, owner).await?,
        None => Vec::new(),
    };
    let has_one = own.iter().any(|used| used.state == CouponUseState::Reserved && used.order_id.is_none());
    if has_one {
        return Ok(Ok((coupon, taken)));
    }
    let refusal = if coupon.total_limit.is_some_and(|most| coupon.used >= most) {
        Some(Refusal::LimitReached)
    } else if coupon.customer_limit.is_some_and(|most| own.len() >= usize::try_from(most).unwrap_or(0)) {
        Some(Refusal::CustomerLimitReached)
    } else {
        None
    };
    Ok(refusal.map_or(Ok((coupon, taken)), Err))
}

/// Whether `owner` has a plan at `at` that a coupon with these terms is for; looked up only if it is for some.
async fn is_open_to(
    db: &impl ConnectionTrait,
    terms: &Terms,
    owner: Option<Uuid>,
    at: Instant,
) -> Result<bool, Fault> {
    if !terms.is_for_members() {
        return Ok(true);
    }
    let held = held(db, owner.map(CustomerId), at).await?;
    Ok(held.values().any(|held| terms.is_open_to(Some(&held.plan))))
}

/// Sets one use aside for a cart. Whoever has one reserved already gets that one, with the cart as it is now.
pub(crate) async fn reserve(tx: &Tx, reserve: &Reserve) -> Outcome<CouponUseId, Refusal> {
    let found = coupon::Entity::find().filter(Coupon::Code.eq(normal(&reserve.code))).one(tx.db()).await?;
    let Some(coupon) = found else { return refuse(Refusal::NotFound) };
    let coupon = locked(tx, coupon.id).await?;
    may_use(&coupon, Some(reserve.owner), tx.now()).map_err(Stop::Refused)?;
    let terms: Terms = serde_json::from_value(coupon.terms.clone())?;
    if !is_open_to(tx.db(), &terms, Some(reserve.owner), tx.now()).await? {
        return refuse(Refusal::MembersOnly);
    }
    let taken = terms.apply(&reserve.cart).map_err(Stop::Refused)?;
    take(tx, &coupon, reserve.owner, &reserve.cart, &taken).await
}

/// Takes a use of `coupon`, which is locked, for a cart or order of `owner`.
pub(super) async fn take(
    tx: &Tx,
    coupon: &coupon::Model,
    owner: Uuid,
    cart: &Cart,
    taken: &Taken,
) -> Outcome<CouponUseId, Refusal> {
    may_use(coupon, Some(owner), tx.now()).map_err(Stop::Refused)?;
    let until = tx.after(RESERVED_FOR);
    let own = own_uses(tx.db(), coupon.id, owner).await?;
    if let Some(open) = own.iter().find(|used| is_open(used)) {
        set(tx, Column::Id.eq(open.id), taken.sum(), cart, until).await?;
        return Ok(open.id);
    }
    one_more(tx, coupon, &own).await?;
    let row = ActiveModel {
        id: Set(tx.id()),
        coupon_id: Set(coupon.id),
        owner_id: Set(owner),
        order_id: Set(None),
        state: Set(CouponUseState::Reserved),
        discount: Set(taken.sum()),
        currency: Set(cart.currency.code().to_owned()),
        reserved_until: Set(until),
        created_at: Set(tx.now()),
        ended_at: Set(None),
    };
    Ok(row.insert(tx.db()).await?.id)
}

/// Counts one use more by whoever has `own` already, within the limits.
async fn one_more(tx: &Tx, coupon: &coupon::Model, own: &[Model]) -> Outcome<(), Refusal> {
    if coupon.customer_limit.is_some_and(|most| own.len() >= usize::try_from(most).unwrap_or(0)) {
        return refuse(Refusal::CustomerLimitReached);
    }
    if count(tx, coupon.id, 1).await? { Ok(()) } else { refuse(Refusal::LimitReached) }
}

/// Takes for good what an order had and time gave back, if the coupon can still be used.
pub(super) async fn retake(tx: &Tx, used: &Model) -> Outcome<(), Refusal> {
    let coupon = locked(tx, used.coupon_id).await?;
    may_use(&coupon, Some(used.owner_id), tx.now()).map_err(Stop::Refused)?;
    let terms: Terms = serde_json::from_value(coupon.terms.clone())?;
    let customer = CustomerId(used.owner_id);
    if terms.is_for_members() {
        let members = memberships::lock(tx, [customer]).await?;
        if !terms.is_open_to(members.held(Some(customer), tx.now())) {
            return refuse(Refusal::MembersOnly);
        }
    }
    let own = own_uses(tx.db(), coupon.id, used.owner_id).await?;
    one_more(tx, &coupon, &own).await?;
    if terms.is_for_members() {
        memberships::used(tx, [customer]).await?;
    }
    Entity::update_many()
        .col_expr(Column::State, Expr::val(CouponUseState::Redeemed.to_value()))
        .col_expr(Column::EndedAt, Expr::val(None::<Instant>))
        .filter(Column::Id.eq(used.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

fn is_open(used: &Model) -> bool {
    used.state == CouponUseState::Reserved && used.order_id.is_none()
}

async fn set(tx: &Tx, which: SimpleExpr, discount: i64, cart: &Cart, until: Instant) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::Discount, Expr::val(discount))
        .col_expr(Column::Currency, Expr::val(cart.currency.code()))
        .col_expr(Column::ReservedUntil, Expr::val(until))
        .filter(which)
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Uses of a coupon are taken and given back behind the lock on its row, which every transaction takes first.
pub(super) async fn lock(tx: &Tx, coupon: CouponId) -> Result<(), Fault> {
    if count(tx, coupon, 0).await? {
        Ok(())
    } else {
        Err(Fault::internal("a coupon is gone or used too often"))
    }
}

/// The coupon as it is behind that lock.
pub(super) async fn locked(tx: &Tx, coupon: CouponId) -> Result<coupon::Model, Fault> {
    lock(tx, coupon).await?;
    let found = coupon::Entity::find_by_id(coupon).one(tx.db()).await?;
    found.ok_or_else(|| Fault::internal("a coupon that is locked is gone"))
}

/// Counts so many uses more of a coupon; false if that would be above its limit.
async fn count(tx: &Tx, coupon: CouponId, more: i32) -> Result<bool, Fault> {
    let within =
        Coupon::TotalLimit.is_null().or(Expr::col(Coupon::Used).add(more).lte(Expr::col(Coupon::TotalLimit)));
    let counted = coupon::Entity::update_many()
        .col_expr(Coupon::Used, Expr::col(Coupon::Used).add(more))
        .filter(Coupon::Id.eq(coupon).and(within))
        .exec(tx.db())
        .await?;
    Ok(counted.rows_affected == 1)
}

/// The uses that `owner` has of a coupon.
async fn own_uses(db: &impl ConnectionTrait, coupon: CouponId, owner: Uuid) -> Result<Vec<Model>, Fault> {
    let own = Column::CouponId.eq(coupon).and(Column::OwnerId.eq(owner));
    Ok(Entity::find().filter(own.and(Column::State.ne(CouponUseState::Released))).all(db).await?)
}

/// A reserved use to be given back.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Release {
    /// None if the id that was given is no use's.
    pub(crate) id: Option<CouponUseId>,
    /// Whose it must be; anybody's, if none.
    pub(crate) owner: Option<Uuid>,
}

/// Gives back what was reserved for a cart; what an order has goes back with the order.
pub(crate) async fn release(tx: &Tx, release: &Release) -> Outcome<CouponUseId, Refusal> {
    let Some(id) = release.id else { return refuse(Refusal::NotFound) };
    let found = Entity::find_by_id(id).one(tx.db()).await?;
    let theirs = |used: &Model| release.owner.is_none_or(|owner| owner == used.owner_id) && is_open(used);
    let Some(used) = found.filter(theirs) else { return refuse(Refusal::NotFound) };
    // Somebody else may have given it back, or an order taken it, since it was looked at.
    match give_back(tx, Column::Id.eq(used.id).and(Column::OrderId.is_null()), used.coupon_id).await? {
        0 => refuse(Refusal::NotFound),
        _ => Ok(id),
    }
}

/// Gives back those uses of a coupon, each once; answers how many that was.
pub(super) async fn give_back(tx: &Tx, which: SimpleExpr, coupon: CouponId) -> Result<u64, Fault> {
    lock(tx, coupon).await?;
    let given = Entity::update_many()
        .col_expr(Column::State, Expr::val(CouponUseState::Released.to_value()))
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(which.and(Column::CouponId.eq(coupon)))
        .filter(Column::State.ne(CouponUseState::Released))
        .exec(tx.db())
        .await?
        .rows_affected;
    if given > 0 {
        coupon::Entity::update_many()
            .col_expr(Coupon::Used, Expr::col(Coupon::Used).sub(i64::try_from(given)?))
            .filter(Coupon::Id.eq(coupon))
            .exec(tx.db())
            .await?;
    }
    Ok(given)
}

/// Gives back what was reserved for carts that nobody ordered in time, and by orders that nobody paid in time.
pub(crate) async fn lapse(app: &App) -> Result<Ended, Fault> {
    sweep(app, lapse_due).await
}

async fn lapse_due(app: &App, now: Instant) -> Result<bool, Fault> {
    let due = due(app, now).await?;
    let is_any = !due.is_empty();
    for uses in grouped(due) {
        app.change(&uses, lapse_of).await?;
    }
    Ok(is_any)
}

/// Up to a batch of uses that are due, each with its coupon.
async fn due(app: &App, now: Instant) -> Result<Vec<(CouponId, CouponUseId)>, Fault> {
    Ok(Entity::find()
        .select_only()
        .columns([Column::CouponId, Column::Id])
        .filter(Column::State.eq(CouponUseState::Reserved).and(Column::ReservedUntil.lte(now)))
        .order_by_asc(Column::ReservedUntil)
        .limit(BATCH)
        .into_tuple()
        .all(&app.db.read)
        .await?)
}

/// Those of a coupon that nobody paid for or gave back meanwhile.
async fn lapse_of(tx: &Tx, (coupon, uses): &(CouponId, Vec<CouponUseId>)) -> Result<(), Fault> {
    let among = is_among(tx.db().get_database_backend(), "id", uses.iter().map(|used| used.0));
    let due = Column::State.eq(CouponUseState::Reserved).and(Column::ReservedUntil.lte(tx.now()));
    give_back(tx, among.and(due), *coupon).await?;
    Ok(())
}

/// Whoever turned out to be `into` has what `from` used and was given.
pub(crate) async fn move_uses(tx: &Tx, from: Uuid, into: Uuid) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::OwnerId, Expr::val(into))
        .filter(Column::OwnerId.eq(from))
        .exec(tx.db())
        .await?;
    coupon::Entity::update_many()
        .col_expr(Coupon::CustomerId, Expr::val(into))
        .filter(Coupon::CustomerId.eq(from))
        .exec(tx.db())
        .await?;
    reward_claim::Entity::update_many()
        .col_expr(reward_claim::Column::CustomerId, Expr::val(into))
        .filter(reward_claim::Column::CustomerId.eq(from))
        .exec(tx.db())
        .await?;
    Ok(())
}
