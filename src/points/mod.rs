//! Points: a double-entry ledger of what members earn, hold, spend and lose.
//!
//! Invariant: an account's cached buckets are the sums of its entries, all buckets together are 0, and no bucket but
//! ISSUED is below 0; PENDING and AVAILABLE are the sums of its lots.

mod account;
mod adjustments;
pub mod amount;
pub mod api;
pub(crate) mod apply;
pub(crate) mod command;
mod events;
mod holds;
pub(crate) mod imported;
mod inactivity;
pub(crate) mod jobs;
mod joins;
pub(crate) mod ledger;
pub(crate) mod liability;
pub(crate) mod lookups;
pub(crate) mod merges;

pub mod opening;
pub mod orders;
pub mod preview;
pub mod programme;
mod returns;
pub mod rules;
mod store;
pub(crate) mod tax;
pub mod verify;
mod warnings;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod imported_tests;
#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod liability_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod warnings_tests;
