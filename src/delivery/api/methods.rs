//! Shipping methods and what they cost.

#![expect(clippy::unused_async, reason = "async-graphql takes no resolver that is not async")]

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::shipping_method::{Column, Entity, Model, ShippingBasis as Stored};
use sea_orm::EntityTrait;

use super::loaders::{DeliveryLoader, RatesOf};
use super::{message_of, path_of};
use crate::customers::country::CountryCode;
use crate::delivery::Invalid;
use crate::delivery::methods::{self, MethodError, Upsert};
use crate::delivery::rules::Rate;
use crate::error::Fault;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::once::{once, written};
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::{Decimal, IdempotencyKey, MoneyValue};
use crate::idempotency::Once;
use crate::localized::{Texts, by_tag};
use crate::money::{Currency, Money};

/// What the price of a method goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Stored")]
pub(super) enum ShippingBasis {
    /// Nothing: one price in each country and currency.
    Flat,
    /// What the goods weigh.
    Weight,
    /// What the goods cost, after discount.
    Value,
}

/// What a method is called in one language.
#[derive(Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ShippingMethodNameInput")]
pub(super) struct ShippingMethodName {
    /// A language tag, such as `nl` or `nl-BE`.
    locale: String,
    /// 1 to 255 characters on one line.
    name: String,
}

/// A step of what a method costs.
#[derive(Debug, SimpleObject)]
pub(super) struct ShippingRate {
    /// Where it is for; all countries that no other rate in its currency names, if empty.
    countries: Vec<CountryCode>,
    /// What its amounts are in.
    currency: Currency,
    /// From so many grams on, for a method that goes by weight.
    from_grams: Option<Decimal>,
    /// From this value of the goods on, for a method that goes by value.
    from_value: Option<MoneyValue>,
    /// What it costs.
    price: MoneyValue,
    /// Costs nothing from this value of the goods on.
    free_from: Option<MoneyValue>,
}

impl ShippingRate {
    fn of(rate: Rate, basis: Stored) -> Self {
        let currency = rate.currency;
        let money = |minor| MoneyValue::from(Money { minor, currency });
        Self {
            from_grams: (basis == Stored::Weight).then(|| Decimal(rate.from.to_string())),
            from_value: (basis == Stored::Value).then(|| money(rate.from)),
            price: money(rate.price),
            free_from: rate.free_from.map(money),
            countries: rate.countries,
            currency,
        }
    }
}

/// A way of having an order delivered.
#[derive(Debug)]
pub(super) struct ShippingMethod(Model);

#[Object]
impl ShippingMethod {
    /// The shop's; unique.
    async fn code(&self) -> &str {
        &self.0.code
    }

    /// What it is called, by language tag.
    async fn names(&self) -> Result<Vec<ShippingMethodName>, ApiError> {
        let names: Texts = serde_json::from_value(self.0.names.clone())?;
        Ok(names.into_iter().map(|(locale, name)| ShippingMethodName { locale, name }).collect())
    }

    /// What its price goes by.
    async fn basis(&self) -> ShippingBasis {
        self.0.basis.into()
    }

    /// Whether anything is delivered by it.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// Methods are shown by it, the lowest first.
    async fn position(&self) -> i32 {
        self.0.position
    }

    /// What it costs, as stated.
    async fn rates(&self, ctx: &Context<'_>) -> Result<Vec<ShippingRate>, ApiError> {
        let loader = ctx.data_unchecked::<DataLoader<DeliveryLoader>>();
        let rates = loader.load_one(RatesOf(self.0.id)).await.map_err(Fault::of)?.unwrap_or_default();
        let shown = |row| Ok(ShippingRate::of(Rate::try_from(row)?, self.0.basis));
        rates.into_iter().map(shown).collect()
    }

    /// When it was last changed.
    async fn updated_at(&self) -> Instant {
        self.0.updated_at
    }
}

/// A shipping method to make or change, by its code.
#[derive(Debug, InputObject)]
pub(super) struct ShippingMethodUpsertInput {
    /// The shop's, 1 to 60 of a-z, 0-9 and `-`.
    code: String,
    /// What it is called, in 1 to 20 languages, each once.
    names: Vec<ShippingMethodName>,
    /// What its price goes by.
    basis: ShippingBasis,
    /// Whether anything is delivered by it.
    #[graphql(default = true)]
    active: bool,
    /// Methods are shown by it, the lowest first; 0 to 1,000,000.
    #[graphql(default)]
    position: i32,
    /// All of them, at most 500, in place of those before. Of the rates for a country in a currency, the one is in force that
    /// begins highest at or below the weight or value.
    rates: Vec<ShippingRateInput>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A step of what a method costs.
#[derive(Debug, InputObject)]
pub(super) struct ShippingRateInput {
    /// Where it is for; all countries that no other rate in its currency names, if empty.
    #[graphql(default)]
    countries: Vec<CountryCode>,
    /// What its amounts are in.
    currency: Currency,
    /// From so many whole grams on, for a method that goes by weight; 0 if left out.
    from_grams: Option<Decimal>,
    /// From this value of the goods on, for a method that goes by value; 0 if left out.
    from_value: Option<Decimal>,
    /// What it costs, in whole units.
    price: Decimal,
    /// Costs nothing from this value of the goods on; never, if left out.
    free_from: Option<Decimal>,
}

/// Why a shipping method was not stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ShippingMethodErrorCode {
    /// A value out of its bounds, or values that do not go together.
    Invalid,
    /// There are 100 methods: use one of those that are not active.
    TooManyMethods,
}

