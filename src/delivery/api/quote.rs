//! `shippingQuote`: what shipping a cart would cost, told to everybody.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::id::CustomerId;
use entity::{Instant, delivery_slot};

use super::is_shop;
use super::loaders::{DeliveryLoader, OpenSlots};
use super::slots::{DeliverySlotLeft, left};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::customers::country::CountryCode;
use crate::customers::profile::Locale;
use crate::delivery::quote::{self, Cart, CartLine, Quote, QuoteError, Quoted};
use crate::delivery::slots::Destination;
use crate::delivery::weights::check_grams;
use crate::error::Fault;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::scalars::{Decimal, MoneyValue};
use crate::localized::{Texts, in_language};
use crate::money::{Currency, Money};
use crate::orders::rules::{MOST_LINES, MOST_PIECES};

/// Characters of a postal code.
const LONGEST_POSTAL: usize = 20;
/// Slots of one method.
const MOST_SLOTS: i32 = 100;

/// A cart to be shipped.
#[derive(Debug, InputObject)]
pub(super) struct ShippingQuoteInput {
    /// What its amounts are in; the shop's currency if left out.
    currency: Option<Currency>,
    /// 1 to 500 lines.
    lines: Vec<ShippingQuoteLineInput>,
    /// Where it goes.
    country: CountryCode,
    /// Where it goes, at most 20 characters; blanks and case do not matter. Without it, only slots for whole countries are
    /// told.
    postal_code: Option<String>,
    /// The code of a plan that is joined with this order: shipping costs what it costs members of that.
    join_plan: Option<String>,
    /// What methods are called in, such as `nl-BE`; the shop's language if left out.
    locale: Option<String>,
}

/// A line of a cart.
#[derive(Debug, InputObject)]
pub(super) struct ShippingQuoteLineInput {
    /// The shop's; says what a piece weighs if the line does not.
    sku: Option<String>,
    /// 1 to 1,000,000.
    quantity: i32,
    /// For all pieces, after discount.
    line_total: Decimal,
    /// Grams of one piece, 0 to 10,000,000; those of the product, if left out.
    weight_grams: Option<i32>,
}

/// What shipping a cart would cost.
#[derive(Debug, SimpleObject)]
pub(super) struct ShippingQuote {
    /// By what it can be shipped, in the order of the shop. Costs as a page of 20.
    methods: Vec<ShippingQuoteMethod>,
    /// What all pieces weigh, in whole grams; pieces of which nobody knows that weigh nothing.
    weight_grams: Decimal,
    /// What all lines add up to.
    value: MoneyValue,
}

/// A method by which a cart can be shipped.
#[derive(Debug)]
pub(super) struct ShippingQuoteMethod {
    quoted: Quoted,
    name: String,
    currency: Currency,
    to: Destination,
    has_member_slots: bool,
}

/// What shipping would cost members of a plan.
#[derive(Debug, SimpleObject)]
pub(super) struct ShippingMemberPrice {
    /// Which plan.
    plan: ShippingPlan,
    /// For its members.
    price: MoneyValue,
}

/// A plan that can be joined.
#[derive(Debug, SimpleObject)]
pub(super) struct ShippingPlan {
    /// The shop's; unique.
    code: String,
    /// As customers read it.
    name: String,
}

#[Object]
impl ShippingQuoteMethod {
    /// The shop's; unique.
    async fn code(&self) -> &str {
        &self.quoted.method.code
    }

    /// In the language that was asked for, else in the shop's.
    async fn name(&self) -> &str {
        &self.name
    }

    /// For whoever the cart is of.
    async fn price(&self) -> MoneyValue {
        self.money(self.quoted.price)
    }

    /// For members of each plan that can be joined.
    async fn member_prices(&self) -> Vec<ShippingMemberPrice> {
        let all = self.quoted.member_prices.iter().map(|member| ShippingMemberPrice {
            plan: ShippingPlan { code: member.code.clone(), name: member.name.clone() },
            price: self.money(member.price),
        });
        all.collect()
    }

