//! Journeys: what is sent to whom when something happens. Each is versioned data; somebody's way through one is a row with
//! the instant at which something is next to be done, so that the work of a minute is what is due in it.
//!
//! Invariant: an event is taken in once, and of one person's messages that need a right or patience no more are sent than
//! the budget allows, whatever is due and on how many instances. Whoever takes in events or acts on what is due holds one
//! lock, for a batch at a time.

pub mod api;
mod approach;
mod arbitrate;
mod birthdays;
pub mod builtin;
mod definition;
mod enter;
mod events;
mod explain;
mod fanout;
mod intake;
mod live;
mod look;
mod manage;
mod merge;
mod outcome;
mod people;
mod products;
mod purchases;
mod schedule;
mod statistics;
mod tick;
pub(crate) mod updates;
mod uses;

pub(crate) use birthdays::{KIND as BIRTHDAYS, run as birthdays};
pub(crate) use fanout::{KIND as FANOUT, run as fan_out};
pub(crate) use merge::follow;
pub(crate) use tick::{KIND as TICK, run as tick};
pub(crate) use uses::{Use, uses_of_template};

use uuid::Uuid;

use crate::db::dialect;
use crate::error::Fault;
use crate::tx::Tx;

/// Waits until no other instance takes in events, acts on what is due or changes journeys.
async fn lock(tx: &Tx) -> Result<(), Fault> {
    Ok(dialect::lock(tx.db(), "journeys").await?)
}

/// Tells operators of a row that cannot be read: whatever else there is to do goes on. What is in it may be of a person and
/// is not logged.
fn unreadable(what: &'static str, id: Uuid) {
    metrics::counter!("regulars_journeys_unreadable_total", "what" => what).increment(1);
    tracing::error!(what, row.id = %id, "journeys go on without a row that cannot be read");
}
