//! What happened to referrals, told to the outbox: `referral.bound`, `referral.qualified`, `referral.reopened` if the order
//! that counted does not any more, `referral.rewarded`, `referral.refused` and `referral.clawed_back`; ids and points only.

use entity::referral::Model;
use sea_orm::ActiveEnum;
use serde_json::json;

use crate::error::Fault;
use crate::outbox::{Event, emit};
use crate::tx::Tx;

/// Tells what happened to a referral, which is as in `row` now.
pub(super) async fn tell(tx: &Tx, topic: &'static str, row: &Model) -> Result<(), Fault> {
    let payload = json!({
        "referralId": row.id,
        "referrerId": row.referrer_id,
        "friendId": row.friend_id,
        "guestId": row.guest_id,
        "orderId": row.order_id,
        "state": row.state.to_value(),
        "reason": row.reason.map(|reason| reason.to_value()),
        "referrerPoints": row.referrer_points,
        "friendPoints": row.friend_points,
    });
    let (aggregate_id, occurred_at) = (row.id.0, tx.now());
    emit(tx, [Event { topic, aggregate_id, payload, imported: false, occurred_at }]).await
}
