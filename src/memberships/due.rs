//! What time does to memberships: those whose state changes by now are looked up, and so are those that nothing was heard
//! of for too long. Both are found by index: the cost is what is due, not the number of members.

use chrono::TimeDelta;
use entity::Instant;
use entity::billing_call::{self, CallState};
use entity::id::MembershipId;
use entity::membership::{Column, Entity, MembershipState};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};
use serde_json::json;

use super::sync;
use crate::app::App;
use crate::db::dialect::is_among;
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

/// Has those looked up whose state changes by now; due again in a minute.
pub(crate) async fn sweep(app: &App) -> Result<Ended, Fault> {
    let now = app.clock.now();
    // What was looked at longest ago comes first: those that cannot be looked up hold up nobody else.
    let due = Entity::find().filter(Column::DueAt.lte(now)).order_by_asc(Column::SyncedAt);
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
    look_at(app, begun.filter(before(TimeDelta::minutes(5))).order_by_asc(Column::SyncedAt)).await?;
    let late = open().filter(Column::State.eq(MembershipState::PastDue));
    look_at(app, late.filter(before(TimeDelta::hours(1))).order_by_asc(Column::SyncedAt)).await?;
    look_at(app, open().filter(before(TimeDelta::days(1))).order_by_asc(Column::SyncedAt)).await?;
    // Whose job gave up: what is still to be asked of one that has ended is found by nothing else.
    let unasked = billing_call::Entity::find()
        .select_only()
        .column(billing_call::Column::MembershipId)
        .filter(billing_call::Column::State.eq(CallState::Pending))
        .filter(billing_call::Column::AskedAt.lte(later(now, -TimeDelta::hours(1))));
    let unasked = Column::Id.in_subquery(unasked.into_query());
    look_at(app, Entity::find().filter(unasked).order_by_asc(Column::SyncedAt)).await?;
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
            // One at a time, tried until it succeeds: whatever is missed by a run that is under way is found by the next.
            let dedup_key = Some(format!("{}:{}", sync::KIND, id.0));
            let due: Option<Instant> = None;
            let job = Job { kind: sync::KIND, payload, due, dedup_key, max_attempts: i64::MAX };
            jobs::enqueue(tx, job).await?;
        }
        // The next run looks at others first, whether these can be looked up or not.
        let among = is_among(tx.db().get_database_backend(), "id", ids.iter().map(|id| id.0));
        Entity::update_many()
            .col_expr(Column::SyncedAt, Expr::val(tx.now()))
            .filter(among)
            .exec(tx.db())
            .await?;
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
