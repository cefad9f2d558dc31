//! Transactions: [`App::write`] runs an operation in one, [`App::write_once`] runs it once per idempotency key.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::TimeDelta;
use entity::Instant;
use sea_orm::{
    AccessMode, DatabaseTransaction, DbErr, IsolationLevel, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::app::App;
use crate::error::{Fault, FaultKind, Outcome, Stop, split};
use crate::idempotency::{self, Claim, Key, Once};
use crate::settings::ShopSettings;

/// How often a transaction is run again after a deadlock, a serialization failure or a busy database.
const RETRIES: u32 = 8;
/// How long a duplicate waits for the first request with its key.
const DUPLICATE_WAIT: Duration = Duration::from_secs(2);

/// One transaction with its instant, its source of ids and the settings in force.
#[derive(Debug)]
pub struct Tx {
    db: DatabaseTransaction,
    app: App,
    settings: Arc<ShopSettings>,
    now: OnceLock<Instant>,
    wakes_worker: AtomicBool,
}

impl Tx {
    async fn begin(app: &App) -> Result<Self, DbErr> {
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let db = app.db.write.begin_with_options(immediate).await?;
        let settings = app.settings();
        Ok(Self {
            db,
            app: app.clone(),
            settings,
            now: OnceLock::new(),
            wakes_worker: AtomicBool::new(false),
        })
    }

    /// The connection, inside the transaction.
    pub fn db(&self) -> &DatabaseTransaction {
        &self.db
    }

    /// The instant of this transaction: read once, at first use, so that whoever waits for a lock asks after it.
    pub fn now(&self) -> Instant {
        *self.now.get_or_init(|| self.app.clock.now())
    }

    /// The clock, without settling the transaction's instant.
    pub(crate) fn clock_now(&self) -> Instant {
        self.app.clock.now()
    }

    /// This long from now.
    pub fn after(&self, delay: TimeDelta) -> Instant {
        self.now().checked_add_signed(delay).unwrap_or(Instant::MAX_UTC)
    }

    /// A new id.
    pub fn id<T: From<Uuid>>(&self) -> T {
        T::from(self.app.ids.uuid(self.now()))
    }

    /// The shop's settings when the transaction began.
    pub fn settings(&self) -> &ShopSettings {
        &self.settings
    }

    /// The worker has something to do once this commits.
    pub(crate) fn wake_worker(&self) {
        self.wakes_worker.store(true, Ordering::Relaxed);
    }

    async fn commit(self) -> Result<(), DbErr> {
        self.db.commit().await?;
        if self.wakes_worker.into_inner() {
            self.app.worker_wake.notify_one();
        }
        Ok(())
    }
}

impl App {
    /// Runs `work` in a transaction: commits what is done or recorded, rolls back what is refused or faulted. Runs it
    /// again when the database asks for that.
    pub async fn write<T, R>(&self, work: impl AsyncFn(&Tx) -> Outcome<T, R>) -> Outcome<T, R> {
        let mut tries = 0;
        loop {
            match self.write_one_try(&work).await {
                Err(Stop::Fault(fault)) if fault.is_transient() && tries < RETRIES => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(1 << tries)).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// The same for work that nothing can refuse.
    pub(crate) async fn change<T>(&self, work: impl AsyncFn(&Tx) -> Result<T, Fault>) -> Result<T, Fault> {
        match split(self.write(async |tx: &Tx| Ok::<T, Stop<Infallible>>(work(tx).await?)).await)? {
            Ok(done) => Ok(done),
            Err(never) => match never {},
        }
    }

    async fn write_one_try<T, R>(&self, work: &impl AsyncFn(&Tx) -> Outcome<T, R>) -> Outcome<T, R> {
        let tx = Tx::begin(self).await?;
        let outcome = work(&tx).await;
        match &outcome {
            Ok(_) | Err(Stop::RefusedRecorded(_)) => tx.commit().await?,
            Err(Stop::Refused(_) | Stop::Fault(_)) => tx.db.rollback().await?,
        }
        outcome
    }

    /// Reads several things as of one moment.
    pub(crate) async fn read_snapshot<T>(
        &self,
        work: impl AsyncFn(&DatabaseTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let options = TransactionOptions {
            isolation_level: Some(IsolationLevel::RepeatableRead),
            access_mode: Some(AccessMode::ReadOnly),
            sqlite_transaction_mode: Some(SqliteTransactionMode::Deferred),
        };
        let snapshot = self.db.read.begin_with_options(options).await?;
        let read = work(&snapshot).await;
        snapshot.rollback().await?;
        read
    }

    /// Runs `work` once for `key`: a replay gets what was stored, a key of another command
    /// [`FaultKind::KeyReused`], a duplicate of a request in flight waits two seconds at most. A refused key is not kept.
    pub async fn write_once<C, T, R>(
        &self,
        key: &Key,
        command: &C,
        work: impl AsyncFn(&Tx, &C) -> Outcome<T, R>,
    ) -> Outcome<Once<T>, R>
    where
        C: Serialize,
        T: Serialize + DeserializeOwned,
    {
        let fingerprint = idempotency::fingerprint(command)?;
        let once = || {
            self.write(async |tx: &Tx| {
                let claims = idempotency::claim(tx, &[(key, &fingerprint)]).await?;
                match claims.into_iter().next() {
                    Some(Claim::New) => {
                        let done = work(tx, command).await?;
                        idempotency::store(tx, &[(key, serde_json::to_value(&done)?)]).await?;
                        Ok(Some(Once::first(done)))
                    }
                    Some(Claim::Done(result)) => Ok(Some(Once::replay(serde_json::from_value(result)?))),
                    Some(Claim::Reused) => Err(Fault::of(FaultKind::KeyReused).into()),
                    Some(Claim::InFlight) | None => Ok(None),
                }
            })
        };
        wait_for_first(once).await
    }
}

/// Asks until the first request with the same key has ended, two seconds at most, holding no connection meanwhile.
pub(crate) async fn wait_for_first<T, R>(
    mut once: impl AsyncFnMut() -> Outcome<Option<T>, R>,
) -> Outcome<T, R> {
    let begun = tokio::time::Instant::now();
    loop {
        match once().await? {
            Some(done) => return Ok(done),
            None if begun.elapsed() < DUPLICATE_WAIT => tokio::time::sleep(Duration::from_millis(25)).await,
            None => return Err(Fault::of(FaultKind::KeyInProgress).into()),
        }
    }
}
