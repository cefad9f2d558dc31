//! The rows of the ledger: what a batch locks and loads, and what it writes.

use std::collections::BTreeSet;

use entity::id::{AccountId, HoldId, LineId, LotId, ReferralId};
use entity::points_entry::EntryKind;
use entity::points_hold::HoldState;
use entity::points_lot::LotState;
use entity::{Instant, points_account, points_consumption, points_entry, points_hold, points_lot};
use sea_orm::sea_query::ArrayType;
use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, IdenStatic,
    Iterable, QueryFilter, QueryOrder, QuerySelect, Statement, Value,
};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::account::{Account, Tracked};
use super::imported::Activity;
use super::inactivity::is_activity;
use super::lookups::Span;
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::tx::Tx;

pub(super) fn uuids<T: Copy + Into<Uuid>>(ids: &BTreeSet<T>) -> impl Iterator<Item = Uuid> {
    ids.iter().map(|id| (*id).into())
}

/// Locks the accounts in the order of their ids. Unknown ones are simply not among them.
pub(crate) async fn lock(tx: &Tx, ids: &BTreeSet<AccountId>) -> Result<Vec<points_account::Model>, Fault> {
    let backend = tx.db().get_database_backend();
    let rows = points_account::Entity::find()
        .filter(is_among(backend, "id", uuids(ids)))
        .order_by_asc(points_account::Column::Id)
        .lock_exclusive()
        .all(tx.db())
        .await?;
    Ok(rows)
}

/// Asks for the entries within `spans`, each with the place of its span as `asked`.
pub(super) fn within(backend: DbBackend, spans: &[Span]) -> Statement {
    let columns: Vec<String> =
        points_entry::Column::iter().map(|column| format!("e.{}", column.as_str())).collect();
    let columns = columns.join(", ");
    if backend == DbBackend::Postgres {
        let array = |kind, values: Vec<Value>| Value::Array(kind, Some(Box::new(values)));
        let numbers = |of: fn(&Span) -> i64| {
            array(ArrayType::BigInt, spans.iter().map(|span| of(span).into()).collect())
        };
        let accounts = array(ArrayType::Uuid, spans.iter().map(|span| span.account.0.into()).collect());
        let sql = format!(
            "SELECT s.place - 1 AS asked, {columns} \
             FROM unnest($1::uuid[], $2::int8[], $3::int8[]) WITH ORDINALITY AS s(account, low, high, place) \
             JOIN points_entries AS e ON e.account_id = s.account AND e.seq BETWEEN s.low AND s.high"
        );
        let values = [accounts, numbers(|span| span.from), numbers(|span| span.until)];
        return Statement::from_sql_and_values(backend, sql, values);
    }
    let list = spans.iter().map(|span| json!([span.account.0.simple().to_string(), span.from, span.until]));
    let sql = format!(
        "SELECT s.key AS asked, {columns} FROM json_each(?) AS s \
         CROSS JOIN points_entries AS e ON e.account_id = unhex(s.value ->> 0) AND e.seq BETWEEN s.value ->> 1 AND s.value ->> 2"
    );
    Statement::from_sql_and_values(backend, sql, [Value::from(list.collect::<Json>().to_string())])
}

/// The lots that are due in any of `accounts`, and every open lot of those that spend.
pub(crate) async fn open_lots(
    tx: &Tx,
    accounts: &BTreeSet<AccountId>,
    spending: &BTreeSet<AccountId>,
    now: Instant,
) -> Result<Vec<points_lot::Model>, Fault> {
    use points_lot::Column;

    let backend = tx.db().get_database_backend();
    let due = Column::ExpiresAt.lte(now);
    let wanted = if spending.is_empty() {
        Condition::any().add(due)
    } else {
        Condition::any().add(due).add(is_among(backend, "account_id", uuids(spending)))
    };
    let rows = points_lot::Entity::find()
        .filter(is_among(backend, "account_id", uuids(accounts)))
        .filter(Column::State.is_in([LotState::Open, LotState::Waiting]))
        .filter(wanted)
        .all(tx.db())
        .await?;
    Ok(rows)
}

