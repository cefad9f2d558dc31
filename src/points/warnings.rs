//! Tells the outbox of points that will end: `points.expiring`, once for an account, day of end and warning.
//!
//! Each lot with an end of its own, and each account that runs out, keeps the days before the end of which it was told
//! last: an index over that finds what is due to be told of, whatever there is besides. Under the locks of the accounts
//! each is looked at again and marked with the event, so that two instances, or one that crashed, tell nothing twice.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{NaiveDate, TimeDelta};
use entity::id::{AccountId, LotId};
use entity::points_lot::LotState;
use entity::{Instant, points_account, points_expiry_warning, points_lot};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::apply::later;
use super::{events, store};
use crate::app::App;
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::outbox;
use crate::tx::Tx;

/// Days of the last warning of what was never warned of: more than any warning has.
pub(crate) const UNWARNED: i32 = 366;
/// Accounts in one transaction.
const BATCH: usize = 500;

/// Warns of what is due to be warned of; answers of how many accounts that was.
pub(crate) async fn warn(app: &App, now: Instant) -> Result<usize, Fault> {
    let mut due = BTreeSet::new();
    for days in warnings(&app.settings().programme.expiry_warning_days)? {
        due.extend(accounts_with_lots_to_warn_of(app, days, now).await?);
        due.extend(accounts_to_warn_of(app, days, now).await?);
    }
    let due: Vec<AccountId> = due.into_iter().collect();
    for batch in due.chunks(BATCH) {
        app.change(batch, warn_accounts).await?;
    }
    Ok(due.len())
}

/// The warnings of the programme, the last first.
fn warnings(days: &[u32]) -> Result<Vec<i32>, Fault> {
    let mut days = days.iter().map(|days| i32::try_from(*days)).collect::<Result<Vec<_>, _>>()?;
    days.sort_unstable();
    Ok(days)
}

fn days_from(at: Instant, days: i32) -> Instant {
    later(at, TimeDelta::days(days.into()))
}

async fn accounts_with_lots_to_warn_of(app: &App, days: i32, now: Instant) -> Result<Vec<AccountId>, Fault> {
    use points_lot::Column;
    Ok(points_lot::Entity::find()
        .select_only()
        .column(Column::AccountId)
        .filter(Column::State.eq(LotState::Open))
        // Every value by itself: so the index gives those that end soon, and not all that were never warned of.
        .filter(Column::WarnedDays.is_in(days + 1..=UNWARNED))
        .filter(Column::ExpiresAt.lte(days_from(now, days)))
        .limit(u64::try_from(BATCH)?)
        .into_tuple()
        .all(&app.db.read)
        .await?)
}

async fn accounts_to_warn_of(app: &App, days: i32, now: Instant) -> Result<Vec<AccountId>, Fault> {
    use points_account::Column;
    Ok(points_account::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::WarnedDays.is_in(days + 1..=UNWARNED))
        .filter(Column::InactiveAt.lte(days_from(now, days)))
        .filter(Column::HistorySince.is_null())
        .limit(u64::try_from(BATCH)?)
        .into_tuple()
        .all(&app.db.read)
        .await?)
}

/// The points of an account that end on one day.
#[derive(Debug)]
struct Ending {
    at: Instant,
    points: i64,
    lots: Vec<(LotId, i32)>,
    with_account: bool,
}

/// Warns of all that these accounts have to be warned of.
async fn warn_accounts(tx: &Tx, accounts: &[AccountId]) -> Result<(), Fault> {
    let rows = store::lock(tx, &accounts.iter().copied().collect()).await?;
    let rows: BTreeMap<AccountId, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    let Some(due) = Due::of(tx)? else { return Ok(()) };
    let told = told_before(tx, accounts).await?;
    let mut marks = Marks::new();
    let mut happened = Vec::new();
    for ((account, day), ending) in endings(tx, &rows, &due).await? {
        let Some(days) = due.warning(ending.at) else { continue };
        let lots = ending.lots.iter().filter(|(_, warned)| *warned > days);
        let fresh = marks.add_lots(lots, days);
        let is_new = fresh || (ending.with_account && rows[&account].warned_days > days);
        let ends_on = day.to_string();
        if is_new && ending.at > tx.now() && !told.contains(&(account, ends_on.clone(), days)) {
            marks.told.push([account.0.into(), ends_on.into(), days.into(), tx.now().into()]);
            happened.push(events::expiring(account, ending.points, ending.at, days, tx.now()));
        }
    }
    for row in rows.values() {
        if let Some(days) =
            row.inactive_at.and_then(|at| due.warning(at)).filter(|days| row.warned_days > *days)
        {
            marks.accounts.push([row.id.0.into(), days.into()]);
        }
    }
    marks.write(tx).await?;
    forget_past(tx, accounts, &due).await?;
    if happened.is_empty() { Ok(()) } else { outbox::emit(tx, happened).await }
}

