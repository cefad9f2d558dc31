//! Recomputes every account from its entries, lots, holds and pairings, and tells where the cached sums differ.

use std::collections::HashMap;

use entity::id::AccountId;
use entity::points_entry::Bucket;
use entity::points_hold::HoldState;
use entity::{points_account, points_consumption, points_entry, points_hold, points_lot};
use sea_orm::sea_query::{Expr, JoinType, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::app::App;
use crate::db::Transaction;
use crate::db::dialect::is_among;
use crate::error::Fault;

/// Accounts looked at in one step.
const STEP: u64 = 1_000;
/// Every bucket, in the order of the report.
pub const BUCKETS: [Bucket; 8] = [
    Bucket::Issued,
    Bucket::Pending,
    Bucket::Available,
    Bucket::Held,
    Bucket::Redeemed,
    Bucket::Expired,
    Bucket::Revoked,
    Bucket::Debt,
];

/// What the ledger adds up to.
#[derive(Debug, Default)]
pub struct Report {
    /// Accounts looked at.
    pub accounts: u64,
    /// Entries recomputed.
    pub entries: i64,
    /// Sums over all accounts, in the order of [`BUCKETS`].
    pub totals: [i64; 8],
    /// What differs; empty if nothing does.
    pub drifts: Vec<Drift>,
}

/// A sum that is not what it should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Drift {
    /// Whose account.
    pub account: AccountId,
    /// Which sum.
    pub what: String,
    /// As cached.
    pub cached: i64,
    /// As recomputed.
    pub recomputed: i64,
}

/// Recomputes the whole ledger as of one moment.
pub async fn verify(app: &App) -> Result<Report, Fault> {
    app.read_snapshot(async |db: &Transaction| {
        let mut report = Report::default();
        let mut last: Option<AccountId> = None;
        loop {
            let mut query =
                points_account::Entity::find().order_by_asc(points_account::Column::Id).limit(STEP);
            if let Some(last) = last {
                query = query.filter(points_account::Column::Id.gt(last));
            }
            let accounts = query.all(db).await?;
            let Some(end) = accounts.last() else { return Ok(report) };
            last = Some(end.id);
            Recomputed::of(db, &accounts).await?.compare(&accounts, &mut report);
        }
    })
    .await
}

/// Sums per account, computed from the rows beneath.
#[derive(Default)]
struct Recomputed {
    buckets: HashMap<(AccountId, Bucket), i64>,
    last_seq: HashMap<AccountId, i64>,
    count: HashMap<AccountId, i64>,
    spent: HashMap<AccountId, i64>,
    lots: HashMap<AccountId, (i64, i64)>,
    held: HashMap<AccountId, i64>,
    held_pairs: HashMap<AccountId, i64>,
    pairs: HashMap<AccountId, i64>,
}

/// Accounts with one or two sums.
type Sums<const N: usize> = Vec<(AccountId, [i64; N])>;

impl Recomputed {
    async fn of(db: &Transaction, accounts: &[points_account::Model]) -> Result<Self, Fault> {
        let ids = || accounts.iter().map(|account| account.id.0);
        let backend = db.get_database_backend();
        let mut sums = Self::default();
        sums.add_entries(db, is_among(backend, "account_id", ids())).await?;
        sums.add_lots(db, is_among(backend, "account_id", ids())).await?;
        sums.add_holds(db, is_among(backend, "account_id", ids())).await?;
        for (account, [amount, held]) in
            pairings(db, is_among(backend, "points_lots.account_id", ids())).await?
        {
            sums.pairs.insert(account, amount);
            sums.held_pairs.insert(account, held);
        }
        Ok(sums)
    }

    async fn add_entries(&mut self, db: &Transaction, of_accounts: SimpleExpr) -> Result<(), Fault> {
        use points_entry::Column;
        let rows: Vec<(AccountId, Bucket, Bucket, i64, i64, i64)> = points_entry::Entity::find()
            .select_only()
            .columns([Column::AccountId, Column::FromBucket, Column::ToBucket])
            .expr(Column::Amount.sum())
            .expr(Column::Seq.max())
            .expr(Column::Id.count())
            .filter(of_accounts)
            .group_by(Column::AccountId)
            .group_by(Column::FromBucket)
            .group_by(Column::ToBucket)
            .into_tuple()
            .all(db)
            .await?;
        for (account, from, to, amount, seq, count) in rows {
            *self.buckets.entry((account, from)).or_default() -= amount;
            *self.buckets.entry((account, to)).or_default() += amount;
            if from == Bucket::Available {
                *self.spent.entry(account).or_default() += amount;
            }
            let last = self.last_seq.entry(account).or_default();
            *last = Ord::max(*last, seq);
            *self.count.entry(account).or_default() += count;
        }
        Ok(())
    }

