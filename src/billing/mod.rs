//! Whoever takes the money: Stripe, or a sandbox with the same shapes for demo and tests.
//!
//! Invariant: nothing here says who is entitled to what. What is asked is written down before it is asked, under a key by
//! which it is done once; what is heard is only a reason to look up how things are.

pub mod api;
pub(crate) mod inbox;
pub(crate) mod payments;
pub(crate) mod references;
pub(crate) mod sandbox;
pub mod setup;
pub(crate) mod stripe;
