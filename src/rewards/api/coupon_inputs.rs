//! What coupon operations take.

use async_graphql::{ID, InputObject};
use entity::Instant;
use entity::id::CustomerId;

use crate::app::App;
use crate::graphql::fault::ApiError;
use crate::graphql::scalars::{Decimal, IdempotencyKey};
use crate::money::{Currency, Money, Rate};
use crate::orders::rules::{MOST_LINES, check_categories};
use crate::rewards::coupons::{CouponError, Create};
use crate::rewards::terms::{Cart, CartLine, Discount, Terms};

/// A cart to look at: what it costs before the coupon.
#[derive(Debug, InputObject)]
pub(super) struct CouponCartInput {
    /// What its amounts are in; the shop's currency if left out.
    currency: Option<Currency>,
    /// 1 to 500 lines.
    lines: Vec<CouponCartLineInput>,
    /// What shipping costs; nothing if left out.
    shipping: Option<Decimal>,
    /// Whether points pay part of it.
    #[graphql(default)]
    with_points: bool,
}

/// A line of a cart.
#[derive(Debug, InputObject)]
pub(super) struct CouponCartLineInput {
    /// The shop's.
    sku: String,
    /// Categories of the article, at most 20.
    #[graphql(default)]
    categories: Vec<String>,
    /// For all pieces, before the coupon.
    line_total: Decimal,
}

/// A coupon to make. One of `percent`, `amount` and `freeShipping` is given.
#[derive(Debug, InputObject)]
pub(super) struct CouponCreateInput {
    /// What people type, 3 to 40 of A-Z, 0-9, `-` and `_`; one that nobody can guess, if left out.
    code: Option<String>,
    /// As customers read it, 1 to 100 characters.
    name: String,
    /// The share it takes off the lines it is for, above 0 and at most 1.
    percent: Option<Rate>,
    /// The amount it takes off the lines it is for.
    amount: Option<Decimal>,
    /// What `amount` and `minimum` are in; the shop's currency if left out.
    currency: Option<Currency>,
    /// Takes off the shipping.
    #[graphql(default)]
    free_shipping: bool,
    /// Lines of any of these categories; of all, if empty.
    #[graphql(default)]
    categories: Vec<String>,
    /// Lines with any of these skus; with any, if empty.
    #[graphql(default)]
    skus: Vec<String>,
    /// The lines must add up to so much.
    minimum: Option<Decimal>,
    /// Only customers who have any of these plans, by code, at most 500, may have it explained, reserved or taken; everybody,
    /// if empty. The membership that an order joins does not open it for that order. An order that takes it uses a benefit:
    /// its customer cannot withdraw from the membership any more.
    #[graphql(default)]
    plans: Vec<String>,
    /// Whether points may pay part of the same order.
    #[graphql(default = true)]
    with_points: bool,
    /// Whether a paid order that is cancelled gives it back; an unpaid one always does.
    #[graphql(default = true)]
    back_on_cancel: bool,
    /// Whose it is; anybody's, if left out.
    pub(super) customer_id: Option<ID>,
    /// From when on it can be used; at once, if left out.
    starts_at: Option<Instant>,
    /// Until when; without end, if left out.
    ends_at: Option<Instant>,
    /// How often by all, 1 or more; without end, if left out.
    total_limit: Option<i32>,
    /// How often by one customer, 1 or more; without end, if left out.
    customer_limit: Option<i32>,
    /// The caller's key.
    pub(super) idempotency_key: IdempotencyKey,
}

/// A coupon to withdraw.
#[derive(Debug, InputObject)]
pub(super) struct CouponDisableInput {
    /// Which.
    pub(super) id: ID,
    /// The caller's key.
    pub(super) idempotency_key: IdempotencyKey,
}

/// A use to set aside for a cart.
#[derive(Debug, InputObject)]
pub(super) struct CouponReserveInput {
    /// As the customer typed it.
    pub(super) code: String,
    /// What it is for.
    pub(super) cart: CouponCartInput,
    /// Whose; a customer leaves it out.
    pub(super) customer_id: Option<ID>,
    /// The caller's key.
    pub(super) idempotency_key: IdempotencyKey,
}

/// A reserved use to give back.
#[derive(Debug, InputObject)]
pub(super) struct CouponReleaseInput {
    /// Which.
    pub(super) id: ID,
    /// The caller's key.
    pub(super) idempotency_key: IdempotencyKey,
}

impl CouponCartInput {
    pub(super) fn parse(self, app: &App) -> Result<Cart, ApiError> {
        let currency = self.currency.unwrap_or(app.settings().currency);
        if self.lines.is_empty() || self.lines.len() > MOST_LINES {
            return Err(ApiError::bad_input("a cart has 1 to 500 lines"));
        }
        let line = |(index, line): (usize, CouponCartLineInput)| {
            let wrong = |problem| ApiError::bad_input(format!("lines.{index}.lineTotal {problem}"));
            let total = Money::parse_unsigned(&line.line_total.0, currency).map_err(wrong)?.minor;
            check_categories(&line.categories)
                .map_err(|problem| ApiError::bad_input(format!("lines.{index}.categories {problem}")))?;
            Ok::<_, ApiError>(CartLine { sku: line.sku, categories: line.categories, total })
        };
        let shipping = self.shipping.map(|amount| Money::parse_unsigned(&amount.0, currency));
        let wrong = |problem| ApiError::bad_input(format!("shipping {problem}"));
        Ok(Cart {
            currency,
            lines: self.lines.into_iter().enumerate().map(line).collect::<Result<_, _>>()?,
            shipping: shipping.transpose().map_err(wrong)?.map_or(0, |money| money.minor),
            with_points: self.with_points,
        })
    }
}

impl CouponCreateInput {
    pub(super) fn parse(self, app: &App, customer: Option<CustomerId>) -> Result<Create, CouponError> {
        let currency = self.currency.unwrap_or(app.settings().currency);
        let minor = |field, amount: &Decimal| {
            let money = Money::parse_unsigned(&amount.0, currency);
            let wrong =
                |_problem| CouponError::Invalid { field, problem: "is not an amount of the currency" };
            Ok((money.map_err(wrong)?.minor, currency.code().to_owned()))
        };
        let discount = match (self.percent, &self.amount, self.free_shipping) {
            (Some(share), None, false) => Discount::Percent(share),
            (None, Some(amount), false) => {
                let (minor, code) = minor("amount", amount)?;
                Discount::Amount(minor, code)
            }
            (None, None, true) => Discount::FreeShipping,
            _ => {
                let problem = "or amount or freeShipping must be given, and only one";
                return Err(CouponError::Invalid { field: "percent", problem });
            }
        };
        let minimum = self.minimum.as_ref().map(|amount| minor("minimum", amount)).transpose()?;
        let terms = Terms {
            discount,
            categories: self.categories.into_iter().collect(),
            skus: self.skus.into_iter().collect(),
            minimum,
            plans: self.plans.into_iter().collect(),
            with_points: self.with_points,
            back_on_cancel: self.back_on_cancel,
        };
        Ok(Create {
            code: self.code,
            name: self.name,
            terms,
            customer,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            total_limit: self.total_limit,
            customer_limit: self.customer_limit,
        })
    }
}
