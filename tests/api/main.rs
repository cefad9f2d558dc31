//! What Regulars does, told through its API on a real database: every test here runs on `SQLite` and on `PostgreSQL`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod access;
mod adjustments;
mod api_keys;
mod architecture;
mod audit;
mod auth;
mod jobs;
mod migrations;
mod order_holds;
mod order_pages;
mod orders;
mod outbox;
mod points;
mod points_preview;
mod schema;
mod second_factor;
mod settings;
mod shop;
mod staff;
mod support;
mod transport;
mod write_once;
