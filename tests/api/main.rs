//! What Regulars does, told through its API on a real database: every test here runs on `SQLite` and on `PostgreSQL`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod access;
mod adjustments;
mod api_keys;
mod architecture;
mod audit;
mod auth;
mod claims;
mod email_change;
mod enumeration;
mod jobs;
mod keys;
mod messages;
mod migrations;
mod notices;
mod order_holds;
mod order_pages;
mod orders;
mod outbox;
mod own_sessions;
mod password_reset;
mod passwords;
mod points;
mod points_preview;
mod policies;
mod schema;
mod second_factor;
mod sessions;
mod settings;
mod shop;
mod staff;
mod support;
mod throttle;
mod transport;
mod write_once;
