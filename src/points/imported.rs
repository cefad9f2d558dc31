//! Points that end without activity, while an import tells of the past.
//!
//! Orders come in any order and in any number of batches: whether a member was away for too long between two of them is
//! known only once all are told. So from the first of them on nothing of the account ends for want of activity, until the
//! import has ended, the member does something, or a day has passed. Then each lot that the import brought ends where it
//! would have, had the history been lived.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entity::id::{AccountId, LotId};
use entity::{Instant, points_account};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::account::Account;
use super::apply::{Context, expire};
use super::command::{Act, Command, Release};
use super::inactivity::{end, months_that_count};
use super::ledger::post;
use super::programme::{Expiry, Programme};
use crate::actor::Actor;
use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::tx::Tx;

/// A past that was not told to its end by then is taken as it is.
const TOLD_WITHIN: TimeDelta = TimeDelta::days(1);
/// Accounts in one transaction.
const BATCH: usize = 500;

/// Something that the member did, as entries tell it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activity {
    pub(crate) account: AccountId,
    /// What it earned.
    pub(crate) lot: Option<LotId>,
    pub(crate) effective_at: Instant,
    pub(crate) recorded_at: Instant,
}

/// Whoever's past was begun to be told before then does not wait for more of it at `now`.
pub(crate) fn waits_since(now: Instant) -> Instant {
    now.checked_sub_signed(TOLD_WITHIN).unwrap_or(Instant::MIN_UTC)
}

/// The accounts whose past is told, now that these commands come: an import goes on, and what time does waits.
pub(crate) fn told(
    rows: &[points_account::Model],
    commands: &[Command],
    now: Instant,
) -> BTreeSet<AccountId> {
    let waiting = || rows.iter().filter_map(|row| Some((row.id, row.history_since?)));
    if waiting().next().is_none() {
        return BTreeSet::new();
    }
    let acting: BTreeSet<AccountId> =
        commands.iter().filter(|command| !may_wait(command)).map(|command| command.account).collect();
    let is_told = |account: AccountId, since| acting.contains(&account) || since <= waits_since(now);
    waiting().filter(|(account, since)| is_told(*account, *since)).map(|(account, _)| account).collect()
}

fn may_wait(command: &Command) -> bool {
    let by_time = match command.act {
        Act::Expire | Act::Activate(_) | Act::Void { why: Release::Lapsed, .. } => true,
        Act::Earn(_)
        | Act::Schedule(..)
        | Act::Hold(_)
        | Act::Pin { .. }
        | Act::Capture { .. }
        | Act::Void { .. }
        | Act::Redeem(..)
        | Act::Adjust(..)
        | Act::Undo(_)
        | Act::Refund(_)
        | Act::ClawBack(_)
        | Act::TakeBack { .. }
        | Act::JoinOut
        | Act::JoinIn(_)
        | Act::MergeOut
        | Act::MergeIn(_)
        | Act::Open(_)
        | Act::EndHistory => false,
    };
    command.imported || (by_time && command.by == Actor::SYSTEM)
}

impl Account {
    /// An import tells of the past.
    pub(crate) fn hear_of_the_past(&mut self, ctx: &Context<'_>) {
        let waits = self.row.history_since.is_some() || self.is_guest();
        if !waits && months_that_count(&self.row, ctx).is_some() {
            self.row.history_since = Some(ctx.now);
            self.is_changed = true;
        }
    }

    /// All of the past is told: of what it brought ends what the member was away for too long for. `activities` are all
    /// that there ever were, and every open lot is loaded.
    pub(crate) fn end_history(&mut self, activities: &[Activity], ctx: &Context<'_>) {
        let Some(since) = self.row.history_since.take() else { return };
        self.is_changed = true;
        let Some(months) = months_that_count(&self.row, ctx) else { return };
        let brought: BTreeSet<LotId> = activities
            .iter()
            .filter(|activity| activity.recorded_at >= since)
            .filter_map(|activity| activity.lot)
            .collect();
        let lots: Vec<(usize, Instant)> = self
            .lots_of_running_period()
            .into_iter()
            .filter(|index| brought.contains(&self.lots[*index].row.id))
            .filter_map(|index| Some((index, self.lots[index].row.opened_at?)))
            .collect();
        let active = activities.iter().map(|activity| (activity.effective_at.min(ctx.now), true));
        let opened = lots.iter().map(|(_, opened)| (*opened, false));
        let past = Past::of(active.chain(opened).collect(), |at| end(months, at, ctx));
        for (index, opened) in lots {
            if let Some(end) = past.ends.iter().find(|end| **end > opened) {
                expire(self, index, *end, ctx);
            }
        }
        self.live_until(past.runs_until, months);
    }
}

/// When the member had been away for too long.
struct Past {
    ends: Vec<Instant>,
    /// When the last period ends, or ended.
    runs_until: Option<Instant>,
}

impl Past {
    /// Of what the member did, which pushes the `end` of a period, and of lots that opened, which begin one if none runs.
    fn of(mut events: Vec<(Instant, bool)>, end: impl Fn(Instant) -> Option<Instant>) -> Self {
        events.sort_unstable();
        let mut past = Self { ends: Vec::new(), runs_until: None };
        for (at, is_activity) in events {
            past.ends.extend(past.runs_until.take_if(|end| *end <= at));
            if is_activity || past.runs_until.is_none() {
                past.runs_until = past.runs_until.max(end(at));
            }
        }
        past
    }
}

/// Whether the past that an import tells decides over points that end without activity.
pub(crate) fn matters(programme: &Programme) -> bool {
    match programme.expiry {
        Expiry::MonthsWithoutActivity(_) => true,
        Expiry::Never | Expiry::Months(_) | Expiry::MonthsToEndOf(..) => false,
    }
}

/// An import that told of these accounts has ended.
pub(crate) async fn end_histories(app: &App, accounts: &BTreeSet<AccountId>) -> Result<(), Fault> {
    let accounts: Vec<AccountId> = accounts.iter().copied().collect();
    for batch in accounts.chunks(BATCH) {
        app.change(batch, end_batch).await?;
    }
    Ok(())
}

async fn end_batch(tx: &Tx, accounts: &[AccountId]) -> Result<(), Fault> {
    use points_account::{Column, Entity};
    let among = is_among(tx.db().get_database_backend(), "id", accounts.iter().map(|id| id.0));
    let waiting: Vec<AccountId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(among)
        .filter(Column::HistorySince.is_not_null())
        .into_tuple()
        .all(tx.db())
        .await?;
    let command = |account| Command {
        account,
        act: Act::EndHistory,
        by: Actor::SYSTEM,
        effective_at: None,
        imported: false,
    };
    let commands: Vec<Command> = waiting.into_iter().map(command).collect();
    post(tx, &commands).await?;
    Ok(())
}