    /// The lowest of those; null if there are no plans.
    async fn member_price(&self) -> Option<MoneyValue> {
        let least = self.quoted.member_prices.iter().map(|member| member.price).min();
        least.map(|price| self.money(price))
    }

    /// When it can be delivered, the earliest first: what is open there, full ones too.
    async fn slots(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many, 1 to 100.")] first: i32,
    ) -> Result<Vec<ShippingQuoteSlot>, ApiError> {
        if !(1..=MOST_SLOTS).contains(&first) {
            return Err(ApiError::bad_input("first must be 1 to 100"));
        }
        let key = OpenSlots { method: self.quoted.method.id, to: self.to.clone(), first };
        let loader = ctx.data_unchecked::<DataLoader<DeliveryLoader>>();
        let open = loader.load_one(key).await.map_err(Fault::of)?.unwrap_or_default();
        let has_member_slots = self.has_member_slots;
        Ok(open.into_iter().map(|row| ShippingQuoteSlot { row, has_member_slots }).collect())
    }
}

impl ShippingQuoteMethod {
    fn money(&self, minor: i64) -> MoneyValue {
        Money { minor, currency: self.currency }.into()
    }
}

/// A delivery slot that is open for an address.
#[derive(Debug)]
pub(super) struct ShippingQuoteSlot {
    row: delivery_slot::Model,
    has_member_slots: bool,
}

#[Object]
impl ShippingQuoteSlot {
    /// For `deliverySlotHold`.
    async fn id(&self) -> ID {
        global_id(NodeType::DeliverySlot, self.row.id)
    }

    /// From then on.
    async fn starts_at(&self) -> Instant {
        self.row.starts_at
    }

    /// Until then.
    async fn ends_at(&self) -> Instant {
        self.row.ends_at
    }

    /// Nobody can take it from then on.
    async fn cut_off_at(&self) -> Instant {
        self.row.cut_off_at
    }

    /// Whether it is for members only.
    async fn members_only(&self) -> bool {
        self.row.members_only
    }

    /// Whether whoever the cart is of can have it now.
    async fn available(&self) -> bool {
        left(&self.row) > 0 && (!self.row.members_only || self.has_member_slots)
    }

    /// About how many places are left.
    async fn left(&self) -> DeliverySlotLeft {
        DeliverySlotLeft::of(&self.row)
    }

    /// How many places are left; for the shop only.
    async fn left_exactly(&self, ctx: &Context<'_>) -> Option<i32> {
        is_shop(ctx).then(|| left(&self.row))
    }
}

/// Queries about shipping.
#[derive(Debug, Default)]
pub(super) struct ShippingQuoteQuery;

#[Object]
impl ShippingQuoteQuery {
    /// By what a cart can be shipped, when, and what that costs whoever it is of and members; null for a customer whom the
    /// caller may not name. Writes nothing. For everyone.
    #[graphql(guard = "Allowed")]
    async fn shipping_quote(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cart.")] cart: ShippingQuoteInput,
        #[graphql(desc = "Whose it is; for servers of the shop and staff.")] customer_id: Option<ID>,
    ) -> Result<Option<ShippingQuote>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let settings = app.settings();
        let Ok(customer) = whose(ctx, customer_id.as_ref()) else { return Ok(None) };
        let locale = cart.locale.clone();
        if locale.as_ref().is_some_and(|tag| Locale::try_from(tag.clone()).is_err()) {
            return Err(ApiError::bad_input("locale is no language tag such as nl or nl-BE"));
        }
        let cart = cart.parse(settings.currency, customer)?;
        match quote::quote(app, &cart).await? {
            Ok(quote) => ShippingQuote::of(quote, &cart, locale.as_deref(), &settings.locale).map(Some),
            Err(QuoteError::UnknownCustomer) => Ok(None),
            Err(QuoteError::UnknownPlan) => {
                Err(ApiError::bad_input("joinPlan is no plan that can be joined"))
            }
        }
    }
}

