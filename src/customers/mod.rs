//! Customers and guest identities: who the shop's buyers are.

pub mod email;
pub mod owners;
