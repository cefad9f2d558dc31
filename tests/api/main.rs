//! What Regulars does, told through its API on a real database: every test here runs on `SQLite` and on `PostgreSQL`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::missing_panics_doc,
    reason = "in a test a panic is the report"
)]

mod architecture;
mod jobs;
mod migrations;
mod outbox;
mod schema;
mod settings;
mod shop;
mod support;
mod write_once;
