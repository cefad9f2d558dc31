//! The worker: leases jobs, runs each slice's handlers, keeps recurring jobs armed and relays the outbox.

use std::sync::Arc;
use std::time::Duration;

use entity::Instant;
use entity::job::Model;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};

use crate::app::App;
use crate::audit::seal;
use crate::auth::prune;
use crate::billing::inbox;
use crate::carts;
use crate::catalog::{release, terms};
use crate::consent;
use crate::customers::words;
use crate::delivery;
use crate::earning;
use crate::error::Fault;
use crate::jobs::{self, Ended, Free, Job};
use crate::journeys;
use crate::memberships::{calls, due, sync};
use crate::messages;
use crate::outbox;
use crate::points;
use crate::referrals;
use crate::rewards;
use crate::tiers;
use crate::tx::Tx;

/// How often a worker looks without being woken.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long after it looked a worker that is told of news looks again: what comes meanwhile is numbered together.
const BREATHE: Duration = Duration::from_millis(50);
/// Jobs of each lane at once in one worker.
const AT_ONCE: u64 = 8;

/// Jobs that are due again and again; each is one row, armed by its own last run.
const RECURRING: [(&str, &str); 14] = [
    (points::jobs::SWEEP, "0 * * * * *"),
    (earning::BIRTHDAYS, "0 0 * * * *"),
    (rewards::LAPSE, "0 * * * * *"),
    (delivery::LAPSE, "0 * * * * *"),
    (referrals::VEST, "0 * * * * *"),
    (tiers::SWEEP, "0 * * * * *"),
    (journeys::TICK, "0 * * * * *"),
    (journeys::BIRTHDAYS, "0 30 * * * *"),
    (due::SWEEP, "0 * * * * *"),
    (due::RECONCILE, "0 */5 * * * *"),
    (due::SANDBOX, "0 * * * * *"),
    (prune::KIND, prune::SCHEDULE),
    (seal::KIND, seal::SCHEDULE),
    (release::KIND, release::SCHEDULE),
];

/// Works until `stop` turns true or is gone; what is under way ends first.
pub async fn run(app: App, mut stop: watch::Receiver<bool>) {
    let mut armed = false;
    let news = Arc::new(Notify::new());
    let listening = tokio::spawn(listen(app.clone(), news.clone(), stop.clone()));
    // Tasks of their own: a job that waited for this loop while the loop waits for the database could hold the one
    // connection that writes to a SQLite file.
    let mut running = JoinSet::new();
    let slots = Slots::default();
    loop {
        if !armed {
            match arm_recurring(&app).await {
                Ok(()) => armed = true,
                Err(fault) => tracing::error!(?fault, "could not arm the recurring jobs"),
            }
        }
        match look(&app, slots.free()).await {
            Ok((leased, told)) => {
                if told {
                    news.notify_one();
                }
                for job in leased {
                    let (app, slot) = (app.clone(), slots.take(job.bulk));
                    running.spawn(async move {
                        let settled = run_one(&app, job).await;
                        drop(slot);
                        settled
                    });
                }
            }
            Err(fault) => tracing::error!(?fault, "the worker could not look for work"),
        }
        let looked = tokio::time::Instant::now();
        tokio::select! {
            // A sender that is gone means the same as one that says stop.
            _ = stop.wait_for(|stop| *stop) => break,
            Some(settled) = running.join_next() => told(settled),
            () = news_of(&app, looked + BREATHE) => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    while let Some(settled) = running.join_next().await {
        told(settled);
    }
    if let Err(error) = listening.await {
        tracing::error!(%error, "whoever takes in events for journeys ended");
    }
}

/// Waits until there is something to do, and not before `earliest`.
async fn news_of(app: &App, earliest: tokio::time::Instant) {
    app.notices.jobs.notified().await;
    tokio::time::sleep_until(earliest).await;
}

/// Has journeys hear of news, one round at a time: rounds wait for each other, and would hold connections meanwhile. What
/// goes wrong is made good by the next round or the recurring job.
async fn listen(app: App, news: Arc<Notify>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = news.notified() => {}
        }
        if let Err(fault) = journeys::tick(&app).await {
            tracing::error!(?fault, "journeys could not hear of what happened");
        }
    }
}

fn told(ended: Result<Result<(), Fault>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => tracing::error!(?fault, "a job was not settled: it runs again when its lease ends"),
        Err(error) => tracing::error!(%error, "a job was not settled: it runs again when its lease ends"),
    }
}

/// What is under way in each lane.
#[derive(Default)]
struct Slots {
    urgent: Arc<()>,
    bulk: Arc<()>,
}

impl Slots {
    /// Taken until it is dropped.
    fn take(&self, bulk: bool) -> Arc<()> {
        if bulk { &self.bulk } else { &self.urgent }.clone()
    }

