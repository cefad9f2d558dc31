//! What the shop packs with orders, such as a gift or a thank-you note for the best customers.
//!
//! Invariant: an order keeps the instructions that it got when it was recorded, whatever becomes of the rules.

pub mod api;
mod attach;
mod rules;

pub(crate) use attach::attach;
