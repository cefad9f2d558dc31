//! Background work: rows enqueued with the change that causes them, leased by workers, retried with stored back-off.
//!
//! A lease ends by the clock of the database and carries a fencing token: a worker that lost its lease cannot settle. A run
//! is told whether the run before it ended without a word: nobody knows then what that one did outside of the database.
//!
//! Jobs that there may be very many of at once have a lane with slots of its own: what somebody waits for is never behind
//! them.

pub(crate) mod sweep;

use entity::Instant;
use entity::job::{Column, Entity, JobState, Model};
use sea_orm::sea_query::{Expr, LockBehavior, LockType, Order, Query, SelectStatement, UnionType};
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter,
    QuerySelect, Value,
};
use serde_json::Value as Json;

use crate::app::App;
use crate::db::bulk::Rows;
use crate::db::dialect;
use crate::error::Fault;
use crate::notices::Notice;
use crate::tx::Tx;

/// The longest pause between two attempts, in milliseconds.
const LONGEST_BACK_OFF: i64 = 3_600_000;

/// Work to be done after the transaction commits.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which handler.
    pub kind: &'static str,
    /// Its input.
    pub payload: Json,
    /// Not before; at once if none.
    pub due: Option<Instant>,
    /// At most one job has a key, from its enqueuing until it is done; enqueuing it again meanwhile changes nothing.
    pub dedup_key: Option<String>,
    /// After as many failures an operator decides.
    pub max_attempts: i64,
}

const COLUMNS: &[&str] = &[
    "id",
    "kind",
    "payload",
    "bulk",
    "dedup_key",
    "state",
    "due_ms",
    "attempts",
    "max_attempts",
    "lease_token",
    "created_at",
];

/// Enqueues `job` with the change of this transaction.
pub async fn enqueue(tx: &Tx, job: Job) -> Result<(), Fault> {
    let due = job.due.unwrap_or_else(|| tx.now());
    let mut rows = Rows::new("jobs", COLUMNS);
    rows.push(row(tx, job, due, false));
    rows.insert_missing(tx.db()).await?;
    if due <= tx.now() {
        tx.tell(Notice::JobsDue);
    }
    Ok(())
}

/// In whose way a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Somebody waits for it.
    Urgent,
    /// One of very many.
    Bulk,
}

/// Enqueues a job of `kind` for each of `payloads` in one statement, to be done at once.
pub(crate) async fn enqueue_all(
    tx: &Tx,
    kind: &'static str,
    payloads: Vec<(Lane, Json)>,
    max_attempts: i64,
) -> Result<(), Fault> {
    if payloads.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::new("jobs", COLUMNS);
    for (lane, payload) in payloads {
        let job = Job { kind, payload, due: None, dedup_key: None, max_attempts };
        rows.push(row(tx, job, tx.now(), lane == Lane::Bulk));
    }
    rows.insert(tx.db()).await?;
    tx.tell(Notice::JobsDue);
    Ok(())
}

fn row(tx: &Tx, job: Job, due: Instant, bulk: bool) -> [Value; 11] {
    [
        tx.id::<uuid::Uuid>().into(),
        job.kind.into(),
        job.payload.into(),
        bulk.into(),
        job.dedup_key.into(),
        JobState::Ready.to_value().into(),
        due.timestamp_millis().into(),
        0_i64.into(),
        job.max_attempts.into(),
        0_i64.into(),
        tx.now().into(),
    ]
}

/// How many jobs of each lane a worker can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Of those that somebody waits for.
    pub urgent: u64,
    /// Of those that there are very many of.
    pub bulk: u64,
}

impl Free {
    fn lanes(self) -> impl Iterator<Item = (bool, u64)> {
        [(false, self.urgent), (true, self.bulk)].into_iter().filter(|(_, free)| *free > 0)
    }
}

/// Takes as many due jobs for this worker as it can take.
pub async fn lease(app: &App, free: Free) -> Result<Vec<Model>, Fault> {
    let now = app.clock.now().timestamp_millis();
    let lanes = Column::Bulk.is_in(free.lanes().map(|(bulk, _)| bulk));
    let waiting = Entity::find().filter(lanes).filter(due(now)).limit(1).one(&app.db.read).await?;
    if waiting.is_none() {
        return Ok(Vec::new());
    }
    let lease = i64::try_from(app.config.job_lease.as_millis())?;
    let input = (now, free, lease);
    app.change(&input, async |tx: &Tx, (now, free, lease)| take(tx, *now, *free, *lease).await).await
}

fn due(now: i64) -> sea_orm::sea_query::SimpleExpr {
    Column::State.eq(JobState::Ready).and(Column::DueMs.lte(now))
}

