//! Connections kept open, the one that was used last first: its caches are warm, in the database too.
//!
//! Whoever is done gives a connection back as it is: none is asked whether it is still there unless it rested for long,
//! and one that was broken off, or whose transaction was not ended, is closed.

use std::time::Duration;

use anyhow::Context;
use deadpool::Runtime;
use deadpool::managed::{Object, Pool, PoolError, QueueMode};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
};

use super::line::{Line, Source};
use super::transaction::Transaction;

/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// What rested for so long is closed.
const IDLE: Duration = Duration::from_mins(10);
/// How long one that rested may take to say that it is still there: of several that are not, each is asked.
const PROMPT: Duration = Duration::from_secs(2);

/// Connections of one kind to one database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Connections(Pool<Source>);

impl Connections {
    /// At most so many, none yet.
    pub(super) fn new(source: Source, most: u32) -> anyhow::Result<Self> {
        let pool = Pool::builder(source)
            .max_size(usize::try_from(most)?)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .recycle_timeout(Some(PROMPT))
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1);
        Ok(Self(pool.build()?))
    }

    /// Which database this is.
    pub fn get_database_backend(&self) -> DbBackend {
        self.0.manager().backend()
    }

    async fn lease(&self) -> Result<Lease, DbErr> {
        let leased = self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
            PoolError::Closed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
            _ => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        })?;
        Ok(Lease(Some(leased)))
    }

    /// Opens one, to see whether it can be done.
    pub(super) async fn try_out(&self) -> anyhow::Result<()> {
        self.lease().await.map(drop).context("connecting to the database")
    }

    /// A transaction that `begin` begins.
    pub(crate) async fn begin(&self, begin: &'static str) -> Result<Transaction, DbErr> {
        let mut lease = self.lease().await?;
        lease.line()?.run(begin).await?;
        Ok(Transaction::on(lease, self.get_database_backend()))
    }

    /// Closes those that nobody needed for long.
    pub(super) async fn let_go(&self) {
        close_all(self.0.retain(|_, metrics| metrics.last_used() < IDLE).removed).await;
    }

    /// Closes all, those in use when they are given back.
    pub(super) async fn close(&self) {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            close_all(self.0.retain(|_, _| false).removed).await;
            if self.0.status().size == 0 || tokio::time::Instant::now() > until {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.0.close();
    }
}

async fn close_all(lines: Vec<Line>) {
    for line in lines {
        if let Err(error) = line.close().await {
            tracing::debug!(%error, "a connection could not be closed");
        }
    }
}

/// A connection of whoever holds this; none only while it is dropped.
pub(super) struct Lease(Option<Object<Source>>);

impl Lease {
    pub(super) fn line(&mut self) -> Result<&mut Line, DbErr> {
        self.0.as_deref_mut().ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(leased) = self.0.take_if(|leased| !leased.is_sound) {
            drop(Object::take(leased));
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Connections {
    fn get_database_backend(&self) -> DbBackend {
        Self::get_database_backend(self)
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.lease().await?.line()?.execute(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.lease().await?.line()?.run(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.lease().await?.line()?.all(statement).await
    }
}
