//! What happened to memberships, told to the outbox: `membership.` and the state that it came into (`incomplete trialing
//! active past_due paused cancelled expired`), `membership.renewed`, `membership.cancelling` when it is to end,
//! `membership.kept` when it is not any more, and `membership.plan_changed`; ids, states and instants only.

use entity::membership::{MembershipState, Model};
use sea_orm::ActiveEnum;
use serde_json::json;

use crate::error::Fault;
use crate::outbox::{Event, emit};
use crate::tx::Tx;

/// Tells what changed between `before` and `row`.
pub(super) async fn tell(tx: &Tx, before: &Model, row: &Model) -> Result<(), Fault> {
    let mut topics = Vec::new();
    if before.state != row.state {
        topics.push(topic(row.state));
    } else if row.state == MembershipState::Active && before.paid_through < row.paid_through {
        topics.push("membership.renewed");
    }
    if before.plan_id != row.plan_id {
        topics.push("membership.plan_changed");
    }
    match (before.cancels_at, row.cancels_at) {
        (None, Some(_)) => topics.push("membership.cancelling"),
        (Some(_), None) => topics.push("membership.kept"),
        (None, None) | (Some(_), Some(_)) => {}
    }
    emit(tx, topics.into_iter().map(|topic| event(tx, topic, before, row))).await
}

/// Tells that somebody asked for one.
pub(super) async fn begun(tx: &Tx, row: &Model) -> Result<(), Fault> {
    emit(tx, [event(tx, topic(row.state), row, row)]).await
}

fn event(tx: &Tx, topic: &'static str, before: &Model, row: &Model) -> Event {
    let payload = json!({
        "membershipId": row.id,
        "customerId": row.customer_id,
        "planId": row.plan_id,
        "from": before.state.to_value(),
        "state": row.state.to_value(),
        "entitledUntil": row.entitled_until,
        "paidThrough": row.paid_through,
        "cancelsAt": row.cancels_at,
        "endedWhy": row.ended_why.map(|why| why.to_value()),
    });
    Event { topic, aggregate_id: row.id.0, payload, imported: false, occurred_at: tx.now() }
}

fn topic(state: MembershipState) -> &'static str {
    match state {
        MembershipState::Incomplete => "membership.incomplete",
        MembershipState::Trialing => "membership.trialing",
        MembershipState::Active => "membership.active",
        MembershipState::PastDue => "membership.past_due",
        MembershipState::Paused => "membership.paused",
        MembershipState::Cancelled => "membership.cancelled",
        MembershipState::Expired => "membership.expired",
    }
}
