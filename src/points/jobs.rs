//! What time does to points: lots end, pending earns activate, holds lapse, and members are warned. Each sweep finds what is due by index and
//! posts it in batches, so that it costs what is due and not the number of customers.

use entity::id::{AccountId, HoldId, LotId};
use entity::points_hold::HoldState;
use entity::points_lot::LotState;
use entity::{Instant, points_account, points_hold, points_lot};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::command::{Act, Command, Release};
use super::imported::waits_since;
use super::ledger::post;
use super::warnings;
use crate::actor::Actor;
use crate::app::App;
use crate::error::Fault;
use crate::jobs::{self, Ended};

/// The recurring job that sweeps.
pub(crate) const SWEEP: &str = "points.sweep";
/// Commands in one transaction.
const BATCH: u64 = 500;

/// Posts what is due.
pub(crate) async fn sweep(app: &App) -> Result<Ended, Fault> {
    jobs::sweep::sweep(app, post_due).await
}

async fn post_due(app: &App, now: Instant) -> Result<bool, Fault> {
    let due = due_commands(app, now).await?;
    if due.is_empty() {
        return Ok(warnings::warn(app, now).await? > 0);
    }
    post_all(app, &due).await?;
    Ok(true)
}

/// Posts a batch; if it faults, each account's commands alone, so that a broken account holds up no other.
async fn post_all(app: &App, due: &[Command]) -> Result<(), Fault> {
    let Err(fault) = app.change(due, post).await else { return Ok(()) };
    let mut posted = 0;
    for command in due {
        match app.change(std::slice::from_ref(command), post).await {
            Ok(_) => posted += 1,
            Err(fault) => {
                tracing::error!(?fault, account.id = %command.account.0, "what is due was not posted");
            }
        }
    }
    if posted == 0 { Err(fault) } else { Ok(()) }
}

/// Up to a batch of each kind. Another instance may do the same meanwhile: under the lock the second finds it done.
async fn due_commands(app: &App, now: Instant) -> Result<Vec<Command>, Fault> {
    let mut commands = Vec::new();
    let mut add = |account: AccountId, act: Act| {
        commands.push(Command { account, act, by: Actor::SYSTEM, effective_at: None, imported: false });
    };
    let mut ending = accounts_with_ended_lots(app, now).await?;
    ending.extend(inactive_accounts(app, now).await?);
    ending.extend(accounts_with_untold_past(app, now).await?);
    ending.sort_unstable();
    ending.dedup();
    for account in ending {
        add(account, Act::Expire);
    }
    for (account, lot) in lots_to_activate(app, now).await? {
        add(account, Act::Activate(lot));
    }
    for (account, hold) in lapsed_holds(app, now).await? {
        add(account, Act::Void { hold, why: Release::Lapsed });
    }
    Ok(commands)
}

async fn accounts_with_ended_lots(app: &App, now: Instant) -> Result<Vec<AccountId>, Fault> {
    use points_lot::Column;
    Ok(points_lot::Entity::find()
        .select_only()
        .column(Column::AccountId)
        .filter(Column::State.is_in([LotState::Open, LotState::Waiting]))
        .filter(Column::ExpiresAt.lte(now))
        .order_by_asc(Column::ExpiresAt)
        .limit(BATCH)
        .into_tuple()
        .all(&app.db.read)
        .await?)
}

async fn inactive_accounts(app: &App, now: Instant) -> Result<Vec<AccountId>, Fault> {
    use points_account::Column;
    Ok(points_account::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::InactiveAt.lte(now))
        .filter(Column::HistorySince.is_null())
        .order_by_asc(Column::InactiveAt)
        .limit(BATCH)
        .into_tuple()
        .all(&app.db.read)
        .await?)
}

/// Accounts whose past an import began to tell and never ended.
async fn accounts_with_untold_past(app: &App, now: Instant) -> Result<Vec<AccountId>, Fault> {
    use points_account::Column;
    Ok(points_account::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::HistorySince.lte(waits_since(now)))
        .order_by_asc(Column::HistorySince)
        .limit(BATCH)
        .into_tuple()
        .all(&app.db.read)
        .await?)
}

async fn lots_to_activate(app: &App, now: Instant) -> Result<Vec<(AccountId, LotId)>, Fault> {
    use points_lot::Column;
    Ok(points_lot::Entity::find()
        .select_only()
        .columns([Column::AccountId, Column::Id])
        .filter(Column::State.eq(LotState::Pending))
        .filter(Column::ActivatesAt.lte(now))
        .order_by_asc(Column::ActivatesAt)
        .limit(BATCH)
        .into_tuple()
        .all(&app.db.read)
        .await?)
}

async fn lapsed_holds(app: &App, now: Instant) -> Result<Vec<(AccountId, HoldId)>, Fault> {
    use points_hold::Column;
    Ok(points_hold::Entity::find()
        .select_only()
        .columns([Column::AccountId, Column::Id])
        .filter(Column::State.eq(HoldState::Held))
        .filter(Column::ExpiresAt.lte(now))
        .order_by_asc(Column::ExpiresAt)
        .limit(BATCH)
        .into_tuple()
        .all(&app.db.read)
        .await?)
}