/// A shipping method that was stated, or why not.
#[derive(Debug, SimpleObject)]
pub(super) struct ShippingMethodPayload {
    /// The method.
    method: Option<ShippingMethod>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<ShippingMethodErrorCode>>,
}

/// Queries about shipping methods.
#[derive(Debug, Default)]
pub(super) struct ShippingMethodsQuery;

/// Mutations of shipping methods.
#[derive(Debug, Default)]
pub(super) struct ShippingMethodsMutation;

#[Object]
impl ShippingMethodsQuery {
    /// By what orders are delivered, the newest method first.
    /// For shop keys with `delivery:write`, staff with `delivery.write`.
    #[graphql(guard = "Allowed")]
    async fn shipping_methods(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<ShippingMethod>, ApiError> {
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, Entity::find(), Column::Id, arguments, |row| (row.id.0, ShippingMethod(row))).await
    }
}

#[Object]
impl ShippingMethodsMutation {
    /// Makes or changes a shipping method with all of its rates; orders that are recorded keep what shipping cost then.
    /// For shop keys with `delivery:write`, staff with `delivery.write`.
    #[graphql(guard = "Allowed")]
    async fn shipping_method_upsert(
        &self,
        ctx: &Context<'_>,
        input: ShippingMethodUpsertInput,
    ) -> Result<ShippingMethodPayload, ApiError> {
        let key = input.idempotency_key.clone();
        let upsert = match input.parse() {
            Ok(upsert) => upsert,
            Err(invalid) => return Ok(ShippingMethodPayload::refused(&MethodError::Invalid(invalid))),
        };
        match once(ctx, "shippingMethodUpsert", key, &upsert, methods::upsert).await? {
            Ok(Once { value, replayed }) => {
                let method = Some(ShippingMethod(written::<Entity>(ctx, value).await?));
                Ok(ShippingMethodPayload { method, replayed, user_errors: Vec::new() })
            }
            Err(error) => Ok(ShippingMethodPayload::refused(&error)),
        }
    }
}

impl ShippingMethodUpsertInput {
    fn parse(self) -> Result<Upsert, Invalid> {
        let names = by_tag(self.names.into_iter().map(|name| (name.locale, name.name)));
        let basis = Stored::from(self.basis);
        let rate = |(index, rate): (usize, ShippingRateInput)| {
            rate.parse(basis).map_err(|(field, problem)| Invalid::in_list("rates", index, field, problem))
        };
        Ok(Upsert {
            code: self.code,
            names: names.ok_or_else(|| Invalid::of("names", "must each have a language of their own"))?,
            basis,
            active: self.active,
            position: self.position,
            rates: self.rates.into_iter().enumerate().map(rate).collect::<Result<_, _>>()?,
        })
    }
}

impl ShippingRateInput {
    fn parse(self, basis: Stored) -> Result<Rate, (&'static str, &'static str)> {
        let currency = self.currency;
        let minor = |field, amount: &Decimal| {
            let money = Money::parse_unsigned(&amount.0, currency);
            money.map(|money| money.minor).map_err(|_problem| (field, "is not an amount of the currency"))
        };
        let grams = |amount: &Decimal| {
            amount.0.parse::<i64>().map_err(|_not_whole| ("fromGrams", "is not a whole number of grams"))
        };
        let from = match (basis, &self.from_grams, &self.from_value) {
            (_, None, None) => 0,
            (Stored::Weight, Some(amount), None) => grams(amount)?,
            (Stored::Value, None, Some(amount)) => minor("fromValue", amount)?,
            (Stored::Weight | Stored::Flat, _, Some(_)) => {
                return Err(("fromValue", "is for methods that go by value"));
            }
            (Stored::Value | Stored::Flat, Some(_), _) => {
                return Err(("fromGrams", "is for methods that go by weight"));
            }
        };
        Ok(Rate {
            countries: self.countries,
            currency,
            from,
            price: minor("price", &self.price)?,
            free_from: self.free_from.as_ref().map(|amount| minor("freeFrom", amount)).transpose()?,
        })
    }
}

impl ShippingMethodPayload {
    fn refused(error: &MethodError) -> Self {
        use ShippingMethodErrorCode as Code;
        let (code, path, message) = match error {
            MethodError::Invalid(invalid) => (Code::Invalid, path_of(&invalid.path), message_of(invalid)),
            MethodError::TooMany => (
                Code::TooManyMethods,
                path_of(&["code".to_owned()]),
                "There are 100 methods already.".to_owned(),
            ),
        };
        let user_errors = vec![UserError { code, field: Some(path), message }];
        Self { method: None, replayed: false, user_errors }
    }
}
