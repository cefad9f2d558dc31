//! A shop to test on, without HTTP.

use crate::app::App;
use crate::clock::{Clock, IdGen};
use crate::config::{Config, Mode};
use crate::db::DbOptions;

/// An application with a database of its own; its clock stands still until moved.
pub(crate) struct Shop {
    /// The application.
    pub(crate) app: App,
    _dir: tempfile::TempDir,
}

/// A fresh one.
pub(crate) async fn shop() -> Shop {
    let dir = tempfile::tempdir().unwrap();
    let app = instance(&database(&dir).await).await;
    Shop { app, _dir: dir }
}

/// The URL of an empty database: on the server that `REGULARS_TEST_POSTGRES` names, else a file.
pub(crate) async fn database(dir: &tempfile::TempDir) -> String {
    use sea_orm::ConnectionTrait;
    let Ok(server) = std::env::var("REGULARS_TEST_POSTGRES") else {
        return format!("sqlite://{}?mode=rwc", dir.path().join("shop.db").display());
    };
    let name = format!("auth_{}", IdGen::Random.uuid(entity::Instant::MIN_UTC).simple());
    let connection = sea_orm::Database::connect(format!("{server}/postgres")).await.unwrap();
    connection.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    format!("{server}/{name}")
}

/// An instance over the database at `url`.
pub(crate) async fn instance(url: &str) -> App {
    let url = url.to_owned();
    let config = Config {
        database: DbOptions { url, max_connections: 4, allow_asynchronous_commit: false },
        mode: Mode::Development,
        public_url: "https://shop.example".to_owned(),
        smtp_url: None,
        mail_from: "Shop <shop@example.com>".parse().unwrap(),
        cors_origins: Vec::new(),
        password_hashes: 2,
    };
    let start = entity::Instant::from_timestamp(1_800_000_000, 0).unwrap();
    App::build_with(config, Clock::manual(start), IdGen::Random).await.unwrap()
}
