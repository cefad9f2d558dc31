//! Which conditions an order meets as it is placed, for what gives no points.

use std::collections::BTreeMap;

use entity::Instant;
use entity::id::CustomerId;

use super::definition::Conditions;
use super::evaluate::{LineFacts, OrderFacts, holds, is_for_line};
use super::facts::{born, customer_of, day_of, paid_orders};
use super::held::Held;
use crate::error::Fault;
use crate::money::Currency;
use crate::points::orders::Owner;
use crate::tx::Tx;

/// An order that was recorded in this transaction.
#[derive(Clone, Debug)]
pub(crate) struct PlacedOrder<'a> {
    pub(crate) owner: Owner,
    pub(crate) placed_at: Instant,
    /// Whether it is paid already.
    pub(crate) is_paid: bool,
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<LineFacts<'a>>,
}

/// For each of these orders, the places of those of `conditions` that it meets. It counts as the next paid order of its
/// buyer, so that two that are placed at once, and not paid, have the same number. What no condition asks for is not
/// looked up.
pub(crate) async fn matching(
    tx: &Tx,
    orders: &[&PlacedOrder<'_>],
    conditions: &[Conditions],
) -> Result<Vec<Vec<usize>>, Fault> {
    let asks = |asks: fn(&Conditions) -> bool| conditions.iter().any(asks);
    let customers = || orders.iter().filter_map(|order| customer_of(order.owner));
    let numbers = if asks(|conditions| conditions.purchase.is_some()) {
        numbers(tx, orders).await?
    } else {
        vec![None; orders.len()]
    };
    let born = if asks(|conditions| conditions.birthday) {
        born(tx.db(), customers()).await?
    } else {
        BTreeMap::new()
    };
    let held = Held::of(tx.db(), conditions, customers(), tx.now()).await?;
    let met = orders.iter().zip(numbers).map(|(order, number)| {
        let customer: Option<CustomerId> = customer_of(order.owner);
        let born = customer.and_then(|customer| born.get(&customer).copied());
        let (tier, plan) = (held.tier_of(customer), held.plan_of(customer));
        let (weekday, on_birthday) = day_of(tx.settings(), order.placed_at, born);
        let (at, currency, lines) = (order.placed_at, order.currency, order.lines.clone());
        let facts = OrderFacts { at, currency, weekday, number, on_birthday, tier, plan, lines };
        let meets = |conditions: &Conditions| {
            holds(conditions, &facts) && facts.lines.iter().any(|line| is_for_line(conditions, line))
        };
        (0..conditions.len()).filter(|index| meets(&conditions[*index])).collect()
    });
    Ok(met.collect())
}

/// The so-manieth paid order of its buyer that each of these is, or will be if it is paid next.
async fn numbers(tx: &Tx, orders: &[&PlacedOrder<'_>]) -> Result<Vec<Option<u32>>, Fault> {
    let mut before = paid_orders(tx.db(), orders.iter().map(|order| order.owner)).await?;
    // Those of this batch that are paid are among them.
    for order in orders.iter().filter(|order| order.is_paid) {
        if let Some(count) = before.get_mut(&order.owner) {
            *count -= 1;
        }
    }
    let number = |order: &&PlacedOrder<'_>| {
        let count = before.entry(order.owner).or_default();
        *count += 1;
        u32::try_from(*count).ok()
    };
    Ok(orders.iter().map(number).collect())
}
