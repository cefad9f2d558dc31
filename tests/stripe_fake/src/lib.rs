//! A stateful Stripe for tests: in process, on loopback, with a clock that stands still until it is moved.
//!
//! It speaks the API version 2026-09-30.endive and knows what an online subscription needs. A parameter that it does
//! not know is refused, so that no test rests on one that does nothing.
#![recursion_limit = "512"]

mod cards;
mod catalog;
mod changes;
mod checkout;
mod clock;
mod control;
mod courier;
mod customers;
mod doc;
mod events;
mod expand;
mod faults;
mod form;
mod invoices;
mod payments;
mod period;
mod refusal;
mod routes;
mod server;
mod shared;
mod state;
mod subscriptions;

use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use actix_web::dev::ServerHandle;

pub use cards::Card;
pub use control::{Charge, DisputeOutcome};
pub use events::{Event, signature};
pub use faults::{Fault, FaultKind};
pub use form::Form;
pub use refusal::Refusal;
pub use shared::Request;
use shared::Shared;

/// The one secret key that the fake accepts.
pub const KEY: &str = "sk_test_fake";

/// Where the clock of [`Fake::start`] stands: 2026-03-01, 12:00 UTC.
const BEGIN: i64 = 1_772_366_400;

/// A running Stripe; dropped, it stops.
pub struct Fake {
    shared: Arc<Shared>,
    url: String,
    server: ServerHandle,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Fake {
    /// Starts one at noon (UTC) of 1 March 2026.
    ///
    /// # Panics
    /// If no port of the loopback address can be had.
    pub async fn start() -> Self {
        Self::start_at(BEGIN).await
    }

    /// Starts one whose clock stands at that many seconds since 1970.
    ///
    /// # Panics
    /// If no port of the loopback address can be had.
    pub async fn start_at(now: i64) -> Self {
        match Self::try_start(now) {
            Ok(fake) => fake,
            Err(error) => panic!("the fake Stripe does not start: {error}"),
        }
    }

    fn try_start(now: i64) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("http://{}/", listener.local_addr()?);
        let shared = Arc::new(Shared::new(now));
        let (started, starting) = mpsc::channel();
        let state = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("stripe-fake".into())
            .spawn(move || server::run(listener, state, &started))?;
        let server = starting.recv().map_err(std::io::Error::other)?;
        Ok(Self { shared, url, server, thread: Some(thread) })
    }

    /// The base address, with a slash at its end: what async-stripe's `ClientBuilder::url` takes.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.server.stop(false));
        if let Some(thread) = self.thread.take()
            && let Ok(Err(error)) = thread.join()
        {
            eprintln!("the fake Stripe ended badly: {error}");
        }
    }
}
