//! What shipping a cart would cost, for whoever asks and for members; writes nothing.

use entity::id::CustomerId;
use entity::shipping_method::Model;

use super::methods::{Priced, offered};
use super::rules::Parcel;
use super::slots::Destination;
use super::terms::{Shipped, member_price};
use super::weights::{Line, weight, weights};
use crate::app::App;
use crate::error::Fault;
use crate::memberships::offers::{Offers, to_anybody, to_customer};
use crate::memberships::plans::Plan;
use crate::money::Currency;

/// A cart to be shipped.
#[derive(Clone, Debug)]
pub(super) struct Cart {
    /// What its amounts are in.
    pub(super) currency: Currency,
    pub(super) lines: Vec<CartLine>,
    pub(super) to: Destination,
    /// Whose it is, if that is known.
    pub(super) customer: Option<CustomerId>,
    /// The code of a plan that is joined with the order.
    pub(super) join_plan: Option<String>,
}

/// A line of it.
#[derive(Clone, Debug)]
pub(super) struct CartLine {
    pub(super) sku: Option<String>,
    pub(super) quantity: i32,
    /// Minor units.
    pub(super) total: i64,
    /// Grams of one piece.
    pub(super) weight: Option<i32>,
}

/// What shipping a cart would cost.
#[derive(Clone, Debug)]
pub(super) struct Quote {
    /// Grams.
    pub(super) weight: i64,
    /// Minor units of the goods.
    pub(super) value: i64,
    /// In their order.
    pub(super) methods: Vec<Quoted>,
    /// Whether the cart's customer may have slots that are for members only.
    pub(super) has_member_slots: bool,
}

/// A method by which the cart can be shipped; prices in minor units.
#[derive(Clone, Debug)]
pub(super) struct Quoted {
    pub(super) method: Model,
    /// For the cart's customer.
    pub(super) price: i64,
    /// For members of each plan that is offered.
    pub(super) member_prices: Vec<MemberPrice>,
}

/// What a member would pay.
#[derive(Clone, Debug)]
pub(super) struct MemberPrice {
    pub(super) code: String,
    pub(super) name: String,
    pub(super) price: i64,
}

/// Why there is no quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuoteError {
    /// No such customer.
    UnknownCustomer,
    /// No such plan can be joined.
    UnknownPlan,
}

/// What shipping `cart` would cost: three statements, however many lines, methods and plans there are.
pub(super) async fn quote(app: &App, cart: &Cart) -> Result<Result<Quote, QuoteError>, Fault> {
    let db = &app.db.read;
    let offers = match cart.customer {
        None => to_anybody(db).await?,
        Some(customer) => match to_customer(db, customer, app.clock.now()).await? {
            Some(offers) => offers,
            None => return Ok(Err(QuoteError::UnknownCustomer)),
        },
    };
    let Ok(plan) = plan_of(&offers, cart.join_plan.as_deref()) else {
        return Ok(Err(QuoteError::UnknownPlan));
    };
    let methods = offered(db, cart.currency, cart.to.country).await?;
    let lines: Vec<Line<'_>> = cart.lines.iter().map(CartLine::line).collect();
    let weight = weight(&lines, &weights(db, &lines).await?);
    let value = cart.lines.iter().map(|line| line.total).sum();
    let parcel = Parcel { country: cart.to.country, currency: cart.currency, weight, value };
    let quoted = |priced| quoted(priced, &parcel, &offers.plans, plan);
    let methods = methods.into_iter().filter_map(quoted).collect();
    Ok(Ok(Quote { weight, value, methods, has_member_slots: plan.is_some_and(|plan| plan.benefits.slots) }))
}

impl CartLine {
    fn line(&self) -> Line<'_> {
        Line { sku: self.sku.as_deref(), quantity: self.quantity, weight: self.weight }
    }
}

/// The plan that counts for the cart: the one that is joined with it, else the one that its customer has.
fn plan_of<'a>(offers: &'a Offers, joined: Option<&str>) -> Result<Option<&'a Plan>, QuoteError> {
    match joined {
        None => Ok(offers.held.as_ref()),
        Some(code) => {
            let found = offers.plans.iter().find(|plan| plan.code == code);
            found.map(Some).ok_or(QuoteError::UnknownPlan)
        }
    }
}

/// What a method costs; none if it is not offered there.
fn quoted(priced: Priced, parcel: &Parcel, plans: &[Plan], plan: Option<&Plan>) -> Option<Quoted> {
    let standard = priced.tariff.price(parcel)?;
    let code = priced.method.code.clone();
    let shipped = Shipped { method: Some(&code), currency: parcel.currency, value: parcel.value };
    let price = |plan: &Plan| member_price(plan, &shipped, standard);
    let member_prices = plans
        .iter()
        .map(|plan| MemberPrice { code: plan.code.clone(), name: plan.name.clone(), price: price(plan) })
        .collect();
    Some(Quoted { price: plan.map_or(standard, price), member_prices, method: priced.method })
}
