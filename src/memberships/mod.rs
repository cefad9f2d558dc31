//! Paid memberships: what is offered, who has one, and until when its benefits are given.
//!
//! Invariant: a membership's entitlement follows from what was paid, granted as a trial or allowed as grace, by
//! [`state`] alone, whatever order that came to be known in; a customer has one that has not ended.

pub(crate) mod held;
pub(crate) mod offers;
#[expect(dead_code, reason = "what uses it comes with the next commits")]
pub(crate) mod plans;
#[cfg_attr(not(test), expect(dead_code, reason = "what uses it comes with the next commits"))]
pub(crate) mod state;
#[cfg(test)]
mod state_tests;
