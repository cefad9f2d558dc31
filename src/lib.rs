//! Regulars: accounts and points that turn a web shop's first-time buyers into regulars.

pub mod actor;
pub mod app;
pub mod audit;
pub mod auth;
pub mod billing;
pub mod caller;
pub mod carts;
pub mod catalog;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod consent;
pub mod customers;
pub mod db;
pub mod delivery;
pub mod demo;
pub mod earning;
pub mod error;
pub mod export;
pub mod external_id;
pub mod graphql;
pub mod http;
pub mod idempotency;
pub mod import;
pub mod jobs;
mod localized;
pub mod memberships;
pub mod messages;
pub mod money;
pub mod notices;
pub mod onboarding;
pub mod orders;
pub mod outbox;
pub mod packing;
pub mod points;
pub mod readiness;
pub mod referrals;
pub mod rewards;
pub mod settings;
pub mod throttle;
pub mod tiers;
pub mod tx;
pub mod worker;

#[cfg(test)]
mod testing;
