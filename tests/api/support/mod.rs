//! A shop for a test: the whole application on a database of its own, a clock that the test moves, and its API.

mod acts;
mod answer;
mod caller;
mod credentials;
mod database;
mod feedback;
mod journeys;
mod mail;
mod messages;
mod neighbour;
mod plans;
mod proxy;
mod serving;
mod snapshot;
mod stripe;
mod told;

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use clap::Parser;
use futures_util::FutureExt;
use regulars::app::App;
use regulars::clock::{Clock, IdGen};
use regulars::config::{Config, ConfigArgs};
use regulars::error::{Fault, Outcome, split};
use regulars::points::verify;
use regulars::tx::Tx;
use regulars::worker;
use serde_json::Value as Json;

pub(crate) use acts::{Sums, import, line, sums_of};
pub(crate) use answer::Answer;
pub(crate) use caller::{Caller, PASSWORD};
pub(crate) use credentials::{with, wrong};
pub(crate) use database::{Engine, TestDatabase};
pub(crate) use feedback::uuid_of;
pub(crate) use mail::{Mail, MailServer};
pub(crate) use messages::{Fresh, local};
pub(crate) use neighbour::{Neighbour, eventually};
pub(crate) use proxy::CountingProxy;
pub(crate) use serving::Serving;
pub(crate) use snapshot::Snapshot;
pub(crate) use stripe::{SECRETS, StripeShop, both_engines_with_stripe, days, run_with_stripe};
pub(crate) use told::Told;

/// When every test begins.
pub(crate) const BEGIN: &str = "2026-01-15T12:00:00Z";

/// Declares tests that run once on each database, named `…::sqlite` and `…::postgres`.
macro_rules! both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($shop:ident: &TestApp) $body:block)+) => {$(
        $(#[$meta])*
        async fn $name($shop: &crate::support::TestApp) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                crate::support::run(crate::support::Engine::Sqlite, super::$name).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                crate::support::run(crate::support::Engine::Postgres, super::$name).await;
            }
        }
    )+};
}
pub(crate) use both_engines;

/// A shop of one test.
#[derive(Debug)]
pub(crate) struct TestApp {
    /// The application.
    pub(crate) app: App,
    /// Its clock; stands at [`BEGIN`] until the test moves it.
    pub(crate) clock: Clock,
    /// Its database.
    pub(crate) database: TestDatabase,
    /// Where its mails go.
    pub(crate) mail: MailServer,
    /// Its server.
    pub(crate) serving: Serving,
    instances: AtomicU64,
    numbers: AtomicU64,
}

/// Runs `test` in a shop on `engine`, and removes the shop however it ends.
pub(crate) async fn run(engine: Engine, test: impl AsyncFnOnce(&TestApp)) {
    let shop = TestApp::open(engine).await;
    let whole = async {
        test(&shop).await;
        shop.assert_ledger_adds_up().await;
    };
    let ended = std::panic::AssertUnwindSafe(whole).catch_unwind().await;
    shop.close().await;
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

impl TestApp {
    async fn open(engine: Engine) -> Self {
        Self::open_with(engine, &[]).await
    }

    async fn open_with(engine: Engine, flags: &[&str]) -> Self {
        let database = TestDatabase::migrated(engine).await;
        let clock = Clock::manual(BEGIN.parse::<DateTime<Utc>>().unwrap());
        let mail = MailServer::begin().await;
        let config = config_with(database.url(), &[&["--smtp-url", mail.url()], flags].concat());
        let app = App::build_with(config, clock.clone(), IdGen::seeded(1)).await.unwrap();
        let serving = Serving::begin(app.clone());
        let (instances, numbers) = (AtomicU64::new(1), AtomicU64::new(1));
        Self { app, clock, database, mail, serving, instances, numbers }
    }

    async fn close(self) {
        self.serving.end().await;
        self.mail.end();
        self.app.db.clone().close().await.unwrap();
        self.database.remove().await;
    }

    /// Another instance of the server on the same database, with the same clock and other ids.
    pub(crate) async fn another_instance(&self) -> App {
        self.another_instance_with(&[]).await
    }

    /// The same with more flags.
    pub(crate) async fn another_instance_with(&self, flags: &[&str]) -> App {
        let seed = self.instances.fetch_add(1, Ordering::SeqCst) + 1;
        let config = config_with(self.database.url(), flags);
        App::build_with(config, self.clock.clone(), IdGen::seeded(seed)).await.unwrap()
    }

    /// Sends an operation as `caller` would.
    pub(crate) async fn graphql(&self, caller: &Caller, query: &str, variables: Json) -> Answer {
        self.serving.post(caller, query, variables).await
    }

    /// Recomputes the ledger from its entries: no cached sum may differ.
    pub(crate) async fn assert_ledger_adds_up(&self) {
        let report = verify::verify(&self.app).await.unwrap();
        assert_eq!(report.drifts, []);
        assert_eq!(report.totals.iter().sum::<i64>(), 0, "{report:?}");
    }

    /// Runs what is due, and what that makes due, until nothing is; answers how much that was.
    pub(crate) async fn run_jobs(&self) -> usize {
        let mut ran = 0;
        for _ in 0..1_000 {
            match worker::run_due(&self.app).await.unwrap() {
                0 => return ran,
                more => ran += more,
            }
        }
        panic!("jobs make each other due without end");
    }

    /// Every row of every table.
    pub(crate) async fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.app.db.read).await
    }

    /// Runs `act` and asserts that it left every table as it was: nothing changed and nothing was queued.
    pub(crate) async fn unchanged_by<T>(&self, act: impl AsyncFnOnce() -> T) -> T {
        let before = self.snapshot().await;
        let done = act().await;
        before.assert_same(&self.snapshot().await);
        done
    }

    /// Runs work that nothing can refuse, in a transaction.
    pub(crate) async fn change<T>(&self, work: impl AsyncFn(&Tx) -> Result<T, Fault>) -> T {
        self.app.change(&(), async |tx: &Tx, ()| work(tx).await).await.unwrap()
    }
}

#[derive(Parser)]
#[command(args_override_self = true)]
struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Flags of every shop. Rate limits count as they do in production, but no test that is not about them reaches one.
const FLAGS: [&str; 17] = [
    "test",
    "--database-connections",
    "8",
    "--password-hashes",
    "2",
    "--max-requests-per-address",
    "1000000",
    "--max-requests-per-account",
    "1000000",
    "--max-requests-per-api-key",
    "1000000",
    "--max-credentials-per-address",
    "1000000",
    "--max-refreshes-per-address",
    "1000000",
    "--max-credentials-per-mailbox",
    "1000000",
];

/// What a shop of a test is started with.
pub(crate) fn config(url: &str) -> Config {
    config_with(url, &[])
}

/// The same with more flags, which go before those of every shop.
pub(crate) fn config_with(url: &str, flags: &[&str]) -> Config {
    let arguments = [&FLAGS, ["--database-url", url].as_slice(), flags].concat();
    Arguments::try_parse_from(arguments).unwrap().config.try_into().unwrap()
}

/// What an operation was refused for.
pub(crate) fn refusal<T: std::fmt::Debug, R>(outcome: Outcome<T, R>) -> R {
    match split(outcome).expect("a fault") {
        Ok(done) => panic!("done instead of refused: {done:?}"),
        Err(reason) => reason,
    }
}