/// The lots with these ids, those that these lines earned, and those that these referrals gave.
pub(crate) async fn named_lots(
    tx: &Tx,
    lots: &BTreeSet<LotId>,
    lines: &BTreeSet<LineId>,
    referrals: &BTreeSet<ReferralId>,
) -> Result<Vec<points_lot::Model>, Fault> {
    let backend = tx.db().get_database_backend();
    let mut rows = Vec::new();
    if !lots.is_empty() {
        let by_id = is_among(backend, "id", uuids(lots));
        rows.extend(points_lot::Entity::find().filter(by_id).all(tx.db()).await?);
    }
    if !lines.is_empty() {
        let by_line = is_among(backend, "order_line_id", uuids(lines));
        rows.extend(points_lot::Entity::find().filter(by_line).all(tx.db()).await?);
    }
    if !referrals.is_empty() {
        let given = is_among(backend, "referral_id", uuids(referrals));
        let given = given.and(points_lot::Column::ReferralId.is_not_null());
        rows.extend(points_lot::Entity::find().filter(given).all(tx.db()).await?);
    }
    Ok(rows)
}

/// The holds with these ids.
pub(crate) async fn holds(tx: &Tx, ids: &BTreeSet<HoldId>) -> Result<Vec<points_hold::Model>, Fault> {
    let by_id = is_among(tx.db().get_database_backend(), "id", uuids(ids));
    Ok(points_hold::Entity::find().filter(by_id).all(tx.db()).await?)
}

/// All that the members of these accounts ever did, as entries tell it.
pub(crate) async fn activities(tx: &Tx, accounts: &BTreeSet<AccountId>) -> Result<Vec<Activity>, Fault> {
    use points_entry::Column;

    let of_accounts = is_among(tx.db().get_database_backend(), "account_id", uuids(accounts));
    let kinds = EntryKind::iter().filter(|kind| is_activity(*kind));
    let rows: Vec<(AccountId, Option<LotId>, Instant, Instant)> = points_entry::Entity::find()
        .select_only()
        .columns([Column::AccountId, Column::LotId, Column::EffectiveAt, Column::RecordedAt])
        .filter(of_accounts)
        .filter(Column::Kind.is_in(kinds))
        .into_tuple()
        .all(tx.db())
        .await?;
    let activity =
        |(account, lot, effective_at, recorded_at)| Activity { account, lot, effective_at, recorded_at };
    Ok(rows.into_iter().map(activity).collect())
}

/// Every lot of these accounts.
pub(crate) async fn all_lots(
    tx: &Tx,
    accounts: &BTreeSet<AccountId>,
) -> Result<Vec<points_lot::Model>, Fault> {
    let of_accounts = is_among(tx.db().get_database_backend(), "account_id", uuids(accounts));
    Ok(points_lot::Entity::find().filter(of_accounts).all(tx.db()).await?)
}

/// The holds of these accounts that have points of lots.
pub(crate) async fn holds_with_points(
    tx: &Tx,
    accounts: &BTreeSet<AccountId>,
) -> Result<Vec<points_hold::Model>, Fault> {
    let of_accounts = is_among(tx.db().get_database_backend(), "account_id", uuids(accounts));
    let states = [HoldState::Held, HoldState::Captured, HoldState::PartiallyReversed];
    let with_points = points_hold::Column::State.is_in(states);
    Ok(points_hold::Entity::find().filter(of_accounts).filter(with_points).all(tx.db()).await?)
}

/// What these holds took from which lots.
pub(crate) async fn consumptions(
    tx: &Tx,
    holds: &BTreeSet<HoldId>,
) -> Result<Vec<points_consumption::Model>, Fault> {
    let by_hold = is_among(tx.db().get_database_backend(), "hold_id", uuids(holds));
    Ok(points_consumption::Entity::find().filter(by_hold).all(tx.db()).await?)
}

