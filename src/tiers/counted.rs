//! What counts for tiers: points that were earned and money that was paid, on the day it counted; what comes back of it
//! is taken from that same day. Both are kept whatever the shop goes by, so that it can change its mind.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use entity::Instant;
use entity::id::{AccountId, CustomerId, GuestId};
use entity::tier_day::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait, Func, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Select};

use super::programme::{Basis, POINTS, TierProgramme, Window};
use super::settle::{Why, settle};
use super::standing::{Counted, looked_back_to};
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::money::Currency;
use crate::points::orders::{Owner, Owners};
use crate::tx::Tx;

/// Points that a locked account earned, or lost of what it had earned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Earned {
    pub(crate) account: AccountId,
    /// Whose the account is; none if it is a guest's.
    pub(crate) customer: Option<CustomerId>,
    /// When they were earned.
    pub(crate) at: Instant,
    pub(crate) points: i32,
    pub(crate) imported: bool,
}

/// Money that was paid for goods, or of which goods came back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) owner: Owner,
    pub(crate) currency: Currency,
    /// When it was paid.
    pub(crate) at: Instant,
    /// Minor units.
    pub(crate) amount: i64,
    pub(crate) imported: bool,
}

/// Counts points; whoever has another tier by them has it at once.
pub(crate) async fn count_earned(tx: &Tx, earned: &[Earned]) -> Result<(), Fault> {
    let mut days = Days::default();
    for earned in earned {
        days.add(tx, earned.account, POINTS, earned.at, earned.points.into());
    }
    days.write(tx).await?;
    if tx.settings().tiers.basis != Basis::Points {
        return Ok(());
    }
    for why in [Why::REACHED, Why::REACHED_BEFORE, Why::RETURNED] {
        let is_of = |earned: &&Earned| Why::of(earned.points.into(), earned.imported) == why;
        let customers = earned.iter().filter(is_of).filter_map(|earned| earned.customer);
        settle(tx, customers, &why).await?;
    }
    Ok(())
}

/// Counts money of locked accounts; whoever has another tier by it has it at once.
pub(crate) async fn count_spent(tx: &Tx, accounts: &Owners, spent: &[Spent]) -> Result<(), Fault> {
    let spent: Vec<&Spent> = spent.iter().filter(|spent| spent.amount != 0).collect();
    let mut days = Days::default();
    for spent in &spent {
        if let Some((account, _)) = accounts.get(&spent.owner.account()) {
            days.add(tx, *account, spent.currency.code(), spent.at, spent.amount);
        }
    }
    days.write(tx).await?;
    if tx.settings().tiers.basis == Basis::Points {
        return Ok(());
    }
    for why in [Why::REACHED, Why::REACHED_BEFORE, Why::RETURNED] {
        let is_of = |spent: &&&Spent| Why::of(spent.amount, spent.imported) == why;
        let customers = spent.iter().filter(is_of);
        let customers = customers.filter_map(|spent| accounts.get(&spent.owner.account())?.1);
        settle(tx, customers, &why).await?;
    }
    Ok(())
}

/// What a guest did counts for the customer that it proved to be; both accounts are locked.
pub(crate) async fn move_to_customer(tx: &Tx, guest: GuestId, customer: CustomerId) -> Result<(), Fault> {
    move_days(tx, Owner::Guest(guest).account(), Owner::Customer(customer).account()).await?;
    settle(tx, [customer], &Why::MERGED).await
}

/// Everything that counted for one locked account counts for another.
pub(super) async fn move_days(tx: &Tx, from: AccountId, into: AccountId) -> Result<(), Fault> {
    let mut days = Days::default();
    for row in Entity::find().filter(Column::AccountId.eq(from)).all(tx.db()).await? {
        *days.0.entry((into, row.unit, row.day)).or_default() += row.amount;
    }
    Entity::delete_many().filter(Column::AccountId.eq(from)).exec(tx.db()).await?;
    days.write(tx).await
}

/// Amounts to be added, by account, unit and day.
#[derive(Default)]
struct Days(BTreeMap<(AccountId, String, String), i64>);

impl Days {
    fn add(&mut self, tx: &Tx, account: AccountId, unit: &str, at: Instant, amount: i64) {
        let day = at.with_timezone(&tx.settings().time_zone).date_naive();
        *self.0.entry((account, unit.to_owned(), day.to_string())).or_default() += amount;
    }

    async fn write(self, tx: &Tx) -> Result<(), Fault> {
        let mut rows = Rows::new("tier_days", &["account_id", "unit", "day", "amount"]);
        for ((account, unit, day), amount) in self.0 {
            rows.push([account.0.into(), unit.into(), day.into(), amount.into()]);
        }
        rows.insert_or_add(tx.db(), &["account_id", "unit", "day"]).await
    }
}

/// What counted of these accounts and can still matter, by the programme in force: by day where its window needs days, else
/// by year or as a whole.
pub(super) async fn counted(
    db: &impl ConnectionTrait,
    programme: &TierProgramme,
    accounts: impl IntoIterator<Item = AccountId>,
    today: NaiveDate,
) -> Result<BTreeMap<AccountId, Counted>, Fault> {
    let backend = db.get_database_backend();
    let among = is_among(backend, "account_id", accounts.into_iter().map(|account| account.0));
    let query = Entity::find().filter(among).filter(Column::Unit.eq(programme.basis.unit()));
    let since = Column::Day.gte(looked_back_to(programme.window, today).to_string());
    let query = match programme.window {
        Window::Lifetime => summed(query),
        Window::CalendarYear => summed(query.filter(since)).group_by(year()),
        Window::Rolling12Months => {
            query.filter(since).select_only().columns([Column::AccountId, Column::Day, Column::Amount])
        }
    };
    let rows: Vec<(AccountId, String, i64)> = query.into_tuple().all(db).await?;
    let mut counted: BTreeMap<AccountId, Counted> = BTreeMap::new();
    for (account, day, amount) in rows {
        counted.entry(account).or_default().insert(day.parse()?, amount);
    }
    Ok(counted)
}

/// One row for many days, on the first of them.
fn summed(query: Select<Entity>) -> Select<Entity> {
    let sum = Expr::col(Column::Amount).sum().cast_as("bigint");
    let first = Func::min(Expr::col(Column::Day));
    query.select_only().column(Column::AccountId).expr(first).expr(sum).group_by(Column::AccountId)
}

fn year() -> SimpleExpr {
    Func::cust("substr").args([Expr::col(Column::Day), Expr::val(1), Expr::val(4)]).into()
}
