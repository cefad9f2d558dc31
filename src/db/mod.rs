//! The only place that knows which database this is: connections here, SQL that differs in [`dialect`],
//! many rows at once in [`bulk`], notifications in [`listener`].

mod arrays;
pub(crate) mod bulk;
mod connections;
pub(crate) mod dialect;
mod line;
pub(crate) mod listener;
pub(crate) mod rate_limits;
mod transaction;
mod values;
mod waiting;

use std::time::Duration;

use anyhow::{Context, bail};
use entity::Instant;
use migration::{Migrator, MigratorTrait};
use sea_orm::sea_query::Query;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, PgConnection};

pub use self::connections::Connections;
use self::line::{Source, parsed};
pub use self::transaction::Transaction;
use crate::error::Fault;

/// Connections to one database: on `SQLite` one writer and several readers, on `PostgreSQL` the same for both.
#[derive(Clone, Debug)]
pub struct Db {
    /// For queries.
    pub read: Connections,
    /// For transactions that write.
    pub write: Connections,
    /// For rows that are looked up by keys of an index, and nothing else.
    pub(crate) lookups: Connections,
    url: SecretString,
}

/// How to connect.
#[derive(Clone, Debug)]
pub struct DbOptions {
    /// `sqlite://FILE?mode=rwc` or `postgres://…`.
    pub url: SecretString,
    /// Connections: all of them on `PostgreSQL`, where it takes two at least, the readers on `SQLite`.
    pub max_connections: u32,
    /// Start although `PostgreSQL` may lose acknowledged commits.
    pub allow_asynchronous_commit: bool,
}

impl Db {
    /// Connects, and refuses a `PostgreSQL` that may forget acknowledged commits unless told to accept it.
    pub async fn connect(options: &DbOptions) -> anyhow::Result<Self> {
        let (url, most) = (options.url.expose_secret(), options.max_connections);
        if url.starts_with("sqlite:") {
            if url.contains(":memory:") {
                bail!(
                    "an in-memory SQLite database would be a different one for every connection; use a file"
                );
            }
            let of_reader = sqlite(parsed(url)?);
            let of_writer = of_reader.clone().pragma("cache_size", CACHE_OF_WRITER);
            let read = Connections::new(Source::Sqlite(Box::new(of_reader)), most)?;
            let write = Connections::new(Source::Sqlite(Box::new(of_writer)), 1)?;
            // The writer first: it makes the file.
            write.try_out().await?;
            return Ok(Self { lookups: read.clone(), read, write, url: options.url.clone() });
        }
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            bail!("the database URL must begin with sqlite:, postgres: or postgresql:");
        }
        let source = postgres(parsed(url)?);
        let of_lookups = Source::Postgres(Box::new(source.clone().options(OF_LOOKUPS)));
        let of_lookups_most = (most / 4).max(1);
        let pool = Connections::new(
            Source::Postgres(Box::new(source)),
            most.saturating_sub(of_lookups_most).max(1),
        )?;
        if !options.allow_asynchronous_commit {
            refuse_asynchronous_commit(&pool).await?;
        }
        let lookups = Connections::new(of_lookups, of_lookups_most)?;
        Ok(Self { read: pool.clone(), write: pool, lookups, url: options.url.clone() })
    }

    /// Whether several instances may share this database.
    pub fn is_postgres(&self) -> bool {
        self.write.get_database_backend() == DbBackend::Postgres
    }

    /// How to connect beside these connections; only `PostgreSQL` is ever asked that.
    pub(crate) fn postgres_options(&self) -> Option<Result<PgConnectOptions, sqlx::Error>> {
        self.is_postgres().then(|| parsed(self.url.expose_secret()).map(postgres))
    }

    /// Begins a transaction that writes.
    pub async fn begin_writing(&self) -> Result<Transaction, DbErr> {
        // On SQLite, one that reads before it writes would be refused once another has written.
        self.write.begin(if self.is_postgres() { "BEGIN" } else { "BEGIN IMMEDIATE" }).await
    }

    /// Begins a transaction that sees one moment.
    pub(crate) async fn begin_snapshot(&self) -> Result<Transaction, DbErr> {
        let snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.read.begin(if self.is_postgres() { snapshot } else { "BEGIN" }).await
    }

    /// What the database's own clock says; an `SQLite` file has none.
    pub(crate) async fn time(&self) -> Result<Option<Instant>, Fault> {
        if !self.is_postgres() {
            return Ok(None);
        }
        let asked = dialect::database_millis(self.read.get_database_backend());
        let row = self.read.query_one(&Query::select().expr_as(asked, "now").take()).await?;
        let millis = row.ok_or_else(|| Fault::internal("a query without its row"))?.try_get("", "now")?;
        Ok(Instant::from_timestamp_millis(millis))
    }

    fn all(&self) -> [&Connections; 3] {
        [&self.read, &self.lookups, &self.write]
    }

    /// Closes now and then what nobody needed for long.
    pub(crate) async fn tidy(self) {
        loop {
            tokio::time::sleep(Duration::from_mins(1)).await;
            for connections in self.all() {
                connections.let_go().await;
            }
        }
    }

    /// Closes all connections; pending work on them ends first.
    pub async fn close(self) -> anyhow::Result<()> {
        for connections in self.all() {
            connections.close().await;
        }
        Ok(())
    }
}

