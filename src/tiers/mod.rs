//! Tiers: what counts is summed up by day, and each customer has the highest tier that it carries.
//!
//! Invariant: a customer's tier is what [`standing`] makes of what counted, of what staff gave and of the tier before.
//! Both are written behind the lock on the customer's account, so that of two that change them at once the second sees
//! what the first did.

pub mod api;
mod counted;
mod due;
mod given;
pub mod programme;
mod settle;
mod standing;

pub(crate) use counted::{Earned, Spent, count_earned, count_spent, move_to_customer};
pub(crate) use due::{RECOMPUTE, SWEEP, recompute, recompute_all, sweep};
pub(crate) use given::{Brought, bring};
pub(crate) use settle::{TierOf, TierRows, held, merge, tier_rows};
