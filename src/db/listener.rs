//! Notifications of `PostgreSQL`, heard on a connection beside the pool: one of the pool would be lost to requests.

use std::time::{Duration, Instant as Monotonic};

use sea_orm::DbErr;
use sqlx::Executor;
use sqlx::postgres::{PgListener, PgNotification, PgPoolOptions};

use super::{Db, dialect};

/// What operators see in `pg_stat_activity`.
const NAME: &str = "regulars notices";

/// One notification.
#[derive(Debug)]
pub(crate) struct Notification {
    /// What was told.
    pub(crate) payload: String,
}

impl From<PgNotification> for Notification {
    fn from(told: PgNotification) -> Self {
        Self { payload: told.payload().to_owned() }
    }
}

/// Why nothing is heard any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The database said so, or the connection broke.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    /// The same, of a connection that tells.
    #[error("{0}")]
    Telling(#[from] DbErr),
    /// The connection was closed.
    #[error("the connection was closed")]
    Closed,
    /// The connection is there, but nothing comes of it.
    #[error("the database did not answer in time")]
    Silent,
    /// Notifications do not arrive, as behind a pooler that shares connections between clients.
    #[error("notifications do not arrive: connect without a pooler, or with one that keeps sessions")]
    Deaf,
    /// There are no notifications in a file.
    #[error("this database has no notifications")]
    None,
}

/// A connection that listens. It is dropped once it is lost: it never connects again by itself, so that nothing is missed
/// unnoticed.
pub(crate) struct Listener(PgListener);

impl Listener {
    /// Connects and listens to `channels`.
    pub(crate) async fn connect(
        db: &Db,
        channels: &[&'static str],
        patience: Duration,
    ) -> Result<Self, Lost> {
        let options = db.postgres_options().ok_or(Lost::None)??.application_name(NAME);
        let connecting = async {
            let own = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
            let mut listener = PgListener::connect_with(&own.connect_with(options).await?).await?;
            listener.eager_reconnect(false);
            listener.listen_all(channels.iter().copied()).await?;
            Ok::<_, sqlx::Error>(Self(listener))
        };
        Ok(tokio::time::timeout(patience, connecting).await.map_err(|_elapsed| Lost::Silent)??)
    }

    /// The next notification; none if there is none until `deadline`.
    pub(crate) async fn next(&mut self, deadline: Monotonic) -> Result<Option<Notification>, Lost> {
        match tokio::time::timeout_at(deadline.into(), self.0.try_recv()).await {
            Ok(Ok(Some(told))) => Ok(Some(told.into())),
            Ok(Ok(None)) => Err(Lost::Closed),
            Ok(Err(error)) => Err(error.into()),
            Err(_elapsed) => Ok(None),
        }
    }

    /// Asks whether the database is still there; answers all that was told before it replied.
    pub(crate) async fn check(&mut self, patience: Duration) -> Result<Vec<Notification>, Lost> {
        let asked = tokio::time::timeout(patience, self.0.execute("SELECT 1")).await;
        asked.map_err(|_elapsed| Lost::Silent)??;
        Ok(std::iter::from_fn(|| self.0.next_buffered()).map(Notification::from).collect())
    }
}

/// Notifies at once, outside of any transaction.
pub(crate) async fn tell(db: &Db, channel: &'static str, payload: &str) -> Result<(), Lost> {
    let told = vec![(channel, payload.to_owned())];
    Ok(dialect::notify(&db.write, told).await?)
}