    fn free(&self) -> Free {
        let free = |slots| {
            let taken = u64::try_from(Arc::strong_count(slots) - 1).unwrap_or(AT_ONCE);
            AT_ONCE.saturating_sub(taken)
        };
        Free { urgent: free(&self.urgent), bulk: free(&self.bulk) }
    }
}

/// Numbers new events and takes due jobs; answers whether there were events.
async fn look(app: &App, free: Free) -> Result<(Vec<Model>, bool), Fault> {
    let told = outbox::relay(app).await? > 0;
    Ok((jobs::lease(app, free).await?, told))
}

/// Runs what is due now; answers how much that was.
pub async fn run_due(app: &App) -> Result<usize, Fault> {
    if outbox::relay(app).await? > 0 {
        journeys::tick(app).await?;
    }
    let leased = jobs::lease(app, Slots::default().free()).await?;
    let count = leased.len();
    let mut running: FuturesUnordered<_> = leased.into_iter().map(|job| run_one(app, job)).collect();
    while let Some(settled) = running.next().await {
        settled?;
    }
    Ok(count)
}

async fn run_one(app: &App, job: Model) -> Result<(), Fault> {
    // Its last quarter is for writing down how the job ended.
    let limit = app.config.job_lease * 3 / 4;
    let ended = match tokio::time::timeout(limit, dispatch(app, &job)).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(fault)) => {
            tracing::warn!(job.id = %job.id.0, job.kind, job.attempts, ?fault, "a job failed");
            Ended::Failed(format!("{fault:?}"))
        }
        Err(_elapsed) => Ended::Failed("took longer than its time limit".to_owned()),
    };
    jobs::settle(app, &job, ended).await
}

async fn dispatch(app: &App, job: &Model) -> Result<Ended, Fault> {
    match job.kind.as_str() {
        points::jobs::SWEEP => points::jobs::sweep(app).await,
        rewards::LAPSE => rewards::lapse(app).await,
        delivery::LAPSE => delivery::lapse(app).await,
        referrals::VEST => referrals::vest(app).await,
        tiers::SWEEP => tiers::sweep(app).await,
        tiers::RECOMPUTE => tiers::recompute(app, job).await,
        earning::BIRTHDAYS => earning::birthdays(app).await,
        journeys::TICK => journeys::tick(app).await,
        journeys::BIRTHDAYS => journeys::birthdays(app).await,
        journeys::FANOUT => journeys::fan_out(app, job).await,
        due::SWEEP => due::sweep(app).await,
        due::RECONCILE => due::reconcile(app).await,
        due::SANDBOX => due::run_sandbox(app).await,
        calls::KIND => calls::run(app, job).await,
        sync::KIND => sync::run(app, job).await,
        inbox::KIND => inbox::run(app, job).await,
        messages::letter::KIND => messages::letter::send(app, job).await.map(|()| Ended::Done),
        messages::send::KIND => messages::send::run(app, job).await,
        messages::trial::KIND => messages::trial::run(app, job).await.map(|()| Ended::Done),
        words::BACKFILL => words::backfill(app).await,
        terms::BACKFILL => terms::backfill(app).await,
        seal::KIND => {
            seal::run(app).await?;
            Ok(Ended::Again(next_due(seal::SCHEDULE, app.clock.now())?))
        }
        release::KIND => {
            release::run(app).await?;
            Ok(Ended::Again(next_due(release::SCHEDULE, app.clock.now())?))
        }
        prune::KIND => {
            prune::run(app).await?;
            carts::prune::run(app).await?;
            inbox::prune(app).await?;
            consent::prune(app).await?;
            Ok(Ended::Again(next_due(prune::SCHEDULE, app.clock.now())?))
        }
        unknown => {
            tracing::error!(job.kind = unknown, "no handler for this kind of job");
            Err(Fault::internal("no handler for this kind of job"))
        }
    }
}

/// Makes sure that each recurring job has its row.
pub async fn arm_recurring(app: &App) -> Result<(), Fault> {
    app.change(&(), async |tx: &Tx, ()| {
        for (kind, schedule) in RECURRING {
            let due = Some(next_due(schedule, tx.now())?);
            let dedup_key = Some(kind.to_owned());
            let job = Job { kind, payload: serde_json::json!({}), due, dedup_key, max_attempts: i64::MAX };
            jobs::enqueue(tx, job).await?;
        }
        words::arm(tx).await?;
        terms::arm(tx).await
    })
    .await
}

/// The first instant of a cron schedule (seconds first, UTC) after `now`.
fn next_due(schedule: &str, now: Instant) -> Result<Instant, Fault> {
    let schedule: cron::Schedule = schedule.parse()?;
    schedule.after(&now).next().ok_or_else(|| Fault::internal("a schedule without an end has ended"))
}
