//! The rules by which points are earned: versioned data that staff draft, try on the past, publish and retire.
//!
//! Invariant: a version that was published never changes, only ends, and no version takes force in the past. So what
//! entries of the ledger name by rule and version can be told for ever, and what an order earned is what the rules of its
//! day gave. An order earns by the rules in force when it was placed.

pub mod api;
mod backtest;
pub(crate) mod carts;
mod definition;
mod evaluate;
mod explain;
mod facts;
mod held;
mod occasions;
mod placed;
mod versions;

#[cfg(test)]
mod tests;

pub use definition::Weekday;
pub(crate) use definition::{Conditions, Invalid, text};
pub(crate) use evaluate::{Gain, LineFacts};
pub(crate) use facts::of_orders;
pub(crate) use occasions::{
    BIRTHDAYS, Brought, EventError, Stated, birthdays, brought, event, joined, move_uses,
};
pub(crate) use placed::{PlacedOrder, matching};
