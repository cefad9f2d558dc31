//! What time does to memberships: those whose state changes by now are looked up, and so are those that nothing was heard
//! of for too long. Both are found by index: the cost is what is due, not the number of members.

use chrono::TimeDelta;
use entity::Instant;
use entity::id::MembershipId;
use entity::membership::{Column, Entity, MembershipState};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde_json::json;

use super::sync;
use crate::app::App;
use crate::error::Fault;
use crate::jobs::{self, Ended, Job};
use crate::points::apply::later;
use crate::tx::Tx;

/// The recurring job that looks at those whose state changes.
pub(crate) const SWEEP: &str = "memberships.sweep";
/// The recurring job that looks at those of which nothing was heard.
pub(crate) const RECONCILE: &str = "memberships.reconcile";
/// Memberships of one run.
const BATCH: u64 = 500;
/// A look-up that fails is tried again by the job's own back-off for this long; then the next run asks for another.
const ATTEMPTS: i64 = 8;

/// Has those looked up whose state changes by now; due again in a minute.
pub(crate) async fn sweep(app: &App) -> Result<Ended, Fault> {
    let now = app.clock.now();
    let due = Entity::find().filter(Column::DueAt.lte(now)).order_by_asc(Column::DueAt);
    look_at(app, due).await?;
    Ok(Ended::Again(later(now, TimeDelta::minutes(1))))
}

/// Has those looked up of which nothing was heard: every five minutes while a first payment is under way, every hour while
/// one is late, every day otherwise.
pub(crate) async fn reconcile(app: &App) -> Result<Ended, Fault> {
    let now = app.clock.now();
    let open = || Entity::find().filter(Column::OpenFor.is_not_null());
    let before = |since: TimeDelta| Column::SyncedAt.lte(later(now, -since));
    let begun = open().filter(Column::State.eq(MembershipState::Incomplete));
    look_at(app, begun.filter(Column::SyncedAt.is_null().or(before(TimeDelta::minutes(5))))).await?;
    let late = open().filter(Column::State.eq(MembershipState::PastDue));
    look_at(app, late.filter(before(TimeDelta::hours(1)))).await?;
    look_at(app, open().filter(before(TimeDelta::days(1))).order_by_asc(Column::SyncedAt)).await?;
    Ok(Ended::Again(later(now, TimeDelta::minutes(5))))
}

async fn look_at(app: &App, which: Select<Entity>) -> Result<(), Fault> {
    let ids: Vec<MembershipId> =
        which.select_only().column(Column::Id).limit(BATCH).into_tuple().all(&app.db.read).await?;
    if ids.is_empty() {
        return Ok(());
    }
    app.change(&ids, async |tx: &Tx, ids| {
        for id in ids {
            let payload = json!({ "membership": id });
            // One at a time: whatever is missed by a run that is under way is found by the next.
            let dedup_key = Some(format!("{}:{}", sync::KIND, id.0));
            let due: Option<Instant> = None;
            let job = Job { kind: sync::KIND, payload, due, dedup_key, max_attempts: ATTEMPTS };
            jobs::enqueue(tx, job).await?;
        }
        Ok(())
    })
    .await
}

/// The sandbox's own clock: it does what is due there, and what it did is looked up.
pub(crate) const SANDBOX: &str = "billing.sandbox";

/// Moves the sandbox on; due again in a minute.
pub(crate) async fn run_sandbox(app: &App) -> Result<Ended, Fault> {
    if let Some(sandbox) = app.sandbox() {
        let moved = sandbox.advance().await.map_err(sync::unavailable)?;
        app.change(&moved, async |tx: &Tx, moved| {
            for membership in moved {
                sync::enqueue(tx, *membership).await?;
            }
            Ok(())
        })
        .await?;
    }
    Ok(Ended::Again(later(app.clock.now(), TimeDelta::minutes(1))))
}
