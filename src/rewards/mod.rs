//! Coupons, and rewards for points.
//!
//! Invariant: `used` of a coupon is how many of its uses are reserved or redeemed, and never above its limit; a customer
//! never has more of them than the customer's limit. Stock of a reward is what was stocked less what is claimed; of one
//! that hands out codes of others, how many of those nobody has. All of it is changed by guarded updates, whoever asks at once.

pub mod api;
mod claims;
mod codes;
mod coupons;
mod early;
pub(crate) mod orders;
mod terms;
mod uses;

pub(crate) use early::early_access;
pub(crate) use uses::{LAPSE, lapse, move_uses};