    async fn add_lots(&mut self, db: &Transaction, of_accounts: SimpleExpr) -> Result<(), Fault> {
        use points_lot::Column;
        let rows: Vec<(AccountId, i64, i64)> = points_lot::Entity::find()
            .select_only()
            .column(Column::AccountId)
            .expr(Column::Pending.sum())
            .expr(Column::Remaining.sum())
            .filter(of_accounts)
            .group_by(Column::AccountId)
            .into_tuple()
            .all(db)
            .await?;
        self.lots =
            rows.into_iter().map(|(account, pending, remaining)| (account, (pending, remaining))).collect();
        Ok(())
    }

    async fn add_holds(&mut self, db: &Transaction, of_accounts: SimpleExpr) -> Result<(), Fault> {
        use points_hold::Column;
        let rows: Vec<(AccountId, i64)> = points_hold::Entity::find()
            .select_only()
            .column(Column::AccountId)
            .expr(Column::Amount.sum())
            .filter(Column::State.eq(HoldState::Held))
            .filter(of_accounts)
            .group_by(Column::AccountId)
            .into_tuple()
            .all(db)
            .await?;
        self.held = rows.into_iter().collect();
        Ok(())
    }

    fn compare(&self, accounts: &[points_account::Model], report: &mut Report) {
        for account in accounts {
            report.accounts += 1;
            report.entries += self.count.get(&account.id).copied().unwrap_or_default();
            let cached = cached(account);
            for (total, sum) in report.totals.iter_mut().zip(cached) {
                *total += sum;
            }
            let drift = |(what, cached, recomputed): (String, i64, i64)| {
                (cached != recomputed).then_some(Drift { account: account.id, what, cached, recomputed })
            };
            report.drifts.extend(self.sums_of(account, cached).into_iter().filter_map(drift));
        }
    }

    /// Every sum of an account: its name, as cached, as recomputed.
    fn sums_of(&self, account: &points_account::Model, cached: [i64; 8]) -> Vec<(String, i64, i64)> {
        let of = |sums: &HashMap<AccountId, i64>| sums.get(&account.id).copied().unwrap_or_default();
        let (pending, remaining) = self.lots.get(&account.id).copied().unwrap_or_default();
        let mut sums: Vec<_> = BUCKETS
            .into_iter()
            .zip(cached)
            .map(|(bucket, cached)| {
                let entries = self.buckets.get(&(account.id, bucket)).copied().unwrap_or_default();
                (format!("{bucket:?} by its entries"), cached, entries)
            })
            .collect();
        sums.push(("pending by its lots".to_owned(), account.pending, pending));
        sums.push(("available by its lots".to_owned(), account.available, remaining));
        sums.push(("held by its holds".to_owned(), account.held, of(&self.held)));
        sums.push(("held by what holds took from lots".to_owned(), account.held, of(&self.held_pairs)));
        sums.push(("debits by their lots".to_owned(), of(&self.spent), of(&self.pairs)));
        sums.push(("sequence by its last entry".to_owned(), account.seq, of(&self.last_seq)));
        sums.push(("sequence by its count".to_owned(), account.seq, of(&self.count)));
        sums.push(("all buckets together".to_owned(), cached.iter().sum(), 0));
        sums
    }
}

fn cached(account: &points_account::Model) -> [i64; 8] {
    [
        account.issued,
        account.pending,
        account.available,
        account.held,
        account.redeemed,
        account.expired,
        account.revoked,
        account.debt,
    ]
}

/// Per account: what debits took from lots in all, and what open holds have of it.
async fn pairings(db: &Transaction, of_accounts: SimpleExpr) -> Result<Sums<2>, Fault> {
    use points_consumption::Column;
    let left = Expr::col((points_consumption::Entity, Column::Amount)).sub(Column::Refilled.into_expr());
    let is_held = points_hold::Column::State.eq(HoldState::Held);
    let held: SimpleExpr = Expr::case(is_held, left).finally(0).into();
    let rows: Vec<(AccountId, i64, i64)> = points_consumption::Entity::find()
        .select_only()
        .column(points_lot::Column::AccountId)
        .expr(Column::Amount.sum())
        .expr(held.sum())
        .join(JoinType::InnerJoin, consumed_lot())
        .join(JoinType::LeftJoin, consuming_hold())
        .filter(of_accounts)
        .group_by(points_lot::Column::AccountId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|(account, amount, held)| (account, [amount, held])).collect())
}

fn consumed_lot() -> sea_orm::RelationDef {
    points_consumption::Entity::belongs_to(points_lot::Entity)
        .from(points_consumption::Column::LotId)
        .to(points_lot::Column::Id)
        .into()
}

fn consuming_hold() -> sea_orm::RelationDef {
    points_consumption::Entity::belongs_to(points_hold::Entity)
        .from(points_consumption::Column::HoldId)
        .to(points_hold::Column::Id)
        .into()
}
