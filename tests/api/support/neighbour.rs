//! Another instance of the server, which serves and hears what the first one tells.

use std::time::{Duration, Instant};

use regulars::app::App;
use regulars::clock::IdGen;
use serde_json::Value as Json;
use tokio::task::JoinSet;

use super::{Answer, Caller, Engine, Serving, TestApp, config};

/// Another instance.
#[derive(Debug)]
pub(crate) struct Neighbour {
    /// The application.
    pub(crate) app: App,
    /// Its server.
    pub(crate) serving: Serving,
    keeping: JoinSet<()>,
}

impl TestApp {
    /// Another instance over the database of this one.
    pub(crate) async fn neighbour(&self) -> Neighbour {
        self.neighbour_through(self.database.url()).await
    }

    /// The same over a URL that leads there.
    pub(crate) async fn neighbour_through(&self, url: &str) -> Neighbour {
        let ids = IdGen::seeded(1_000 + self.next_number());
        let app = App::build_with(config(url), self.clock.clone(), ids).await.unwrap();
        let keeping = app.keep_current(false);
        if self.database.engine() == Engine::Postgres {
            eventually("another instance hears", Duration::from_secs(10), || app.notices.hears_others())
                .await;
        }
        Neighbour { serving: Serving::begin(app.clone()), app, keeping }
    }
}

impl Neighbour {
    /// Sends an operation as `caller` would.
    pub(crate) async fn graphql(&self, caller: &Caller, query: &str, variables: Json) -> Answer {
        self.serving.post(caller, query, variables).await
    }

    pub(crate) async fn end(self) {
        self.serving.end().await;
        drop(self.keeping);
        self.app.db.clone().close().await.unwrap();
    }
}

/// Waits until `is_so`; a test that waits longer than `patience` fails.
pub(crate) async fn eventually(what: &str, patience: Duration, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < patience, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
