//! The only place that knows which database this is: connections here, SQL that differs in [`dialect`],
//! many rows at once in [`bulk`], notifications in [`listener`].

mod arrays;
pub(crate) mod bulk;
pub(crate) mod dialect;
pub(crate) mod listener;
pub(crate) mod rate_limits;

use std::time::Duration;

use anyhow::{Context, bail};
use entity::Instant;
use migration::{Migrator, MigratorTrait};
use sea_orm::sea_query::Query;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use secrecy::{ExposeSecret, SecretString};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, PgConnection};

use crate::error::Fault;

/// Connections to one database: on `SQLite` one writer and several readers, on `PostgreSQL` one pool for both.
#[derive(Clone, Debug)]
pub struct Db {
    /// For queries.
    pub read: DatabaseConnection,
    /// For transactions that write.
    pub write: DatabaseConnection,
}

/// How to connect.
#[derive(Clone, Debug)]
pub struct DbOptions {
    /// `sqlite://FILE?mode=rwc` or `postgres://…`.
    pub url: SecretString,
    /// Connections: all of them on `PostgreSQL`, the readers on `SQLite`.
    pub max_connections: u32,
    /// Start although `PostgreSQL` may lose acknowledged commits.
    pub allow_asynchronous_commit: bool,
}

impl Db {
    /// Connects, and refuses a `PostgreSQL` that may forget acknowledged commits unless told to accept it.
    pub async fn connect(options: &DbOptions) -> anyhow::Result<Self> {
        if options.url.expose_secret().starts_with("sqlite:") {
            let write = sqlite(options, 1).await?;
            let read = sqlite(options, options.max_connections).await?;
            return Ok(Self { read, write });
        }
        if !options.url.expose_secret().starts_with("postgres://")
            && !options.url.expose_secret().starts_with("postgresql://")
        {
            bail!("the database URL must begin with sqlite:, postgres: or postgresql:");
        }
        let pool = postgres(options).await?;
        if !options.allow_asynchronous_commit {
            refuse_asynchronous_commit(&pool).await?;
        }
        Ok(Self { read: pool.clone(), write: pool })
    }

    /// Whether several instances may share this database.
    pub fn is_postgres(&self) -> bool {
        self.write.get_database_backend() == DbBackend::Postgres
    }

    /// The pool that listens for notifications; only `PostgreSQL` has one.
    pub fn notifications(&self) -> Option<&sqlx::PgPool> {
        self.is_postgres().then(|| self.write.get_postgres_connection_pool())
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

    /// Closes both pools; pending work on them ends first.
    pub async fn close(self) -> anyhow::Result<()> {
        if !self.is_postgres() {
            self.read.close().await?;
        }
        self.write.close().await.context("closing the database")
    }
}

async fn sqlite(options: &DbOptions, connections: u32) -> anyhow::Result<DatabaseConnection> {
    if options.url.expose_secret().contains(":memory:") {
        bail!("an in-memory SQLite database would be a different one for every connection; use a file");
    }
    let mut connect = common(options, connections);
    connect.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .statement_cache_capacity(512)
            .pragma("cache_size", "-16384")
    });
    // SQLite ends a transaction by itself when the disk fails, which the library does not notice: it would take what follows
    // for a part of that transaction, and nothing would ever be committed again.
    connect.map_sqlx_sqlite_pool_opts(|pool| {
        pool.before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
    });
    Database::connect(connect).await.context("opening the SQLite file")
}

async fn postgres(options: &DbOptions) -> anyhow::Result<DatabaseConnection> {
    let mut connect = common(options, options.max_connections);
    // A ping before every use costs a round trip; a connection that rested for long may be dead.
    connect.test_before_acquire_if_idle_for(Duration::from_secs(30));
    let session = [
        // An instance that froze, or a machine that is gone, lets go of what it holds.
        ("idle_in_transaction_session_timeout", "5s"),
        // Who got a lock has to see what was committed before that, whatever the database was set to.
        ("default_transaction_isolation", "read committed"),
    ];
    connect.map_sqlx_postgres_opts(move |postgres| postgres.statement_cache_capacity(512).options(session));
    Database::connect(connect).await.context("connecting to PostgreSQL")
}

fn common(options: &DbOptions, connections: u32) -> ConnectOptions {
    let mut connect = ConnectOptions::new(options.url.expose_secret());
    connect
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(10))
        .sqlx_logging(false);
    connect
}

async fn refuse_asynchronous_commit(pool: &DatabaseConnection) -> anyhow::Result<()> {
    let show = Statement::from_string(DbBackend::Postgres, "SHOW synchronous_commit");
    let row = pool.query_one_raw(show).await?.context("PostgreSQL did not answer")?;
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
    Migrator::up(&db.write, None).await.context("migrating the database")
}

/// Takes the whole schema back.
pub async fn migrate_down(db: &Db) -> anyhow::Result<()> {
    let _lock = MigrationLock::take(db).await?;
    Migrator::down(&db.write, None).await.context("migrating the database down")
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
        let Some(pool) = db.notifications() else {
            return Ok(Self { _connection: None });
        };
        let mut connection = PgConnection::connect_with(&pool.connect_options()).await?;
        sqlx::query("SELECT pg_advisory_lock($1)").bind(Self::KEY).execute(&mut connection).await?;
        Ok(Self { _connection: Some(connection) })
    }
}
