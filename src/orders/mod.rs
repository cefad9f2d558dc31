//! Orders, as the shop states them: recorded once, then paid, shipped, delivered, cancelled or returned.
//!
//! Invariant: an order's state only moves along [`rules::next`], what a line's returns take never exceeds what was
//! bought, and the shares of the points that pay an order add up to the hold exactly.

pub mod api;
mod attach;
mod cancel;
mod claim;
mod coupon;
mod early;
mod error;
mod events;
mod find;
mod pay;
mod progress;
pub mod record;
mod returns;
pub mod rules;
mod slot;
#[cfg(test)]
mod tests;

pub(crate) use attach::{attach, reassign};
pub(crate) use cancel::cancel;
pub(crate) use claim::{addresses_of, is_claimable, use_claim};
pub use error::OrderError;
pub use find::OrderRef;
pub(crate) use pay::{Pay, look_up_membership, pay};
pub(crate) use progress::{deliver, ship};
pub(crate) use record::record_one;
pub(crate) use returns::{Return, ReturnPieces, Which, return_lines};

use entity::Instant;
use serde::Serialize;

use crate::actor::Actor;

/// One step of an order: it shipped, was delivered or is cancelled.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// Which order.
    pub(crate) order: OrderRef,
    /// When; now if none.
    pub(crate) at: Option<Instant>,
    /// Who says so.
    #[serde(skip)]
    pub(crate) by: Actor,
}
