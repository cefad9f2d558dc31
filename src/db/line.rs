//! One connection, as the driver has it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use sea_orm::{DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Value};
use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgSeverity};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Error, Executor, PgConnection, SqliteConnection};

use super::values;

/// What rested for longer is asked whether it is still there before it is used. Always to ask would cost a round trip.
const FRESH: Duration = Duration::from_secs(30);
/// How long a connection is used.
const LIFETIME: Duration = Duration::from_mins(30);

/// Where connections come from.
#[derive(Clone)]
pub(super) enum Source {
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

/// Passwords stay out.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.backend())
    }
}

impl Source {
    pub(super) fn backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn connect(&self) -> Result<Link, Error> {
        Ok(match self {
            Self::Postgres(options) => Link::Postgres(Box::new(options.connect().await?)),
            Self::Sqlite(options) => Link::Sqlite(Box::new(options.connect().await?)),
        })
    }
}

impl Manager for Source {
    type Type = Line;
    type Error = Error;

    /// A database that is about to start is waited for, as long as whoever wants the connection does.
    async fn create(&self) -> Result<Line, Error> {
        let mut pause = Duration::from_millis(10);
        loop {
            // Connecting is rare and its state is large.
            match Box::pin(self.connect()).await {
                Ok(link) => return Ok(Line { link, is_sound: true }),
                Err(error) if is_starting(&error) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn recycle(&self, line: &mut Line, metrics: &Metrics) -> RecycleResult<Error> {
        if metrics.age() > LIFETIME {
            return Err(RecycleError::Message("it is old".into()));
        }
        if metrics.last_used() > FRESH {
            Box::pin(line.ping()).await.map_err(RecycleError::Backend)?;
        }
        Ok(())
    }
}

fn is_starting(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        Error::Database(error) => error.is_transient_in_connect_phase(),
        _ => false,
    }
}

enum Link {
    Postgres(Box<PgConnection>),
    Sqlite(Box<SqliteConnection>),
}

/// A connection, and whether it can be used by somebody else afterwards.
pub(super) struct Line {
    link: Link,
    /// Not while something is under way: who breaks off leaves it so.
    pub(super) is_sound: bool,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("is_sound", &self.is_sound).finish_non_exhaustive()
    }
}

impl Line {
    pub(super) fn backend(&self) -> DbBackend {
        match self.link {
            Link::Postgres(_) => DbBackend::Postgres,
            Link::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    pub(super) async fn all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let (sql, values) = parts(statement);
        let found = match &mut self.link {
            Link::Postgres(link) => {
                let query = sqlx::query_with(sql, values::postgres(values).map_err(encode_error)?);
                self.is_sound = false;
                link.fetch_all(query).await.map(|rows| rows.into_iter().map(Into::into).collect())
            }
            Link::Sqlite(link) => {
                let query = sqlx::query_with(sql, values::sqlite(values).map_err(encode_error)?);
                self.is_sound = false;
                link.fetch_all(query).await.map(|rows| rows.into_iter().map(Into::into).collect())
            }
        };
        self.ended(found).map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }

    pub(super) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        let (sql, values) = parts(statement);
        let done = match &mut self.link {
            Link::Postgres(link) => {
                let query = sqlx::query_with(sql, values::postgres(values).map_err(encode_error)?);
                self.is_sound = false;
                link.execute(query).await.map(Into::into)
            }
            Link::Sqlite(link) => {
                let query = sqlx::query_with(sql, values::sqlite(values).map_err(encode_error)?);
                self.is_sound = false;
                link.execute(query).await.map(Into::into)
            }
        };
        self.ended(done).map_err(exec_error)
    }

    /// SQL without parameters, of which nothing is kept for another time.
    pub(super) async fn run(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        self.is_sound = false;
        let sql = AssertSqlSafe(sql.to_owned());
        let done = match &mut self.link {
            Link::Postgres(link) => link.execute(sql).await.map(Into::into),
            Link::Sqlite(link) => link.execute(sql).await.map(Into::into),
        };
        self.ended(done).map_err(exec_error)
    }

    async fn ping(&mut self) -> Result<(), Error> {
        match &mut self.link {
            Link::Postgres(link) => link.ping().await,
            Link::Sqlite(link) => link.ping().await,
        }
    }

    pub(super) async fn close(self) -> Result<(), Error> {
        match self.link {
            Link::Postgres(link) => link.close().await,
            Link::Sqlite(link) => link.close().await,
        }
    }

    /// What the database refused leaves the connection as it was, unless the database left.
    fn ended<T>(&mut self, ended: Result<T, Error>) -> Result<T, Error> {
        self.is_sound = match &ended {
            Ok(_) => true,
            Err(Error::Database(error)) => !is_last(error.as_ref()),
            Err(_) => false,
        };
        ended
    }
}

fn exec_error(error: Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn encode_error(error: BoxDynError) -> DbErr {
    exec_error(Error::Encode(error))
}

fn parts(statement: Statement) -> (AssertSqlSafe<String>, Vec<Value>) {
    (AssertSqlSafe(statement.sql), statement.values.map_or_else(Vec::new, |values| values.0))
}

/// Whether this is the last that a connection of `PostgreSQL` says. `SQLite` has no such errors: a transaction that it
/// ended by itself is found out when it is to be ended.
fn is_last(error: &dyn DatabaseError) -> bool {
    let severity = error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity);
    matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic))
}

/// Reads `sqlite://…` or `postgres://…`.
pub(super) fn parsed<T: FromStr<Err = Error> + ConnectOptions>(url: &str) -> Result<T, Error> {
    Ok(url.parse::<T>()?.disable_statement_logging())
}
