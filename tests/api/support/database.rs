//! A database for one test: a copy of a migrated template, in a temporary directory or on the `PostgreSQL` that `tests/run`
//! brings.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use regulars::db::{self, Db};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::config;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

/// The database of one test.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    url: String,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Directory(tempfile::TempDir),
    Database(String),
}

impl TestDatabase {
    /// A migrated one.
    pub(crate) async fn migrated(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let empty = Self::file();
                std::fs::copy(template_file().await, empty.path()).unwrap();
                empty
            }
            Engine::Postgres => {
                let mut server = server().await;
                let template = template(&mut server).await;
                Self::database(&mut server, &format!("TEMPLATE \"{template}\"")).await
            }
        }
    }

    /// One without any table.
    pub(crate) async fn empty(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::file(),
            Engine::Postgres => Self::database(&mut server().await, "").await,
        }
    }

    fn file() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = file_url(&directory.path().join("shop.db"));
        Self { url, kept: Kept::Directory(directory) }
    }

    fn path(&self) -> &str {
        self.url.strip_prefix("sqlite://").and_then(|url| url.strip_suffix(FILE_MODE)).unwrap()
    }

    async fn database(server: &mut PgConnection, template: &str) -> Self {
        let name = format!("test_{}", fresh_name());
        execute(server, format!("CREATE DATABASE \"{name}\" {template}")).await;
        Self { url: format!("{}/{name}", server_url()), kept: Kept::Database(name) }
    }

    /// For `DATABASE_URL`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Which it is.
    pub(crate) fn engine(&self) -> Engine {
        match self.kept {
            Kept::Directory(_) => Engine::Sqlite,
            Kept::Database(_) => Engine::Postgres,
        }
    }

    /// Removes it, whoever is still connected.
    pub(crate) async fn remove(self) {
        match self.kept {
            Kept::Directory(directory) => directory.close().unwrap(),
            Kept::Database(name) => {
                execute(&mut server().await, format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
            }
        }
    }
}

/// A file that is made if it is not there.
const FILE_MODE: &str = "?mode=rwc";

fn file_url(path: &Path) -> String {
    format!("sqlite://{}{FILE_MODE}", path.display())
}

/// The migrated file that others are copied from; of several that are made at once, the last stays.
async fn template_file() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let template = directory.join(format!("{}.db", template_name()));
    if !template.exists() {
        let draft = directory.join(format!("{}.db", fresh_name()));
        migrate(&file_url(&draft)).await;
        assert!(!draft.with_extension("db-wal").exists(), "all of it is in the one file");
        std::fs::rename(draft, &template).unwrap();
    }
    template
}

async fn migrate(url: &str) {
    let db = Db::connect(&config(url).database).await.unwrap();
    db::migrate(&db).await.unwrap();
    db.close().await.unwrap();
}

fn server_url() -> String {
    let Ok(url) = std::env::var("REGULARS_TEST_POSTGRES") else {
        panic!("start the tests with tests/run: it brings its own PostgreSQL");
    };
    url.trim_end_matches('/').to_owned()
}

async fn server() -> PgConnection {
    let url = format!("{}/postgres", server_url());
    PgConnection::connect(&url).await.expect("the PostgreSQL of REGULARS_TEST_POSTGRES does not answer")
}

async fn execute(server: &mut PgConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql)).execute(server).await.unwrap();
}

/// By what the migrations say, not by their names alone: they change while they are not released.
fn template_name() -> String {
    let mut hasher = DefaultHasher::new();
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/migration/src");
    let files = std::fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path());
    for file in files.collect::<std::collections::BTreeSet<_>>() {
        std::fs::read(file).unwrap().hash(&mut hasher);
    }
    format!("template_{:016x}", hasher.finish())
}

/// The migrated database that others are copied from; whoever comes first makes it.
async fn template(server: &mut PgConnection) -> String {
    let name = template_name();
    if exists(server, &name).await {
        return name;
    }
    sqlx::query("SELECT pg_advisory_lock(1)").execute(&mut *server).await.unwrap();
    if !exists(server, &name).await {
        let draft = format!("{name}_draft");
        execute(server, format!("DROP DATABASE IF EXISTS \"{draft}\" WITH (FORCE)")).await;
        execute(server, format!("CREATE DATABASE \"{draft}\"")).await;
        migrate(&format!("{}/{draft}", server_url())).await;
        rename(server, &draft, &name).await;
    }
    sqlx::query("SELECT pg_advisory_unlock(1)").execute(server).await.unwrap();
    name
}

/// The connections that migrated may take a moment to be gone.
async fn rename(server: &mut PgConnection, from: &str, to: &str) {
    let sql = format!("ALTER DATABASE \"{from}\" RENAME TO \"{to}\"");
    for _ in 0..100 {
        if sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut *server).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    execute(server, sql).await;
}

async fn exists(server: &mut PgConnection, name: &str) -> bool {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = $1")
        .bind(name)
        .fetch_one(server)
        .await
        .unwrap();
    count == 1
}

#[expect(clippy::disallowed_methods, reason = "names of databases have to differ from run to run")]
fn fresh_name() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}
