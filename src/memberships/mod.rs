//! Paid memberships: what is offered, who has one, and until when its benefits are given.
//!
//! Invariant: a membership's entitlement follows from what was paid, granted as a trial or allowed as grace, by
//! [`state`] alone, whatever order that came to be known in; a customer has one that has not ended.

pub mod api;
pub(crate) mod calls;
pub(crate) mod cancel;
pub(crate) mod differs;
pub(crate) mod due;
mod error;
mod events;
pub(crate) mod held;
pub(crate) mod join;
mod merge;
pub(crate) mod offers;
pub(crate) mod orders;
pub(crate) mod pause;
pub(crate) mod plans;
mod report;
pub(crate) mod savings;
mod state;
#[cfg(test)]
mod state_tests;
mod store;
pub(crate) mod switch;
pub(crate) mod sync;
mod trials;
mod would_save;

pub(crate) use error::MembershipError;
pub(crate) use held::held;
pub(crate) use merge::merge;
pub(crate) use savings::Span;
pub(crate) use would_save::would_have_saved;
