//! What rules may know of an order and its buyer, looked up only if some rule in force asks for it.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use entity::id::{AccountId, CustomerId};
use entity::{Instant, customer, order};
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::definition::Conditions;
use super::evaluate::{Gain, LineFacts, OrderFacts, Rule, evaluate};
use super::held::Held;
use super::versions;
use crate::customers::birthday::birthday_in;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::points::orders::{self as points, Owner, PaidLine, PaidOrder};
use crate::points::rules::Basis;
use crate::settings::ShopSettings;
use crate::tx::Tx;

/// What each of these orders, which are paid, earns by the rules in force when it was placed.
pub(crate) async fn of_orders(tx: &Tx, orders: &[PaidOrder]) -> Result<Vec<Vec<Gain>>, Fault> {
    let rules = versions::in_force(tx.db(), orders.iter().map(|order| order.placed_at)).await?;
    let numbers = if asks_for_number(&rules) { numbers(tx, orders).await? } else { vec![None; orders.len()] };
    let born = if asks_for_birthday(&rules) {
        born(tx.db(), orders.iter().filter_map(|order| customer_of(order.owner))).await?
    } else {
        BTreeMap::new()
    };
    let customers = orders.iter().filter_map(|order| customer_of(order.owner));
    let held = Held::of(tx.db(), conditions_of(&rules), customers, tx.now()).await?;
    let settings = tx.settings();
    let version = i32::try_from(settings.version).unwrap_or(i32::MAX);
    let gains = orders.iter().zip(numbers).map(|(order, number)| {
        let customer = customer_of(order.owner);
        let born = customer.and_then(|customer| born.get(&customer).copied());
        let (tier, plan) = (held.tier_of(customer), held.plan_of(customer));
        let facts = OrderFacts { tier, plan, ..facts(settings, order, number, born) };
        evaluate(&settings.programme, version, &rules, &facts)
    });
    Ok(gains.collect())
}

fn facts<'a>(
    settings: &ShopSettings,
    order: &'a PaidOrder,
    number: Option<u32>,
    born: Option<NaiveDate>,
) -> OrderFacts<'a> {
    let (weekday, on_birthday) = day_of(settings, order.placed_at, born);
    let line = |line: &'a PaidLine| LineFacts {
        sku: &line.sku,
        categories: &line.categories,
        basis: Basis {
            currency: order.currency,
            line_total: line.line_total,
            redeemed_value: line.redeemed_value,
            tax_rate: line.tax_rate,
        },
    };
    let lines = order.lines.iter().map(line).collect();
    let (at, currency) = (order.placed_at, order.currency);
    OrderFacts { at, currency, weekday, number, on_birthday, tier: None, plan: None, lines }
}

/// The day of the week in the shop's time zone, and whether somebody born on `born` has their birthday then.
pub(super) fn day_of(
    settings: &ShopSettings,
    at: Instant,
    born: Option<NaiveDate>,
) -> (super::Weekday, Option<bool>) {
    let day = at.with_timezone(&settings.time_zone).date_naive();
    let on_birthday = born.map(|born| birthday_in(born, day.year(), settings.leap_day_birthday) == Some(day));
    (day.weekday().into(), on_birthday)
}

pub(super) fn asks_for_number(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| rule.definition.conditions.purchase.is_some())
}

pub(super) fn asks_for_birthday(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| rule.definition.conditions.birthday)
}

pub(super) fn conditions_of(rules: &[Rule]) -> impl Iterator<Item = &Conditions> {
    rules.iter().map(|rule| &rule.definition.conditions)
}

pub(super) fn customer_of(owner: Owner) -> Option<CustomerId> {
    match owner {
        Owner::Customer(customer) => Some(customer),
        Owner::Guest(_) => None,
    }
}

/// The number of each order among the paid ones of its buyer. The accounts are locked first: of two orders that are paid
/// at once the second counts the first.
async fn numbers(tx: &Tx, orders: &[PaidOrder]) -> Result<Vec<Option<u32>>, Fault> {
    let accounts: Vec<AccountId> = orders.iter().map(|order| order.owner.account()).collect();
    points::lock_accounts(tx, &accounts).await?;
    let mut paid = paid_orders(tx.db(), orders.iter().map(|order| order.owner)).await?;
    // Those of this batch are among them: the last of a buyer is the last so far.
    for order in orders {
        if let Some(count) = paid.get_mut(&order.owner) {
            *count -= 1;
        }
    }
    let number = |order: &PaidOrder| {
        let count = paid.entry(order.owner).or_default();
        *count += 1;
        u32::try_from(*count).ok()
    };
    Ok(orders.iter().map(number).collect())
}

/// How many orders of each of these owners were paid, those that were cancelled since too: else what one of them gave and
/// could not be taken back would be given again.
pub(super) async fn paid_orders(
    db: &impl ConnectionTrait,
    owners: impl Iterator<Item = Owner>,
) -> Result<BTreeMap<Owner, i64>, Fault> {
    use order::Column;

    let (mut customers, mut guests): (Vec<Uuid>, Vec<Uuid>) = (Vec::new(), Vec::new());
    for owner in owners {
        match owner {
            Owner::Customer(customer) => customers.push(customer.0),
            Owner::Guest(guest) => guests.push(guest.0),
        }
    }
    let mut found = BTreeMap::new();
    for (column, name, ids) in
        [(Column::CustomerId, "customer_id", customers), (Column::GuestId, "guest_id", guests)]
    {
        if ids.is_empty() {
            continue;
        }
        let counts: Vec<(Uuid, i64)> = order::Entity::find()
            .select_only()
            .column(column)
            .expr(Func::count(Expr::col(Column::Id)))
            .filter(is_among(db.get_database_backend(), name, ids))
            .filter(Column::PaidAt.is_not_null())
            .group_by(column)
            .into_tuple()
            .all(db)
            .await?;
        let owner = |id: Uuid| match column {
            Column::CustomerId => Owner::Customer(id.into()),
            _ => Owner::Guest(id.into()),
        };
        found.extend(counts.into_iter().map(|(id, count)| (owner(id), count)));
    }
    Ok(found)
}

/// The days these customers were born, as far as they are known.
pub(super) async fn born(
    db: &impl ConnectionTrait,
    customers: impl Iterator<Item = CustomerId>,
) -> Result<BTreeMap<CustomerId, NaiveDate>, Fault> {
    use customer::Column;

    let ids: Vec<Uuid> = customers.map(|customer| customer.0).collect();
    let found: Vec<(CustomerId, NaiveDate)> = customer::Entity::find()
        .select_only()
        .columns([Column::Id, Column::Birthday])
        .filter(is_among(db.get_database_backend(), "id", ids))
        .filter(Column::Birthday.is_not_null())
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().collect())
}
