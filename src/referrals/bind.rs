//! A friend names a code: in a session, through a server of the shop, or with an order.

use entity::Instant;
use entity::id::{CustomerId, OrderId, ReferralId};
use entity::referral::{Entity, Model, ReferralReason, ReferralState};
use sea_orm::{ActiveEnum, EntityTrait, QueryFilter};
use serde::Serialize;

use super::judge::{Pair, judge};
use super::{codes, events, is_friend};
use crate::customers::write::locked;
use crate::db::bulk::Rows;
use crate::error::{Fault, Outcome, refuse};
use crate::points::orders::Owner;
use crate::tx::Tx;

/// A friend who names a code.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Accept {
    pub(crate) code: String,
    /// None if the id that was given is nobody's.
    pub(crate) friend: Option<CustomerId>,
}

/// Why a friend has no referrer by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReferralError {
    /// No such customer.
    NotFound,
    /// Something speaks against it.
    Refused(ReferralReason),
}

/// Binds a customer to whoever has the code. The lock on the customer holds orders off that would make an old one.
pub(crate) async fn accept(tx: &Tx, accept: &Accept) -> Outcome<ReferralId, ReferralError> {
    let Some(friend) = accept.friend else { return refuse(ReferralError::NotFound) };
    let Some(friend) = locked(tx, friend).await? else { return refuse(ReferralError::NotFound) };
    match bind(tx, &accept.code, Owner::Customer(friend.id), None).await? {
        Ok(referral) => Ok(referral),
        Err(reason) => refuse(ReferralError::Refused(reason)),
    }
}

/// Binds a friend to whoever has the code, if nothing speaks against it. `order` is the one that named it, and when it was
/// placed. Who is bound to the same referrer already stays so.
pub(super) async fn bind(
    tx: &Tx,
    code: &str,
    friend: Owner,
    order: Option<(OrderId, Instant)>,
) -> Result<Result<ReferralId, ReferralReason>, Fault> {
    let Some(referrer) = codes::owner(tx, code).await? else {
        return Ok(Err(ReferralReason::CodeUnknown));
    };
    if let Some(row) = bound(tx, friend).await? {
        return Ok(again(&row, referrer.id));
    }
    let bound_by = order.map(|(order, _)| order);
    let pair = Pair { referrer: referrer.id, friend, but: [bound_by, None], bound_at: None };
    if let Some(reason) = judge(tx, &pair).await? {
        return Ok(Err(reason));
    }
    let bound_at = order.map_or_else(|| tx.now(), |(_, placed_at)| placed_at.min(tx.now()));
    let row = Model { code: codes::normal(code), bound_at, ..new(tx, &pair) };
    if insert(tx, &row).await? {
        events::tell(tx, "referral.bound", &row).await?;
        return Ok(Ok(row.id));
    }
    // Another code of the same friend came first.
    let first = bound(tx, friend).await?;
    Ok(first.map_or(Err(ReferralReason::AlreadyReferred), |row| again(&row, referrer.id)))
}

async fn bound(tx: &Tx, friend: Owner) -> Result<Option<Model>, Fault> {
    Ok(Entity::find().filter(is_friend(friend)).one(tx.db()).await?)
}

/// What becomes of a code that a friend names who has a referrer.
fn again(row: &Model, referrer: CustomerId) -> Result<ReferralId, ReferralReason> {
    let counts = match row.state {
        ReferralState::Pending | ReferralState::Qualified | ReferralState::Rewarded => true,
        ReferralState::Refused | ReferralState::ClawedBack => false,
    };
    if counts && row.referrer_id == referrer { Ok(row.id) } else { Err(ReferralReason::AlreadyReferred) }
}

fn new(tx: &Tx, pair: &Pair) -> Model {
    let (friend_id, guest_id) = match pair.friend {
        Owner::Customer(customer) => (Some(customer), None),
        Owner::Guest(guest) => (None, Some(guest)),
    };
    Model {
        id: tx.id(),
        code: String::new(),
        referrer_id: pair.referrer,
        friend_id,
        guest_id,
        state: ReferralState::Pending,
        reason: None,
        bound_by_id: pair.but[0],
        order_id: None,
        referrer_points: 0,
        friend_points: 0,
        bound_at: tx.now(),
        qualified_at: None,
        vests_at: None,
        rewarded_at: None,
        ended_at: None,
    }
}

/// False if the friend has a referral already.
async fn insert(tx: &Tx, row: &Model) -> Result<bool, Fault> {
    let columns = &[
        "id",
        "code",
        "referrer_id",
        "friend_id",
        "guest_id",
        "state",
        "bound_by_id",
        "referrer_points",
        "friend_points",
        "bound_at",
    ];
    let mut rows = Rows::new("referrals", columns);
    rows.push([
        row.id.0.into(),
        row.code.as_str().into(),
        row.referrer_id.0.into(),
        row.friend_id.map(|id| id.0).into(),
        row.guest_id.map(|id| id.0).into(),
        row.state.to_value().into(),
        row.bound_by_id.map(|id| id.0).into(),
        row.referrer_points.into(),
        row.friend_points.into(),
        row.bound_at.into(),
    ]);
    Ok(rows.insert_missing(tx.db()).await? == 1)
}
