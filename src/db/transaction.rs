//! A transaction, and the changes that wait in it.

use std::fmt;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use tokio::sync::Mutex;

use super::bulk::Change;
use super::connections::Lease;
use super::line::Line;
use super::waiting::Waiting;

/// A transaction on a connection of its own; rolled back unless it is committed.
///
/// Rows that are to be written wait in it until it reads or ends (see [`super::waiting`]).
pub struct Transaction {
    inner: Mutex<Inner>,
    backend: DbBackend,
}

struct Inner {
    lease: Lease,
    waiting: Waiting,
    /// Nothing but the way back is left. `PostgreSQL` would answer a `COMMIT` with a rollback and call it done, `SQLite`
    /// may have gone back by itself and would keep what follows.
    has_failed: bool,
    has_ended: bool,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl Inner {
    /// The connection, once what waited is written; none after something failed or was broken off.
    async fn line(&mut self) -> Result<&mut Line, DbErr> {
        let line = self.lease.line()?;
        if self.has_failed || !line.is_sound {
            return Err(DbErr::Custom("a part of the transaction failed".to_owned()));
        }
        if !self.waiting.is_empty() {
            // Its state is large, and most statements come after nothing that waits.
            Box::pin(self.waiting.write(line)).await?;
        }
        Ok(line)
    }

    async fn end(&mut self, how: &'static str) -> Result<(), DbErr> {
        self.lease.line()?.run(how).await?;
        self.has_ended = true;
        Ok(())
    }

    fn noted<T>(&mut self, done: Result<T, DbErr>) -> Result<T, DbErr> {
        self.has_failed |= done.is_err();
        done
    }
}

impl Transaction {
    /// One that has begun.
    pub(super) fn on(lease: Lease, backend: DbBackend) -> Self {
        let inner = Inner { lease, waiting: Waiting::default(), has_failed: false, has_ended: false };
        Self { inner: Mutex::new(inner), backend }
    }

    /// Keeps what was done; nothing of it if any part failed, even if nobody minded then.
    pub async fn commit(mut self) -> Result<(), DbErr> {
        let inner = self.inner.get_mut();
        match inner.line().await.map(drop) {
            Ok(()) => inner.end("COMMIT").await,
            Err(error) => {
                self.rollback().await;
                Err(error)
            }
        }
    }

    /// Takes back what was done. A connection that cannot be told so is closed, which does it too.
    pub async fn rollback(mut self) {
        if let Err(error) = self.inner.get_mut().end("ROLLBACK").await {
            tracing::warn!(%error, "a transaction is ended with its connection");
        }
    }

    /// Has `change` written before anything is read and before the end.
    pub(super) async fn put_off(&self, change: Change) -> Result<(), DbErr> {
        let mut inner = self.inner.lock().await;
        if let Some(change) = inner.waiting.add(change) {
            let written = inner.line().await.map(drop);
            inner.noted(written)?;
            inner.waiting.add(change);
        }
        Ok(())
    }

    /// Does `change` now; answers how many rows it touched.
    pub(super) async fn write(&self, change: Change) -> Result<u64, DbErr> {
        let mut inner = self.inner.lock().await;
        let done = async { change.write(inner.line().await?).await }.await;
        inner.noted(done)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        if !inner.has_ended
            && let Ok(line) = inner.lease.line()
        {
            line.is_sound = false;
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut inner = self.inner.lock().await;
        let done = async { inner.line().await?.execute(statement).await }.await;
        inner.noted(done)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut inner = self.inner.lock().await;
        let done = async { inner.line().await?.run(sql).await }.await;
        inner.noted(done)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut inner = self.inner.lock().await;
        let found = async { inner.line().await?.all(statement).await }.await;
        inner.noted(found)
    }
}