/// A customer whom the caller may not name.
#[derive(Debug)]
struct NotTheirs;

/// Whose the cart is: the customer's who asks, or of whom a server of the shop or staff name; nobody's, if nobody is named.
fn whose(ctx: &Context<'_>, customer_id: Option<&ID>) -> Result<Option<CustomerId>, NotTheirs> {
    let named = customer_id.map(|id| local_id::<CustomerId>(id, NodeType::Customer).ok_or(NotTheirs));
    let named = named.transpose()?;
    match (ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous), named) {
        (Viewer::Customer { customer, .. }, None) => Ok(Some(*customer)),
        (Viewer::Customer { customer, .. }, Some(named)) if named == *customer => Ok(Some(named)),
        (Viewer::Customer { .. } | Viewer::Anonymous, Some(_)) => Err(NotTheirs),
        (Viewer::Anonymous, None) => Ok(None),
        (Viewer::Shop { .. } | Viewer::Staff { .. }, named) => Ok(named),
    }
}

impl ShippingQuoteInput {
    fn parse(self, currency: Currency, customer: Option<CustomerId>) -> Result<Cart, ApiError> {
        let currency = self.currency.unwrap_or(currency);
        if self.lines.is_empty() || self.lines.len() > MOST_LINES {
            return Err(ApiError::bad_input("a cart has 1 to 500 lines"));
        }
        if self.postal_code.as_ref().is_some_and(|code| code.chars().count() > LONGEST_POSTAL) {
            return Err(ApiError::bad_input("postalCode is longer than 20 characters"));
        }
        let line = |(index, line): (usize, ShippingQuoteLineInput)| line.parse(index, currency);
        let lines: Vec<CartLine> = self.lines.into_iter().enumerate().map(line).collect::<Result<_, _>>()?;
        if lines.iter().map(|line| line.total).sum::<i64>() > Money::MAX_MINOR {
            return Err(ApiError::bad_input("lines add up to too much"));
        }
        let to = Destination { country: self.country, postal_code: self.postal_code };
        Ok(Cart { currency, lines, to, customer, join_plan: self.join_plan })
    }
}

impl ShippingQuoteLineInput {
    fn parse(self, index: usize, currency: Currency) -> Result<CartLine, ApiError> {
        let wrong =
            |field: &str, problem: &str| ApiError::bad_input(format!("lines.{index}.{field} {problem}"));
        if !(1..=MOST_PIECES).contains(&self.quantity) {
            return Err(wrong("quantity", "must be 1 to 1,000,000"));
        }
        if let Some(grams) = self.weight_grams {
            check_grams(grams).map_err(|problem| wrong("weightGrams", problem))?;
        }
        let total = Money::parse_unsigned(&self.line_total.0, currency);
        let total = total.map_err(|problem| wrong("lineTotal", &problem.to_string()))?.minor;
        Ok(CartLine { sku: self.sku, quantity: self.quantity, total, weight: self.weight_grams })
    }
}

impl ShippingQuote {
    fn of(quote: Quote, cart: &Cart, locale: Option<&str>, shop: &str) -> Result<Self, ApiError> {
        let (currency, has_member_slots) = (cart.currency, quote.has_member_slots);
        let method = |quoted: Quoted| {
            let names: Texts = serde_json::from_value(quoted.method.names.clone())?;
            let name = in_language(&names, locale, shop).to_owned();
            let to = cart.to.clone();
            Ok::<_, ApiError>(ShippingQuoteMethod { quoted, name, currency, to, has_member_slots })
        };
        Ok(Self {
            methods: quote.methods.into_iter().map(method).collect::<Result<_, _>>()?,
            weight_grams: Decimal(quote.weight.to_string()),
            value: Money { minor: quote.value, currency }.into(),
        })
    }
}
