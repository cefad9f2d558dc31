//! Applications on throwaway databases, for the tests beside the code.

use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use sea_orm::{ConnectionTrait, Database};

use crate::app::App;
use crate::clock::{Clock, IdGen};
use crate::config::{Config, ConfigArgs};

/// Which database a test runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// An application whose database goes with it.
pub(crate) struct TestApp {
    pub(crate) app: App,
    _directory: tempfile::TempDir,
}

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
}

/// A fresh application at noon on 15 January 2026.
pub(crate) async fn app(engine: Engine) -> TestApp {
    let directory = tempfile::tempdir().unwrap();
    let app = instance(&database(engine, &directory).await).await;
    TestApp { app, _directory: directory }
}

/// Runs a test on a fresh application on either database.
pub(crate) async fn on_each_database(test: impl AsyncFn(&App)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let fresh = app(engine).await;
        test(&fresh.app).await;
    }
}

/// An instance over the database at `url`.
pub(crate) async fn instance(url: &str) -> App {
    // Tests of other caps on a mailbox come first.
    let unlimited = ["--max-credentials-per-mailbox", "0"];
    let arguments =
        [["test", "--database-url", url, "--database-connections", "6"].as_slice(), &unlimited].concat();
    let config = Config::try_from(Arguments::try_parse_from(arguments).unwrap().config).unwrap();
    let clock = Clock::manual("2026-01-15T12:00:00Z".parse().unwrap());
    App::build_with(config, clock, IdGen::seeded(1)).await.unwrap()
}

/// The URL of an empty database; a file goes with its directory.
pub(crate) async fn database(engine: Engine, directory: &tempfile::TempDir) -> String {
    match engine {
        Engine::Sqlite => format!("sqlite://{}?mode=rwc", directory.path().join("shop.db").display()),
        Engine::Postgres => postgres_database().await,
    }
}

/// A new database of the server that the test command started, dropped with that server.
async fn postgres_database() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let server = std::env::var("REGULARS_TEST_POSTGRES")
        .expect("start the tests with tests/run: it brings its own PostgreSQL");
    let admin = Database::connect(format!("{server}/postgres")).await.unwrap();
    let name = format!("unit_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    admin.close().await.unwrap();
    format!("{server}/{name}")
}
