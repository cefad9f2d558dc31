//! What the ledger tells the outbox.

use entity::Instant;
use entity::id::AccountId;
use serde_json::json;

use super::account::Account;
use super::command::{Act, Command, Posting};
use crate::outbox::Event;

/// The event of a command that was posted, if it moved anything.
pub(crate) fn of(command: &Command, posting: &Posting, account: &Account, now: Instant) -> Option<Event> {
    if posting.entries.is_empty() {
        return None;
    }
    let topic = match &command.act {
        Act::Earn(_) => "points.earned",
        Act::Activate(_) | Act::Schedule(..) => "points.activated",
        Act::Hold(_) => "points.held",
        Act::Pin { .. } | Act::Void { .. } => "points.released",
        Act::Capture { .. } => "points.captured",
        Act::Redeem(..) => "points.redeemed",
        Act::Adjust(..) => "points.adjusted",
        Act::Open(_) => "points.opened",
        Act::Refund(_) | Act::Undo(_) => "points.refunded",
        Act::ClawBack(_) | Act::TakeBack { .. } => "points.clawed_back",
        Act::JoinOut | Act::JoinIn(_) => "points.joined",
        Act::MergeOut | Act::MergeIn(_) => "points.merged",
        Act::Expire | Act::EndHistory => "points.expired",
    };
    let payload = json!({
        "points": posting.points,
        "hold": posting.hold,
        "lot": posting.lot,
        "available": account.row.available,
        "pending": account.row.pending,
    });
    Some(Event {
        topic,
        aggregate_id: command.account.0,
        payload,
        imported: command.imported,
        occurred_at: now,
    })
}

/// Points of an account will end: `points.expiring`, with how many, the first instant at which some end, and the days
/// before it of the warning.
pub(crate) fn expiring(account: AccountId, points: i64, at: Instant, days: i32, now: Instant) -> Event {
    Event {
        topic: "points.expiring",
        aggregate_id: account.0,
        payload: json!({ "points": points, "at": at, "days": days }),
        imported: false,
        occurred_at: now,
    }
}
