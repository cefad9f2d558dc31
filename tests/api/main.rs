//! What Regulars does, told through its API on a real database: every test here runs on `SQLite` and on `PostgreSQL`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod architecture;
mod jobs;
mod migrations;
mod outbox;
mod points;
mod schema;
mod settings;
mod shop;
mod support;
mod write_once;