/// What is due to be told, by the settings in force.
struct Due {
    now: Instant,
    zone: chrono_tz::Tz,
    /// Days before the end, the last warning first.
    warnings: Vec<i32>,
    first: i32,
}

impl Due {
    fn of(tx: &Tx) -> Result<Option<Self>, Fault> {
        let settings = tx.settings();
        let warnings = warnings(&settings.programme.expiry_warning_days)?;
        let Some(first) = warnings.last().copied() else { return Ok(None) };
        Ok(Some(Self { now: tx.now(), zone: settings.time_zone, warnings, first }))
    }

    /// The last warning of an end that is due.
    fn warning(&self, end: Instant) -> Option<i32> {
        self.warnings.iter().copied().find(|days| end <= days_from(self.now, *days))
    }

    /// The last day on which what ends at `end` counts: midnight belongs to the day before it.
    fn day(&self, end: Instant) -> NaiveDate {
        (end - TimeDelta::microseconds(1)).with_timezone(&self.zone).date_naive()
    }
}

/// What ends of these accounts, by day.
async fn endings(
    tx: &Tx,
    accounts: &BTreeMap<AccountId, points_account::Model>,
    due: &Due,
) -> Result<BTreeMap<(AccountId, NaiveDate), Ending>, Fault> {
    use points_lot::Column;
    let of_accounts = is_among(tx.db().get_database_backend(), "account_id", accounts.keys().map(|id| id.0));
    // What ends later on the same day is told with it.
    let horizon = days_from(due.now, due.first + 2);
    let ends = Condition::any().add(Column::ExpiresAt.lte(horizon)).add(Column::ActivityPeriod.is_not_null());
    let lots = points_lot::Entity::find()
        .filter(of_accounts)
        .filter(Column::State.eq(LotState::Open))
        .filter(ends)
        .all(tx.db())
        .await?;
    let mut endings = BTreeMap::new();
    for lot in lots {
        let Some(account) = accounts.get(&lot.account_id) else { continue };
        let with_account = lot.expires_at.is_none();
        let Some(at) = lot.expires_at.or(account.inactive_at) else { continue };
        let ending = endings.entry((account.id, due.day(at))).or_insert(Ending {
            at,
            points: 0,
            lots: Vec::new(),
            with_account: false,
        });
        ending.at = ending.at.min(at);
        ending.points += i64::from(lot.remaining);
        ending.with_account |= with_account;
        if !with_account {
            ending.lots.push((lot.id, lot.warned_days));
        }
    }
    Ok(endings)
}

/// What was told already.
async fn told_before(tx: &Tx, accounts: &[AccountId]) -> Result<HashSet<(AccountId, String, i32)>, Fault> {
    let among = is_among(tx.db().get_database_backend(), "account_id", accounts.iter().map(|id| id.0));
    let rows = points_expiry_warning::Entity::find().filter(among).all(tx.db()).await?;
    Ok(rows.into_iter().map(|row| (row.account_id, row.ends_on, row.days)).collect())
}

/// What was told of days that are over is forgotten.
async fn forget_past(tx: &Tx, accounts: &[AccountId], due: &Due) -> Result<(), Fault> {
    let among = is_among(tx.db().get_database_backend(), "account_id", accounts.iter().map(|id| id.0));
    let today = due.now.with_timezone(&due.zone).date_naive().to_string();
    points_expiry_warning::Entity::delete_many()
        .filter(among)
        .filter(points_expiry_warning::Column::EndsOn.lt(today))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// What is to be written.
struct Marks {
    lots: Rows,
    accounts: Rows,
    told: Rows,
}

impl Marks {
    fn new() -> Self {
        Self {
            lots: Rows::new("points_lots", &["id", "warned_days"]),
            accounts: Rows::new("points_accounts", &["id", "warned_days"]),
            told: Rows::new("points_expiry_warnings", &["account_id", "ends_on", "days", "warned_at"]),
        }
    }

    /// Marks lots; answers whether there were any.
    fn add_lots<'a>(&mut self, lots: impl Iterator<Item = &'a (LotId, i32)>, days: i32) -> bool {
        lots.map(|(lot, _)| self.lots.push([lot.0.into(), days.into()])).count() > 0
    }

    async fn write(self, tx: &Tx) -> Result<(), Fault> {
        self.lots.update(tx.db(), "").await?;
        self.accounts.update(tx.db(), "").await?;
        self.told.insert(tx.db()).await
    }
}