fn sqlite(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .statement_cache_capacity(512)
        .pragma("cache_size", CACHE_OF_READER)
}

/// KiB of the file that a connection keeps, with the sign that `SQLite` tells these from pages by. Readers are many, and the
/// system keeps the file for all of them.
const CACHE_OF_READER: &str = "-2048";
const CACHE_OF_WRITER: &str = "-16384";

fn postgres(options: PgConnectOptions) -> PgConnectOptions {
    options.statement_cache_capacity(512).options([
        // An instance that froze, or a machine that is gone, lets go of what it holds.
        ("idle_in_transaction_session_timeout", "5s"),
        // Who got a lock has to see what was committed before that, whatever the database was set to.
        ("default_transaction_isolation", "read committed"),
        // What nobody waits for any more ends, in place of piling up behind a lock.
        ("client_connection_check_interval", "1s"),
    ])
}

/// Each statement is planned once, and for its index: how many keys it is given says nothing about which plan is best, and
/// neither does a table that was empty when it was first asked.
const OF_LOOKUPS: [(&str, &str); 2] = [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")];

async fn refuse_asynchronous_commit(pool: &Connections) -> anyhow::Result<()> {
    let show = Statement::from_string(DbBackend::Postgres, "SHOW synchronous_commit");
    let row = pool.query_one_raw(show).await.context("connecting to PostgreSQL")?;
    let row = row.context("PostgreSQL did not answer")?;
    if row.try_get_by_index::<String>(0)? == "off" {
        bail!(
            "PostgreSQL runs with synchronous_commit=off and may forget acknowledged points; \
             set REGULARS_ALLOW_ASYNCHRONOUS_COMMIT=true to accept that"
        );
    }
    Ok(())
}

/// Brings the schema up to date. Instances that start at once wait for each other.
pub async fn migrate(db: &Db) -> anyhow::Result<()> {
    let _lock = MigrationLock::take(db).await?;
    let migrating = migrating(db).await?;
    Migrator::up(&migrating, None).await.context("migrating the database")?;
    Ok(migrating.close().await?)
}

/// Takes the whole schema back.
pub async fn migrate_down(db: &Db) -> anyhow::Result<()> {
    let _lock = MigrationLock::take(db).await?;
    let migrating = migrating(db).await?;
    Migrator::down(&migrating, None).await.context("migrating the database down")?;
    Ok(migrating.close().await?)
}

/// A connection as migrations need it.
async fn migrating(db: &Db) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(db.url.expose_secret());
    options.max_connections(1).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(sqlite).map_sqlx_postgres_opts(postgres);
    Database::connect(options).await.context("connecting to migrate")
}

/// Names of the migrations that are known here and not in the database. Those of a newer program do not matter: what it
/// adds is of no concern to an instance that runs already.
pub async fn pending_migrations(db: &Db) -> anyhow::Result<Vec<String>> {
    let applied = Migrator::get_migration_models(&db.read).await?;
    let is_pending = |name: &&str| applied.iter().all(|applied| applied.version != *name);
    let known = Migrator::migrations();
    Ok(known.iter().map(|migration| migration.name()).filter(is_pending).map(str::to_owned).collect())
}

/// Held while migrating, on a connection beside the pool: a pool of one would starve the migration. The server frees it
/// when that connection ends.
struct MigrationLock {
    _connection: Option<PgConnection>,
}

impl MigrationLock {
    /// "regulars" in the phone keys of the last century.
    const KEY: i64 = 7_348_527;

    async fn take(db: &Db) -> anyhow::Result<Self> {
        let Some(options) = db.postgres_options().transpose()? else {
            return Ok(Self { _connection: None });
        };
        let mut connection = PgConnection::connect_with(&options).await?;
        sqlx::query("SELECT pg_advisory_lock($1)").bind(Self::KEY).execute(&mut connection).await?;
        Ok(Self { _connection: Some(connection) })
    }
}
