//! Freezes what shipping cost for orders when they are recorded: called by the orders slice inside its own transaction.

use entity::id::OrderId;
use entity::order_shipping::{Entity, Model};
use sea_orm::EntityTrait;

use super::methods;
use super::rules::Parcel;
use super::terms::{Frozen, Shipped};
use super::weights::{Line, weight, weights};
use crate::customers::country::CountryCode;
use crate::db::bulk::Rows;
use crate::error::Fault;
use crate::memberships::plans::{self, Plan};
use crate::money::Currency;
use crate::tx::Tx;

/// An order that is new.
#[derive(Clone, Debug)]
pub(crate) struct Shippable<'a> {
    pub(crate) order: OrderId,
    /// The code of the method, if the shop stated one.
    pub(crate) method: Option<&'a str>,
    /// Where it goes, if the shop stated that.
    pub(crate) country: Option<CountryCode>,
    pub(crate) currency: Currency,
    /// Minor units of the lines.
    pub(crate) value: i64,
    /// What shipping was charged, in minor units.
    pub(crate) charged: i64,
    /// The plan that its customer has, or joins with it.
    pub(crate) plan: Option<&'a Plan>,
    pub(crate) lines: Vec<Line<'a>>,
}

/// Writes down what shipping cost for these orders and what it would have cost; a handful of statements for any number.
/// Answers those for which it cost less by a plan.
pub(crate) async fn freeze(tx: &Tx, orders: &[Shippable<'_>]) -> Result<Vec<OrderId>, Fault> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let offered = offered(tx, orders).await?;
    let plans = plans::offered(tx.db()).await?;
    let mut rows =
        Rows::new("order_shipping", &["order_id", "method", "standard", "charged", "prices", "plan"]);
    let mut saved = Vec::new();
    for (order, offered) in orders.iter().zip(offered) {
        let shipped = Shipped { method: order.method, currency: order.currency, value: order.value };
        let frozen = Frozen::of(&shipped, offered, order.charged, &plans, order.plan);
        saved.extend((frozen.saved() > 0).then_some(order.order));
        rows.push([
            order.order.0.into(),
            frozen.method.into(),
            frozen.standard.into(),
            frozen.charged.into(),
            serde_json::to_value(frozen.prices)?.into(),
            frozen.plan.into(),
        ]);
    }
    rows.insert(tx.db()).await?;
    Ok(saved)
}

/// What shipping costs a buyer of this order who is no member, in minor units.
pub(crate) async fn standard_shipping(tx: &Tx, order: OrderId) -> Result<Option<i64>, Fault> {
    Ok(Entity::find_by_id(order).one(tx.db()).await?.map(|row| row.standard))
}

/// Whether shipping this order cost less by the plan of its buyer.
pub(crate) async fn is_shipped_for_less(tx: &Tx, order: OrderId) -> Result<bool, Fault> {
    let row = Entity::find_by_id(order).one(tx.db()).await?;
    Ok(row.map(Frozen::try_from).transpose()?.is_some_and(|frozen| frozen.saved() > 0))
}

/// What the method of each order costs where it goes, as far as both are known.
async fn offered(tx: &Tx, orders: &[Shippable<'_>]) -> Result<Vec<Option<i64>>, Fault> {
    let is_known = |order: &&Shippable<'_>| order.method.is_some() && order.country.is_some();
    let codes: Vec<String> =
        orders.iter().filter(is_known).filter_map(|order| order.method.map(str::to_owned)).collect();
    if codes.is_empty() {
        return Ok(vec![None; orders.len()]);
    }
    let methods = methods::with_codes(tx.db(), codes).await?;
    let lines = orders.iter().filter(is_known).flat_map(|order| &order.lines);
    let weights = weights(tx.db(), lines).await?;
    let price = |order: &Shippable<'_>| {
        let priced = methods.get(order.method?)?;
        let weight = weight(&order.lines, &weights);
        let (country, currency, value) = (order.country?, order.currency, order.value);
        priced.tariff.price(&Parcel { country, currency, weight, value })
    };
    Ok(orders.iter().map(price).collect())
}

impl TryFrom<Model> for Frozen {
    type Error = Fault;

    fn try_from(row: Model) -> Result<Self, Fault> {
        let Model { method, standard, charged, prices, plan, .. } = row;
        Ok(Self { method, standard, charged, prices: serde_json::from_value(prices)?, plan })
    }
}
