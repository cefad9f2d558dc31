//! What the shop owes its members: the points there are, and when they will end, as of one moment.

use chrono::{Datelike, Months, NaiveDate};
use chrono_tz::Tz;
use entity::points_hold::HoldState;
use entity::points_lot::LotState;
use entity::{Instant, points_account, points_hold, points_lot};
use sea_orm::sea_query::{CaseStatement, Expr, JoinType, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Select};

use super::rules::start_of_day;
use crate::app::App;
use crate::db::Transaction;
use crate::error::Fault;

/// Months that are told one by one.
const MONTHS: u32 = 24;
/// In place of a month: what ends after the last.
const LATER: i32 = -1;
/// In place of a month: what has no end.
const NEVER: i32 = -2;

/// Points over all accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Liability {
    /// Of which moment.
    pub(crate) at: Instant,
    /// To be spent.
    pub(crate) outstanding: i64,
    /// Earned, not active.
    pub(crate) pending: i64,
    /// Set aside for orders.
    pub(crate) held: i64,
    /// Owed by members.
    pub(crate) debt: i64,
    /// Of the outstanding: what ends in each of 24 months, by the first day of the month.
    pub(crate) months: Vec<(NaiveDate, i64)>,
    /// What ends after them.
    pub(crate) later: i64,
    /// What has no end.
    pub(crate) never: i64,
    /// Whether lots and holds add up to what the accounts say.
    pub(crate) balanced: bool,
}

/// Reads it in a few statements, as of one moment; calendar months are those of `zone`.
pub(crate) async fn report(app: &App) -> Result<Liability, Fault> {
    let (at, zone) = (app.clock.now(), app.settings().time_zone);
    app.read_snapshot(async move |db: &Transaction| read(db, at, zone).await).await
}

async fn read(db: &Transaction, at: Instant, zone: Tz) -> Result<Liability, Fault> {
    let months = months_from(at, zone)?;
    let accounts = sums_of_accounts(db).await?;
    let (pending, remaining) = sums_of_lots(db).await?;
    let held = sum_of_holds(db).await?;
    let mut ending = own_ends(db, &months).await?;
    ending.extend(ends_of_accounts(db, &months).await?);
    let of = |month: i32| ending.iter().filter(|(of, _)| *of == month).map(|(_, points)| points).sum::<i64>();
    let by_month: Vec<(NaiveDate, i64)> =
        (0..).zip(&months).map(|(number, month)| (month.first, of(number))).collect();
    let all: i64 = ending.iter().map(|(_, points)| points).sum();
    let Accounts { available, .. } = accounts;
    let balanced = accounts.all == 0
        && (pending, remaining, held) == (accounts.pending, available, accounts.held)
        && all == available;
    Ok(Liability {
        at,
        outstanding: available,
        pending: accounts.pending,
        held: accounts.held,
        debt: accounts.debt,
        months: by_month,
        later: of(LATER),
        never: of(NEVER),
        balanced,
    })
}

/// A calendar month: what ends with its last midnight ends in it.
struct Month {
    first: NaiveDate,
    until: Instant,
}

fn months_from(at: Instant, zone: Tz) -> Result<Vec<Month>, Fault> {
    let outside = || Fault::internal("the calendar has ended");
    let today = at.with_timezone(&zone).date_naive();
    let this = today.with_day(1).ok_or_else(outside)?;
    let month = |number: u32| {
        let first = this.checked_add_months(Months::new(number))?;
        Some(Month { first, until: start_of_day(zone, first.checked_add_months(Months::new(1))?)? })
    };
    (0..MONTHS).map(month).collect::<Option<_>>().ok_or_else(outside)
}

/// Sums over all accounts.
struct Accounts {
    pending: i64,
    available: i64,
    held: i64,
    debt: i64,
    /// Over all buckets: nothing.
    all: i64,
}

/// A sum of big numbers, which one of the databases would answer as another type.
fn big_sum(of: SimpleExpr) -> SimpleExpr {
    of.sum().cast_as("bigint")
}

