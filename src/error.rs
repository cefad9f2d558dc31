//! How an operation ends: done, refused (data for the caller) or faulted (ours, and opaque to the caller).

use std::fmt;

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// Ours, not the caller's: logged with the request id and answered with a code, never with its text.
///
/// Has no `Display`, so that no `?` and no format string can leak it to a client.
pub struct Fault {
    kind: FaultKind,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    context: Option<&'static str>,
}

/// What a caller is told of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// `INTERNAL`: a bug or a broken invariant.
    Internal,
    /// `UNAVAILABLE`: the database or another part is away; the same request may succeed later.
    Unavailable,
    /// `IDEMPOTENCY_KEY_REUSED`: the key was used for another command.
    KeyReused,
    /// `IDEMPOTENCY_IN_PROGRESS`: the first request with this key has not ended within two seconds.
    KeyInProgress,
    /// `RATE_LIMITED`: too much in too short a time.
    RateLimited {
        /// When the same request may succeed, if nothing else is asked for meanwhile.
        retry_after_seconds: u32,
    },
}

impl Fault {
    /// A broken invariant, told to the log in `context`.
    pub fn internal(context: &'static str) -> Self {
        Self { kind: FaultKind::Internal, source: None, context: Some(context) }
    }

    /// A fault that the caller may tell from others.
    pub fn of(kind: FaultKind) -> Self {
        Self { kind, source: None, context: None }
    }

    /// Another part is away: the same request may succeed later.
    pub(crate) fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { kind: FaultKind::Unavailable, source: Some(Box::new(error)), context: None }
    }

    /// What the caller is told.
    pub fn kind(&self) -> FaultKind {
        match self.source.as_deref().and_then(|e| e.downcast_ref::<DbErr>()) {
            Some(error) if is_unavailable(error) => FaultKind::Unavailable,
            _ => self.kind,
        }
    }

    /// What went wrong, for the terminal of an operator; never for a client.
    pub fn for_operator(&self) -> String {
        match (&self.source, self.context) {
            (Some(source), _) => source.to_string(),
            (None, Some(context)) => context.to_owned(),
            (None, None) => format!("{:?}", self.kind),
        }
    }

    /// What a write ended in that another transaction may have come before with the same unique key: run again, this one
    /// finds what that one wrote.
    pub(crate) fn of_race(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Overtaken(error).into(),
            _ => error.into(),
        }
    }

    /// Whether running the transaction again may succeed: deadlock, serialization failure, busy, overtaken.
    pub fn is_transient(&self) -> bool {
        let Some(source) = self.source.as_deref() else { return false };
        source.is::<Overtaken>() || source.downcast_ref::<DbErr>().is_some_and(is_transient)
    }
}

/// Another transaction wrote first what there may be once.
#[derive(Debug, thiserror::Error)]
#[error("overtaken: {0}")]
struct Overtaken(DbErr);

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("Fault");
        tuple.field(&self.kind);
        if let Some(context) = self.context {
            tuple.field(&context);
        }
        if let Some(source) = &self.source {
            tuple.field(source);
        }
        tuple.finish()
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Fault {
    fn from(error: E) -> Self {
        Self { kind: FaultKind::Internal, source: Some(Box::new(error)), context: None }
    }
}

/// Why an operation did not end with its result.
#[derive(Debug)]
pub enum Stop<R> {
    /// Refused: the transaction rolls back, the caller gets the reason.
    Refused(R),
    /// Refused, but what was written stays: counted tries, a revoked token family, a mail to the owner.
    RefusedRecorded(R),
    /// Ours.
    Fault(Fault),
}

impl<R, E: std::error::Error + Send + Sync + 'static> From<E> for Stop<R> {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl<R> From<Fault> for Stop<R> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// How an operation ends.
pub type Outcome<T, R> = Result<T, Stop<R>>;

/// Refuses, and rolls back.
pub fn refuse<T, R>(reason: impl Into<R>) -> Outcome<T, R> {
    Err(Stop::Refused(reason.into()))
}

/// Refuses, but keeps what was written.
pub fn refuse_recorded<T, R>(reason: impl Into<R>) -> Outcome<T, R> {
    Err(Stop::RefusedRecorded(reason.into()))
}

/// Parts what the caller is told in the payload (inner) from a fault (outer).
pub fn split<T, R>(outcome: Outcome<T, R>) -> Result<Result<T, R>, Fault> {
    match outcome {
        Ok(done) => Ok(Ok(done)),
        Err(Stop::Refused(reason) | Stop::RefusedRecorded(reason)) => Ok(Err(reason)),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e))
        | DbErr::Conn(RuntimeErr::SqlxError(e)) => Some(e),
        _ => None,
    }
}

fn is_unavailable(error: &DbErr) -> bool {
    if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
        return true;
    }
    match sqlx_error(error) {
        Some(
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed,
        ) => true,
        // Connection exceptions, out of resources or disk, operator intervention; SQLITE_FULL and IOERR.
        Some(sqlx::Error::Database(e)) => e.code().is_some_and(|code| {
            code.starts_with("08")
                // idle_in_transaction_session_timeout
                || code == "25P03"
                || (code.len() == 5 && (code.starts_with("53") || code.starts_with("57")))
                || is_sqlite_primary(&code, &[10, 13])
        }),
        _ => false,
    }
}

fn is_transient(error: &DbErr) -> bool {
    match sqlx_error(error) {
        // serialization_failure, deadlock_detected, lock_not_available; SQLITE_BUSY and SQLITE_LOCKED.
        Some(sqlx::Error::Database(e)) => e.code().is_some_and(|code| {
            matches!(code.as_ref(), "40001" | "40P01" | "55P03") || is_sqlite_primary(&code, &[5, 6])
        }),
        _ => false,
    }
}

/// `SQLite` gives extended result codes as decimal text; the low byte is the primary code.
fn is_sqlite_primary(code: &str, primary: &[u32]) -> bool {
    code.len() < 5 && code.parse::<u32>().is_ok_and(|code| primary.contains(&(code & 0xff)))
}
