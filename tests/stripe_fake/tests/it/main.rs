//! What the fake answers, read by async-stripe, which refuses whatever is not of Stripe's shape.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod clock;
mod faults;
mod idempotency;
mod money;
mod resources;
mod subscriptions;
mod support;
mod webhooks;