/// Writes what changed: first what is there, then what is new, so that each goes in one statement. Two batches that both
/// believed to hold an account would write the same sequence number: a fault, never a wrong balance.
pub(crate) async fn save(tx: &Tx, accounts: &[Account]) -> Result<(), Fault> {
    if !accounts.iter().all(Account::is_balanced) {
        return Err(Fault::internal("an account and its lots changed differently"));
    }
    update_accounts(tx, accounts).await?;
    update_lots(tx, accounts).await?;
    update_holds(tx, accounts).await?;
    update_consumptions(tx, accounts).await?;
    insert_lots(tx, accounts).await?;
    insert_holds(tx, accounts).await?;
    insert_entries(tx, accounts).await?;
    insert_consumptions(tx, accounts).await
}

async fn update_accounts(tx: &Tx, accounts: &[Account]) -> Result<(), Fault> {
    let columns = &[
        "id",
        "issued",
        "pending",
        "available",
        "held",
        "redeemed",
        "expired",
        "revoked",
        "debt",
        "seq",
        "changed_at",
        "inactive_at",
        "inactivity_months",
        "activity_period",
        "warned_days",
        "history_since",
    ];
    let mut rows = Rows::new("points_accounts", columns);
    let is_changed = |account: &&Account| account.is_changed || !account.entries.is_empty();
    for row in accounts.iter().filter(is_changed).map(|account| &account.row) {
        rows.push([
            row.id.into(),
            row.issued.into(),
            row.pending.into(),
            row.available.into(),
            row.held.into(),
            row.redeemed.into(),
            row.expired.into(),
            row.revoked.into(),
            row.debt.into(),
            row.seq.into(),
            row.changed_at.into(),
            row.inactive_at.into(),
            row.inactivity_months.into(),
            row.activity_period.into(),
            row.warned_days.into(),
            row.history_since.into(),
        ]);
    }
    rows.update(tx.db(), "").await
}

/// The rows of one kind that are to be inserted, or else those to be updated.
fn changed<'a, M: 'a>(
    accounts: &'a [Account],
    of: impl Fn(&'a Account) -> &'a Vec<Tracked<M>>,
    new: bool,
) -> impl Iterator<Item = &'a M> {
    let rows = accounts.iter().flat_map(of);
    rows.filter(move |row| row.is_changed && row.is_new == new).map(|row| &row.row)
}

async fn insert_lots(tx: &Tx, accounts: &[Account]) -> Result<(), Fault> {
    let columns = &[
        "id",
        "account_id",
        "source",
        "order_line_id",
        "rule",
        "rule_version",
        "amount",
        "pending",
        "remaining",
        "clawed_back",
        "lapsed",
        "state",
        "activates_after",
        "activates_at",
        "opened_at",
        "expires_at",
        "activity_period",
        "warned_days",
        "referral_id",
    ];
    let mut new = Rows::new("points_lots", columns);
    for lot in changed(accounts, |account| &account.lots, true) {
        new.push([
            lot.id.into(),
            lot.account_id.into(),
            lot.source.to_value().into(),
            lot.order_line_id.into(),
            lot.rule.clone().into(),
            lot.rule_version.into(),
            lot.amount.into(),
            lot.pending.into(),
            lot.remaining.into(),
            lot.clawed_back.into(),
            lot.lapsed.into(),
            lot.state.to_value().into(),
            lot.activates_after.into(),
            lot.activates_at.into(),
            lot.opened_at.into(),
            lot.expires_at.into(),
            lot.activity_period.into(),
            lot.warned_days.into(),
            lot.referral_id.map(|id| id.0).into(),
        ]);
    }
    new.insert(tx.db()).await
}

async fn update_lots(tx: &Tx, accounts: &[Account]) -> Result<(), Fault> {
    let columns = &[
        "id",
        "pending",
        "remaining",
        "clawed_back",
        "lapsed",
        "state",
        "activates_at",
        "opened_at",
        "expires_at",
        "activity_period",
        "warned_days",
    ];
    let mut old = Rows::new("points_lots", columns);
    for lot in changed(accounts, |account| &account.lots, false) {
        old.push([
            lot.id.into(),
            lot.pending.into(),
            lot.remaining.into(),
            lot.clawed_back.into(),
            lot.lapsed.into(),
            lot.state.to_value().into(),
            lot.activates_at.into(),
            lot.opened_at.into(),
            lot.expires_at.into(),
            lot.activity_period.into(),
            lot.warned_days.into(),
        ]);
    }
    old.update(tx.db(), "").await
}

