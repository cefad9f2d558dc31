//! What shipping cost for an order, and what it would have cost members.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, SimpleObject};
use entity::id::OrderId;

use super::loaders::{DeliveryLoader, TermsOf};
use crate::delivery::terms::Frozen;
use crate::error::Fault;
use crate::graphql::fault::ApiError;
use crate::graphql::scalars::MoneyValue;
use crate::money::{Currency, Money};

/// What shipping cost for an order and what it would have cost, as it was when the order was recorded.
#[derive(Debug, SimpleObject)]
pub struct OrderShippingTerms {
    /// The code of the shipping method, if the shop stated one.
    method: Option<String>,
    /// For whoever is no member: what the method cost where the order went, else what was charged.
    standard: MoneyValue,
    /// What was charged.
    charged: MoneyValue,
    /// What the buyer's plan made it cost less; nothing if the buyer had none.
    saved: MoneyValue,
    /// The code of the plan that the buyer had.
    plan: Option<String>,
    /// What each plan would have charged.
    member_prices: Vec<OrderMemberPrice>,
}

/// What a plan would have charged for shipping.
#[derive(Debug, SimpleObject)]
pub struct OrderMemberPrice {
    /// The code of the plan.
    plan: String,
    /// For its members.
    price: MoneyValue,
}

/// Of an order; none of one that was imported, or cancelled before it was recorded.
pub(crate) async fn terms_of(
    ctx: &Context<'_>,
    order: OrderId,
    currency: Currency,
) -> Result<Option<OrderShippingTerms>, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<DeliveryLoader>>();
    let Some(row) = loader.load_one(TermsOf(order)).await.map_err(Fault::of)? else { return Ok(None) };
    let frozen = Frozen::try_from(row)?;
    let money = |minor| MoneyValue::from(Money { minor, currency });
    let saved = money(frozen.saved());
    let price = |(plan, price)| OrderMemberPrice { plan, price: money(price) };
    Ok(Some(OrderShippingTerms {
        method: frozen.method,
        standard: money(frozen.standard),
        charged: money(frozen.charged),
        saved,
        plan: frozen.plan,
        member_prices: frozen.prices.into_iter().map(price).collect(),
    }))
}