async fn take(tx: &Tx, now: i64, free: Free, lease: i64) -> Result<Vec<Model>, Fault> {
    let backend = tx.db().get_database_backend();
    let first = free.lanes().map(|(bulk, limit)| first_of(tx, bulk, now, limit));
    let first = first.reduce(|mut all, more| all.union(UnionType::All, more).take());
    let Some(first) = first else { return Ok(Vec::new()) };
    bury(tx).await?;
    let update = Query::update()
        .table(Entity)
        .value(Column::LeaseToken, Expr::col(Column::LeaseToken).add(1))
        .value(Column::Attempts, Expr::col(Column::Attempts).add(1))
        // Whatever ended a run wrote that the lease is over. These are the values from before this statement.
        .value(Column::LostLease, Expr::col(Column::LeasedUntilMs).is_not_null())
        .value(Column::LeasedUntilMs, dialect::database_millis(backend).add(lease))
        .and_where(Expr::col(Column::Id).in_subquery(first))
        .returning_all()
        .take();
    let rows = tx.db().query_all(&update).await?;
    Ok(rows.iter().map(|row| Model::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// The ids of the jobs of a lane that have waited longest and that nobody has.
fn first_of(tx: &Tx, bulk: bool, now: i64, limit: u64) -> SelectStatement {
    let backend = tx.db().get_database_backend();
    let free = Column::LeasedUntilMs
        .is_null()
        .or(Expr::col(Column::LeasedUntilMs).lt(dialect::database_millis(backend)));
    let mut ids = Query::select()
        .column(Column::Id)
        .from(Entity)
        .and_where(Column::Bulk.eq(bulk))
        .and_where(due(now))
        .and_where(free)
        .order_by(Column::DueMs, Order::Asc)
        .limit(limit)
        .take();
    if dialect::skips_locked(backend) {
        ids.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    // Parts of a union lock nothing by themselves.
    Query::select().column(Column::Id).from_subquery(ids, "first").take()
}

/// A job whose last lease ended without a word, as often as it may be tried, is dead: it may be what ends its workers.
async fn bury(tx: &Tx) -> Result<(), Fault> {
    // What is not leased has no lease that could be lost: this looks at as many rows as there are jobs under way.
    let lost = Expr::col(Column::LeasedUntilMs).lt(dialect::database_millis(tx.db().get_database_backend()));
    Entity::update_many()
        .col_expr(Column::State, Expr::val(JobState::Dead.to_value()))
        .col_expr(Column::LeasedUntilMs, Expr::val(None::<i64>))
        .col_expr(Column::LastError, Expr::val("its worker ended every time"))
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(lost)
        .filter(Expr::col(Column::Attempts).gte(Expr::col(Column::MaxAttempts)))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// How a run of a job ended.
#[derive(Debug)]
pub enum Ended {
    /// Done: the row goes.
    Done,
    /// Done for now; due again then.
    Again(Instant),
    /// Failed: again after a back-off, or dead.
    Failed(String),
}

/// Writes down how the run of `job` ended, unless another worker has the job by now.
pub async fn settle(app: &App, job: &Model, ended: Ended) -> Result<(), Fault> {
    let input = (job.clone(), ended);
    let rows = app.change(&input, async |tx: &Tx, (job, ended)| settle_in(tx, job, ended).await).await?;
    if rows == 0 {
        tracing::warn!(job.id = %job.id.0, job.kind, "a lost lease: the job was not settled by this worker");
    }
    Ok(())
}

async fn settle_in(tx: &Tx, job: &Model, ended: &Ended) -> Result<u64, Fault> {
    let ours = Column::Id.eq(job.id).and(Column::LeaseToken.eq(job.lease_token));
    let update =
        Entity::update_many().col_expr(Column::LeasedUntilMs, Expr::val(None::<i64>)).filter(ours.clone());
    let again = |due: i64, attempts: i64| {
        update.clone().col_expr(Column::DueMs, Expr::val(due)).col_expr(Column::Attempts, Expr::val(attempts))
    };
    let settled = match ended {
        Ended::Done => return Ok(Entity::delete_many().filter(ours).exec(tx.db()).await?.rows_affected),
        Ended::Again(at) => again(at.timestamp_millis(), 0).exec(tx.db()).await?,
        Ended::Failed(error) if job.attempts >= job.max_attempts => {
            update
                .col_expr(Column::State, Expr::val(JobState::Dead.to_value()))
                .col_expr(Column::LastError, Expr::val(error.as_str()))
                .col_expr(Column::EndedAt, Expr::val(tx.now()))
                .exec(tx.db())
                .await?
        }
        Ended::Failed(error) => {
            again(tx.now().timestamp_millis() + back_off_millis(job.attempts), job.attempts)
                .col_expr(Column::LastError, Expr::val(error.as_str()))
                .exec(tx.db())
                .await?
        }
    };
    Ok(settled.rows_affected)
}

/// Two seconds after the first failure, doubled after each, an hour at most.
fn back_off_millis(attempts: i64) -> i64 {
    let doublings = std::cmp::min(u32::try_from(attempts - 1).unwrap_or(0), 20);
    std::cmp::min(2_000_i64 << doublings, LONGEST_BACK_OFF)
}

/// Milliseconds that the longest waiting due job has waited.
pub async fn lag_millis(app: &App) -> Result<i64, Fault> {
    let now = app.clock.now().timestamp_millis();
    let oldest: Option<Option<i64>> = Entity::find()
        .select_only()
        .expr(Column::DueMs.min())
        .filter(due(now))
        .into_tuple()
        .one(&app.db.read)
        .await?;
    Ok(oldest.flatten().map_or(0, |due| now - due))
}

#[cfg(test)]
mod tests {
    use super::back_off_millis;

    #[test]
    fn back_off_doubles_up_to_an_hour() {
        let pauses: Vec<i64> = (1..=4).map(back_off_millis).collect();
        assert_eq!(pauses, [2_000, 4_000, 8_000, 16_000]);
        assert_eq!(back_off_millis(500), 3_600_000);
    }
}
