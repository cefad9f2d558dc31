//! Transactions: [`App::write`] runs an operation in one, [`App::write_once`] runs it once per idempotency key.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use entity::Instant;
use sea_orm::DbErr;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::app::App;
use crate::auth::keys::Keys;
use crate::caller::{self, Caller};
use crate::db::{Transaction, dialect};
use crate::error::{Fault, FaultKind, Outcome, Stop, split};
use crate::idempotency::{self, Claim, Fingerprinted, Key, Once};
use crate::notices::{self, Notice};
use crate::settings::ShopSettings;

/// How often a transaction is run again after a deadlock, a serialization failure or a busy database.
const RETRIES: u32 = 8;
/// How long a duplicate waits for the first request with its key.
const DUPLICATE_WAIT: Duration = Duration::from_secs(2);

/// One transaction with its instant, its source of ids and the settings in force.
#[derive(Debug)]
pub struct Tx {
    db: Transaction,
    app: App,
    caller: Caller,
    settings: Arc<ShopSettings>,
    now: OnceLock<Instant>,
    wakes_worker: AtomicBool,
    notices: Mutex<Vec<Notice>>,
}

impl Tx {
    async fn begin(app: &App) -> Result<Self, DbErr> {
        let db = app.db.begin_writing().await?;
        let settings = app.settings();
        Ok(Self {
            db,
            app: app.clone(),
            caller: caller::current(),
            settings,
            now: OnceLock::new(),
            wakes_worker: AtomicBool::new(false),
            notices: Mutex::default(),
        })
    }

    /// The connection, inside the transaction.
    pub fn db(&self) -> &Transaction {
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

    /// The keys of the server.
    pub(crate) fn keys(&self) -> &Keys {
        &self.app.keys
    }

    /// Whom this transaction works for.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Tells `notice` to every instance once this commits.
    pub(crate) fn tell(&self, notice: Notice) {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }

    /// The worker of this instance has something to do once this commits.
    pub(crate) fn wake_worker(&self) {
        self.wakes_worker.store(true, Ordering::Relaxed);
    }

    /// Commits or rolls back, as the outcome says.
    async fn end<T, R>(self, outcome: Outcome<T, R>) -> Outcome<T, R> {
        match outcome {
            Ok(_) | Err(Stop::RefusedRecorded(_)) => {
                let notices = self.notices.into_inner().unwrap_or_else(PoisonError::into_inner);
                let told = notices.iter().map(notices::written).collect::<Result<_, Fault>>();
                if let Err(fault) = dialect::notify(&self.db, told?).await {
                    self.db.rollback().await;
                    return Err(fault.into());
                }
                self.db.commit().await?;
                for notice in notices {
                    self.app.hear(notice);
                }
                if self.wakes_worker.into_inner() {
                    self.app.notices.jobs.notify_one();
                }
            }
            Err(Stop::Refused(_) | Stop::Fault(_)) => self.db.rollback().await,
        }
        outcome
    }
}

impl App {
    /// Runs `work` on `input` in a transaction: commits what is done or recorded, rolls back what is refused or faulted.
    /// Runs it again when the database asks for that.
    ///
    /// `work` gets all it needs through `input` and borrows nothing else: a closure that does is not `Send` once a
    /// resolver awaits it.
    pub async fn write<I: ?Sized, T, R>(
        &self,
        input: &I,
        work: impl AsyncFn(&Tx, &I) -> Outcome<T, R>,
    ) -> Outcome<T, R> {
        let mut retries = Retries::default();
        loop {
            let tx = Tx::begin(self).await?;
            let outcome = work(&tx, input).await;
            if let Some(outcome) = retries.or_end(tx.end(outcome).await).await {
                return outcome;
            }
        }
    }

    /// The same for work that nothing can refuse.
    pub async fn change<I: ?Sized, T>(
        &self,
        input: &I,
        work: impl AsyncFn(&Tx, &I) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut retries = Retries::default();
        loop {
            let tx = Tx::begin(self).await?;
            let done: Outcome<T, Infallible> = work(&tx, input).await.map_err(Stop::Fault);
            if let Some(outcome) = retries.or_end(tx.end(done).await).await {
                return match split(outcome)? {
                    Ok(done) => Ok(done),
                    Err(never) => match never {},
                };
            }
        }
    }

    /// Runs `work` on `command` once for `key`: a replay gets what was stored, a key of another command
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
        let mut waiting = Waiting::begin();
        let mut retries = Retries::default();
        loop {
            let tx = Tx::begin(self).await?;
            let outcome = match claim_one(&tx, key, &fingerprint).await {
                Ok(Claim::New) => match work(&tx, command).await {
                    Ok(done) => store_one(&tx, (key, &fingerprint), done).await,
                    Err(stop) => Err(stop),
                },
                Ok(Claim::Done(result)) => replay(result),
                Ok(Claim::Reused) => Err(Fault::of(FaultKind::KeyReused).into()),
                Ok(Claim::InFlight) => Ok(None),
                Err(fault) => Err(fault.into()),
            };
            match retries.or_end(tx.end(outcome).await).await {
                Some(Ok(Some(once))) => return Ok(once),
                Some(Ok(None)) => waiting.pause().await?,
                Some(Err(stop)) => return Err(stop),
                None => {}
            }
        }
    }

    /// Reads several things as of one moment.
    pub(crate) async fn read_snapshot<T>(
        &self,
        work: impl AsyncFn(&Transaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let snapshot = self.db.begin_snapshot().await?;
        let read = work(&snapshot).await;
        snapshot.rollback().await;
        read
    }
}

async fn claim_one(tx: &Tx, key: &Key, fingerprint: &[u8]) -> Result<Claim, Fault> {
    let claim = idempotency::claim(tx, &[(key, fingerprint)]).await?.pop();
    claim.ok_or_else(|| Fault::internal("a key without its claim"))
}

async fn store_one<T: Serialize, R>(tx: &Tx, key: Fingerprinted<'_>, done: T) -> Outcome<Option<Once<T>>, R> {
    idempotency::store(tx, [(key, serde_json::to_value(&done)?)]).await?;
    Ok(Some(Once::first(done)))
}

fn replay<T: DeserializeOwned, R>(result: serde_json::Value) -> Outcome<Option<Once<T>>, R> {
    Ok(Some(Once::replay(serde_json::from_value(result)?)))
}

/// Counts how often a transaction is run again because the database asked for it.
#[derive(Default)]
struct Retries(u32);

impl Retries {
    /// None if it is to be run again, after a pause.
    async fn or_end<T, R>(&mut self, outcome: Outcome<T, R>) -> Option<Outcome<T, R>> {
        match outcome {
            Err(Stop::Fault(fault)) if fault.is_transient() && self.0 < RETRIES => {
                self.0 += 1;
                tokio::time::sleep(Duration::from_millis(1 << self.0)).await;
                None
            }
            outcome => Some(outcome),
        }
    }
}

/// Waits for the first request with a key, holding no connection meanwhile.
pub(crate) struct Waiting(tokio::time::Instant);

impl Waiting {
    /// From now.
    pub(crate) fn begin() -> Self {
        Self(tokio::time::Instant::now())
    }

    /// A little while, or [`FaultKind::KeyInProgress`] after two seconds.
    pub(crate) async fn pause(&mut self) -> Result<(), Fault> {
        if self.0.elapsed() >= DUPLICATE_WAIT {
            return Err(Fault::of(FaultKind::KeyInProgress));
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
        Ok(())
    }
}