async fn sums_of_accounts(db: &Transaction) -> Result<Accounts, Fault> {
    use points_account::Column;
    let all = [
        Column::Pending,
        Column::Available,
        Column::Held,
        Column::Redeemed,
        Column::Expired,
        Column::Revoked,
        Column::Debt,
    ];
    let all = all.into_iter().fold(Column::Issued.into_expr(), |sum, bucket| sum.add(bucket.into_expr()));
    let sums: Option<[Option<i64>; 5]> = points_account::Entity::find()
        .select_only()
        .expr(big_sum(Column::Pending.into_expr()))
        .expr(big_sum(Column::Available.into_expr()))
        .expr(big_sum(Column::Held.into_expr()))
        .expr(big_sum(Column::Debt.into_expr()))
        .expr(big_sum(all))
        .into_tuple::<(Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>)>()
        .one(db)
        .await?
        .map(|sums| [sums.0, sums.1, sums.2, sums.3, sums.4]);
    let [pending, available, held, debt, all] = sums.unwrap_or_default().map(Option::unwrap_or_default);
    Ok(Accounts { pending, available, held, debt, all })
}

/// What all members can spend.
pub(crate) async fn available(app: &App) -> Result<i64, Fault> {
    let sum = points_account::Entity::find()
        .select_only()
        .expr(big_sum(points_account::Column::Available.into_expr()))
        .into_tuple::<Option<i64>>();
    Ok(sum.one(&app.db.read).await?.flatten().unwrap_or_default())
}

/// Pending and remaining of all lots.
async fn sums_of_lots(db: &Transaction) -> Result<(i64, i64), Fault> {
    use points_lot::Column;
    let sums: Option<(Option<i64>, Option<i64>)> = points_lot::Entity::find()
        .select_only()
        .expr(Column::Pending.sum())
        .expr(Column::Remaining.sum())
        .into_tuple()
        .one(db)
        .await?;
    let (pending, remaining) = sums.unwrap_or_default();
    Ok((pending.unwrap_or_default(), remaining.unwrap_or_default()))
}

async fn sum_of_holds(db: &Transaction) -> Result<i64, Fault> {
    use points_hold::Column;
    let sum: Option<Option<i64>> = points_hold::Entity::find()
        .select_only()
        .expr(Column::Amount.sum())
        .filter(Column::State.eq(HoldState::Held))
        .into_tuple()
        .one(db)
        .await?;
    Ok(sum.flatten().unwrap_or_default())
}

/// What remains by the month in which it ends.
type Ending = Vec<(i32, i64)>;

/// Of lots that have an end of their own, or none at all.
async fn own_ends(db: &Transaction, months: &[Month]) -> Result<Ending, Fault> {
    use points_lot::Column;
    let own = Condition::any().add(Column::ActivityPeriod.is_null()).add(Column::ExpiresAt.is_not_null());
    let end = Expr::col((points_lot::Entity, Column::ExpiresAt));
    by_month(db, points_lot::Entity::find().filter(own), &end, months).await
}

/// Of lots that end when their account runs out.
async fn ends_of_accounts(db: &Transaction, months: &[Month]) -> Result<Ending, Fault> {
    use points_lot::Column;
    let account: sea_orm::RelationDef = points_lot::Entity::belongs_to(points_account::Entity)
        .from(Column::AccountId)
        .to(points_account::Column::Id)
        .into();
    let idle = Condition::all().add(Column::ActivityPeriod.is_not_null()).add(Column::ExpiresAt.is_null());
    let end = Expr::col((points_account::Entity, points_account::Column::InactiveAt));
    let lots = points_lot::Entity::find().join(JoinType::InnerJoin, account).filter(idle);
    by_month(db, lots, &end, months).await
}

async fn by_month(
    db: &Transaction,
    lots: Select<points_lot::Entity>,
    end: &SimpleExpr,
    months: &[Month],
) -> Result<Ending, Fault> {
    let never = CaseStatement::new().case(end.clone().is_null(), NEVER);
    let of_month =
        |case: CaseStatement, (number, month): (i32, &Month)| case.case(end.clone().lte(month.until), number);
    let month: SimpleExpr = (0_i32..).zip(months).fold(never, of_month).finally(LATER).into();
    Ok(lots
        .select_only()
        .expr_as(month, "month")
        .expr(points_lot::Column::Remaining.sum())
        .filter(points_lot::Column::State.eq(LotState::Open))
        .group_by(Expr::col("month"))
        .into_tuple()
        .all(db)
        .await?)
}
