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
use super::settle::{Why, Written, settle, settled};
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

/// Counts points; whoever has another tier by them is to have it at once.
pub(crate) async fn count_earned(tx: &Tx, earned: &[Earned]) -> Result<Counting, Fault> {
    let mut added = Added::default();
    for earned in earned {
        added.add(tx, earned.account, POINTS, earned.at, earned.points.into());
    }
    let is_basis = tx.settings().tiers.basis == Basis::Points;
    let reasons = earned.iter().filter(|_| is_basis);
    let reasons =
        reasons.filter_map(|earned| Some((earned.customer?, Why::of(earned.points.into(), earned.imported))));
    Counting::of(tx, added, reasons).await
}

/// Counts money of locked accounts; whoever has another tier by it has it at once.
pub(crate) async fn count_spent(tx: &Tx, accounts: &Owners, spent: &[Spent]) -> Result<(), Fault> {
    let (mut added, mut reasons) = (Added::default(), Vec::new());
    for spent in spent.iter().filter(|spent| spent.amount != 0) {
        let Some((account, customer)) = accounts.get(&spent.owner.account()) else { continue };
        added.add(tx, *account, spent.currency.code(), spent.at, spent.amount);
        reasons.extend(customer.map(|customer| (customer, Why::of(spent.amount, spent.imported))));
    }
    if tx.settings().tiers.basis == Basis::Points {
        reasons.clear();
    }
    Counting::of(tx, added, reasons).await?.write(tx).await
}

/// What counts, with the tiers that follow: all is read, and nothing written yet.
#[must_use]
pub(crate) struct Counting {
    added: Added,
    settled: Written,
}

impl Counting {
    /// Of a customer who is settled for several reasons the first in the order of reasons is told.
    async fn of(
        tx: &Tx,
        added: Added,
        reasons: impl IntoIterator<Item = (CustomerId, Why)>,
    ) -> Result<Self, Fault> {
        let mut whys: BTreeMap<CustomerId, Why> = BTreeMap::new();
        for (customer, why) in reasons {
            let first = whys.entry(customer).or_insert_with(|| why.clone());
            if why.precedes(first) {
                *first = why;
            }
        }
        let settled = settled(tx, whys, &added).await?;
        Ok(Self { added, settled })
    }

    /// Writes it.
    pub(crate) async fn write(self, tx: &Tx) -> Result<(), Fault> {
        self.added.write(tx).await?;
        self.settled.write(tx).await
    }
}

/// What a guest did counts for the customer that it proved to be; both accounts are locked.
pub(crate) async fn move_to_customer(tx: &Tx, guest: GuestId, customer: CustomerId) -> Result<(), Fault> {
    move_days(tx, Owner::Guest(guest).account(), Owner::Customer(customer).account()).await?;
    settle(tx, [customer], &Why::MERGED).await
}

/// Everything that counted for one locked account counts for another.
pub(super) async fn move_days(tx: &Tx, from: AccountId, into: AccountId) -> Result<(), Fault> {
    let mut added = Added::default();
    for row in Entity::find().filter(Column::AccountId.eq(from)).all(tx.db()).await? {
        *added.0.entry((into, row.unit, row.day.parse()?)).or_default() += row.amount;
    }
    Entity::delete_many().filter(Column::AccountId.eq(from)).exec(tx.db()).await?;
    added.write(tx).await
}

/// Amounts to be added, by account, unit and day.
#[derive(Default)]
pub(super) struct Added(BTreeMap<(AccountId, String, NaiveDate), i64>);

impl Added {
    fn add(&mut self, tx: &Tx, account: AccountId, unit: &str, at: Instant, amount: i64) {
        let day = at.with_timezone(&tx.settings().time_zone).date_naive();
        *self.0.entry((account, unit.to_owned(), day)).or_default() += amount;
    }

    /// Adds to what counted what is going to.
    pub(super) fn add_to(
        &self,
        counted: &mut BTreeMap<AccountId, Counted>,
        programme: &TierProgramme,
        today: NaiveDate,
    ) {
        let since = looked_back_to(programme.window, today);
        for ((account, unit, day), amount) in &self.0 {
            if unit == programme.basis.unit() && *day >= since {
                *counted.entry(*account).or_default().entry(*day).or_default() += amount;
            }
        }
    }

    async fn write(self, tx: &Tx) -> Result<(), Fault> {
        let mut rows = Rows::new("tier_days", &["account_id", "unit", "day", "amount"]);
        for ((account, unit, day), amount) in self.0 {
            rows.push([account.0.into(), unit.into(), day.to_string().into(), amount.into()]);
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
