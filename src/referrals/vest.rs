//! The end of return windows: both sides are rewarded, or nobody is.

use chrono::{Datelike, NaiveDate, TimeDelta};
use entity::id::{CustomerId, ReferralId};
use entity::order::OrderState;
use entity::referral::{Column, Entity, Model, ReferralReason, ReferralState};
use entity::{Instant, order};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{
    ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::judge::{Pair, judge};
use super::orders::{has_pieces_left, reopen, vests_at};
use super::{end, events, friend_of};
use crate::app::App;
use crate::earning::{self, Brought};
use crate::error::Fault;
use crate::jobs::Ended;
use crate::points::orders::{self as points, Owner};
use crate::points::rules::start_of_day;
use crate::tx::Tx;

/// The recurring job that rewards what is due.
pub(crate) const VEST: &str = "referrals.vest";
/// Referrals that are looked up at once.
const PAGE: u64 = 200;

/// Rewards what is due, each referral in a transaction of its own: one that cannot be holds up none of the others. Due
/// again in a minute, or in a second if it did not get through.
pub(crate) async fn vest(app: &App) -> Result<Ended, Fault> {
    let now = app.clock.now();
    let begun = tokio::time::Instant::now();
    let mut after = None;
    loop {
        let page = due(app, now, after).await?;
        let Some(last) = page.last().copied() else { break };
        after = Some(last);
        for (_, referral) in page {
            // The rest of the lease is for the last of them.
            if begun.elapsed() > app.config.job_lease / 3 {
                return Ok(Ended::Again(now + TimeDelta::seconds(1)));
            }
            if let Err(fault) = app.change(&referral, vest_one).await {
                tracing::error!(?fault, referral.id = %referral.0, "a referral that is due was not rewarded");
            }
        }
    }
    Ok(Ended::Again(now + TimeDelta::minutes(1)))
}

async fn due(
    app: &App,
    now: Instant,
    after: Option<(Instant, ReferralId)>,
) -> Result<Vec<(Instant, ReferralId)>, Fault> {
    let mut due = Entity::find()
        .select_only()
        .columns([Column::VestsAt, Column::Id])
        // As text, as in the index of these.
        .filter(Expr::cust("state = 'QUALIFIED'").and(Column::VestsAt.lte(now)));
    if let Some((at, id)) = after {
        let place = Expr::tuple([Expr::col(Column::VestsAt), Expr::col(Column::Id)]);
        due = due.filter(place.gt(Expr::tuple([Expr::val(at), Expr::val(id.0)])));
    }
    let page = due.order_by_asc(Column::VestsAt).order_by_asc(Column::Id).limit(PAGE);
    Ok(page.into_tuple().all(&app.db.read).await?)
}

/// Locks the order, then the referral, then both accounts: of two who reward at once one does, and a return comes before
/// or after.
async fn vest_one(tx: &Tx, referral: &ReferralId) -> Result<(), Fault> {
    let found = Entity::find_by_id(*referral).one(tx.db()).await?;
    let Some(order_id) = found.and_then(|row| row.order_id) else { return Ok(()) };
    let order = order::Entity::find_by_id(order_id).lock_exclusive().one(tx.db()).await?;
    let order = order.ok_or_else(|| Fault::internal("an order that counts is gone"))?;
    let row = Entity::find_by_id(*referral).lock_exclusive().one(tx.db()).await?;
    let is_due = |row: &Model| {
        row.state == ReferralState::Qualified
            && row.order_id == Some(order_id)
            && row.vests_at.is_some_and(|at| at <= tx.now())
    };
    let Some(row) = row.filter(is_due) else { return Ok(()) };
    if order.state == OrderState::Cancelled || !has_pieces_left(tx, order.id).await? {
        return reopen(tx, &row).await;
    }
    // What was delivered while the referral moved to this order waits from then.
    let over = order.delivered_at.or(order.paid_at).map(|from| vests_at(tx, from));
    if let Some(over) = over.filter(|over| *over > tx.now()) {
        return put_off(tx, &row, over).await;
    }
    let Some(friend) = friend_of(&row) else {
        return end(tx, &row, ReferralReason::AlreadyReferred).await.map(drop);
    };
    // What was recorded since the friend was bound came after, whatever the shop says of when it was placed.
    let but = [row.bound_by_id, row.order_id.filter(|_| order.recorded_at >= row.bound_at)];
    let pair = Pair { referrer: row.referrer_id, friend, but, bound_at: Some(row.bound_at) };
    if let Some(reason) = judge(tx, &pair).await? {
        return end(tx, &row, reason).await.map(drop);
    }
    reward(tx, row, friend, order.placed_at).await
}

async fn put_off(tx: &Tx, row: &Model, until: Instant) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::VestsAt, Expr::val(until))
        .filter(Column::Id.eq(row.id).and(Column::State.eq(ReferralState::Qualified)))
        .exec(tx.db())
        .await?;
    Ok(())
}

async fn reward(tx: &Tx, row: Model, friend: Owner, placed_at: Instant) -> Result<(), Fault> {
    let referrer = Owner::Customer(row.referrer_id);
    points::open_accounts(tx, &[referrer, friend]).await?;
    let (referrer, friend) = (referrer.account(), friend.account());
    points::lock_accounts(tx, &[referrer, friend]).await?;
    if is_at_limit(tx, row.referrer_id).await? {
        return end(tx, &row, ReferralReason::ReferrerLimit).await.map(drop);
    }
    let brought = Brought { referral: row.id, referrer, friend, placed_at };
    let [referrer_points, friend_points] = earning::brought(tx, &brought).await?;
    let rewarded = Entity::update_many()
        .col_expr(Column::State, Expr::val(ReferralState::Rewarded.to_value()))
        .col_expr(Column::ReferrerPoints, Expr::val(referrer_points))
        .col_expr(Column::FriendPoints, Expr::val(friend_points))
        .col_expr(Column::RewardedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(row.id).and(Column::State.eq(ReferralState::Qualified)))
        .exec(tx.db())
        .await?;
    if rewarded.rows_affected != 1 {
        return Err(Fault::internal("a locked referral changed its state"));
    }
    let row = Model { state: ReferralState::Rewarded, referrer_points, friend_points, ..row };
    events::tell(tx, "referral.rewarded", &row).await
}

/// Whether a referrer was rewarded as often this year as one may be; behind the lock on the account.
async fn is_at_limit(tx: &Tx, referrer: CustomerId) -> Result<bool, Fault> {
    let Some(limit) = tx.settings().referrals.yearly_limit else { return Ok(false) };
    let zone = tx.settings().time_zone;
    let year = tx.now().with_timezone(&zone).year();
    let began = NaiveDate::from_ymd_opt(year, 1, 1).and_then(|day| start_of_day(zone, day));
    let this_year: SimpleExpr = Column::RewardedAt.gte(began.unwrap_or_else(|| tx.now()));
    let theirs = Column::ReferrerId.eq(referrer).and(Column::State.eq(ReferralState::Rewarded));
    let rewarded = Entity::find().filter(theirs.and(this_year)).count(tx.db()).await?;
    Ok(rewarded >= u64::from(limit))
}