async fn insert_holds(tx: &Tx, accounts: &[Account]) -> Result<(), Fault> {
    let columns = &[
        "id",
        "account_id",
        "order_id",
        "state",
        "amount",
        "reversed",
        "currency",
        "value",
        "reference",
        "expires_at",
        "created_at",
        "ended_at",
    ];
    let mut new = Rows::new("points_holds", columns);
    for hold in changed(accounts, |account| &account.holds, true) {
        new.push([
            hold.id.into(),
            hold.account_id.into(),
            hold.order_id.into(),
            hold.state.to_value().into(),
            hold.amount.into(),
            hold.reversed.into(),
            hold.currency.clone().into(),
            hold.value.into(),
            hold.reference.clone().into(),
            hold.expires_at.into(),
            hold.created_at.into(),
            hold.ended_at.into(),
        ]);
    }
    new.insert(tx.db()).await
}

async fn update_holds(tx: &Tx, accounts: &[Account]) -> Result<(), Fault> {
    let columns =
        &["id", "account_id", "order_id", "state", "amount", "reversed", "value", "expires_at", "ended_at"];
    let mut old = Rows::new("points_holds", columns);
    for hold in changed(accounts, |account| &account.holds, false) {
        old.push([
            hold.id.into(),
            hold.account_id.into(),
            hold.order_id.into(),
            hold.state.to_value().into(),
            hold.amount.into(),
            hold.reversed.into(),
            hold.value.into(),
            hold.expires_at.into(),
            hold.ended_at.into(),
        ]);
    }
    old.update(tx.db(), "").await
}

async fn insert_entries(tx: &Tx, accounts: &[Account]) -> Result<(), Fault> {
    let columns = &[
        "id",
        "account_id",
        "seq",
        "kind",
        "from_bucket",
        "to_bucket",
        "amount",
        "lot_id",
        "hold_id",
        "order_id",
        "order_line_id",
        "return_id",
        "rule",
        "rule_version",
        "reason",
        "actor_kind",
        "actor_id",
        "effective_at",
        "recorded_at",
    ];
    let mut rows = Rows::new("points_entries", columns);
    for entry in accounts.iter().flat_map(|account| &account.entries) {
        rows.push([
            entry.id.into(),
            entry.account_id.into(),
            entry.seq.into(),
            entry.kind.to_value().into(),
            entry.from_bucket.to_value().into(),
            entry.to_bucket.to_value().into(),
            entry.amount.into(),
            entry.lot_id.into(),
            entry.hold_id.into(),
            entry.order_id.into(),
            entry.order_line_id.into(),
            entry.return_id.into(),
            entry.rule.clone().into(),
            entry.rule_version.into(),
            entry.reason.clone().into(),
            entry.actor_kind.to_value().into(),
            entry.actor_id.into(),
            entry.effective_at.into(),
            entry.recorded_at.into(),
        ]);
    }
    rows.insert(tx.db()).await
}

async fn insert_consumptions(tx: &Tx, accounts: &[Account]) -> Result<(), Fault> {
    let mut new = Rows::new("points_consumptions", &["entry_id", "lot_id", "hold_id", "amount", "refilled"]);
    for paired in changed(accounts, |account| &account.consumptions, true) {
        new.push([
            paired.entry_id.into(),
            paired.lot_id.into(),
            paired.hold_id.into(),
            paired.amount.into(),
            paired.refilled.into(),
        ]);
    }
    new.insert(tx.db()).await
}

async fn update_consumptions(tx: &Tx, accounts: &[Account]) -> Result<(), Fault> {
    let mut old = Rows::new("points_consumptions", &["entry_id", "lot_id", "refilled"]);
    for paired in changed(accounts, |account| &account.consumptions, false) {
        old.push([paired.entry_id.into(), paired.lot_id.into(), paired.refilled.into()]);
    }
    old.update(tx.db(), " AND t.lot_id = v.lot_id").await
}
