//! The catalogue: the shop's products by sku, who can see them when, how many there are, and who waits for them.
//!
//! Invariant: nobody waits for a product that can be bought, but until the worker looks; stock is never below 0.

pub mod api;
mod early;
pub(crate) mod list;
pub(crate) mod release;
pub mod rules;
pub mod stock;
pub(crate) mod terms;
pub mod upsert;
pub mod waitlist;

pub(crate) use early::{EarlyAccess, Ordered, entitled, not_yet};
pub use upsert::Upsert;
pub(crate) use upsert::upsert;
