//! Stating shipping methods with their rates, and reading what they cost.

use std::collections::BTreeMap;

use entity::id::ShippingMethodId;
use entity::shipping_method::{Column, Entity, Model, ShippingBasis};
use entity::shipping_rate::{self, Column as RateColumn};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, JoinType, PaginatorTrait, QueryFilter,
    QuerySelect, RelationDef,
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::Invalid;
use super::rules::{Rate, Tariff};
use crate::audit::{self, Entry};
use crate::customers::country::CountryCode;
use crate::db::bulk::Rows;
use crate::db::dialect;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::external_id::check_code;
use crate::localized::{Texts, check_tags};
use crate::money::{Currency, Money};
use crate::orders::rules::visible;
use crate::tx::Tx;

/// Methods of the shop: all that are active are looked at for every quote.
const MOST_METHODS: u64 = 100;
/// Rates of one method.
const MOST_RATES: usize = 500;
/// Grams that a rate can begin with: a million tonnes.
const MOST_GRAMS: i64 = 1_000_000_000_000;
/// Places of methods.
const POSITIONS: std::ops::RangeInclusive<i32> = 0..=1_000_000;

/// A method as staff state it, with all of its rates.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Upsert {
    pub(crate) code: String,
    /// By language tag.
    pub(crate) names: Texts,
    pub(crate) basis: ShippingBasis,
    pub(crate) active: bool,
    pub(crate) position: i32,
    pub(crate) rates: Vec<Rate>,
}

/// Why a method was not stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MethodError {
    /// A value is out of its bounds.
    Invalid(Invalid),
    /// There are as many as there may be.
    TooMany,
}

/// Makes or changes the method with this code; its rates are these from now on.
pub(crate) async fn upsert(tx: &Tx, upsert: &Upsert) -> Outcome<ShippingMethodId, MethodError> {
    check(upsert).map_err(|invalid| Stop::Refused(MethodError::Invalid(invalid)))?;
    // One after the other: they are counted.
    dialect::lock(tx.db(), "shipping_methods").await?;
    let found = Entity::find().filter(Column::Code.eq(upsert.code.as_str())).one(tx.db()).await?;
    if found.is_none() && Entity::find().count(tx.db()).await? >= MOST_METHODS {
        return refuse(MethodError::TooMany);
    }
    let names = serde_json::to_value(&upsert.names)?;
    let id = if let Some(row) = found {
        Entity::update_many()
            .col_expr(Column::Names, Expr::val(names))
            .col_expr(Column::Basis, Expr::val(upsert.basis.to_value()))
            .col_expr(Column::Active, Expr::val(upsert.active))
            .col_expr(Column::Position, Expr::val(upsert.position))
            .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
            .filter(Column::Id.eq(row.id))
            .exec(tx.db())
            .await?;
        row.id
    } else {
        let columns = &["id", "code", "names", "basis", "active", "position", "created_at", "updated_at"];
        let mut rows = Rows::new("shipping_methods", columns);
        let id: ShippingMethodId = tx.id();
        rows.push([
            id.0.into(),
            upsert.code.as_str().into(),
            names.into(),
            upsert.basis.to_value().into(),
            upsert.active.into(),
            upsert.position.into(),
            tx.now().into(),
            tx.now().into(),
        ]);
        rows.insert(tx.db()).await?;
        id
    };
    replace_rates(tx, id, &upsert.rates).await?;
    let detail = json!({ "after": upsert });
    audit::record(tx, [Entry::of("shipping_method.upsert", "ShippingMethod", id.0, detail)]).await?;
    Ok(id)
}

async fn replace_rates(tx: &Tx, method: ShippingMethodId, rates: &[Rate]) -> Result<(), Fault> {
    const COLUMNS: &[&str] =
        &["id", "method_id", "position", "countries", "currency", "from_amount", "price", "free_from"];
    shipping_rate::Entity::delete_many().filter(RateColumn::MethodId.eq(method)).exec(tx.db()).await?;
    let mut rows = Rows::new("shipping_rates", COLUMNS);
    for (position, rate) in (0_i32..).zip(rates) {
        rows.push([
            tx.id::<Uuid>().into(),
            method.0.into(),
            position.into(),
            written(&rate.countries).into(),
            rate.currency.code().into(),
            rate.from.into(),
            rate.price.into(),
            rate.free_from.into(),
        ]);
    }
    rows.insert(tx.db()).await
}

/// With a blank between them.
fn written(countries: &[CountryCode]) -> String {
    countries.iter().map(|country| country.as_str()).collect::<Vec<_>>().join(" ")
}

impl TryFrom<shipping_rate::Model> for Rate {
    type Error = Fault;

    fn try_from(row: shipping_rate::Model) -> Result<Self, Fault> {
        let countries = row.countries.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let currency = row.currency.parse()?;
        Ok(Self { countries, currency, from: row.from_amount, price: row.price, free_from: row.free_from })
    }
}

/// A method with what it costs.
#[derive(Clone, Debug)]
pub(super) struct Priced {
    pub(super) method: Model,
    /// As far as it was asked for.
    pub(super) tariff: Tariff,
}

/// The methods that are active, in their order, with what they cost in a country: one statement, which reads no rates of
/// other countries.
pub(super) async fn offered(
    db: &impl ConnectionTrait,
    currency: Currency,
    country: CountryCode,
) -> Result<Vec<Priced>, Fault> {
    let here = RateColumn::Countries.contains(country.as_str()).or(RateColumn::Countries.eq(""));
    let here = Column::Active.eq(true).and(RateColumn::Currency.eq(currency.code())).and(here);
    let mut priced = priced(db, here).await?;
    priced.sort_by(|one, other| {
        let place = |priced: &Priced| (priced.method.position, priced.method.code.clone());
        place(one).cmp(&place(other))
    });
    Ok(priced)
}

/// The methods with these codes, active or not, with all that they cost.
pub(super) async fn with_codes(
    db: &impl ConnectionTrait,
    codes: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, Priced>, Fault> {
    let among = dialect::is_among_texts(db.get_database_backend(), "code", codes);
    let priced = priced(db, among).await?;
    Ok(priced.into_iter().map(|priced| (priced.method.code.clone(), priced)).collect())
}

async fn priced(db: &impl ConnectionTrait, which: SimpleExpr) -> Result<Vec<Priced>, Fault> {
    let rows = shipping_rate::Entity::find()
        .join(JoinType::InnerJoin, to_method())
        .select_also(Entity)
        .filter(which)
        .all(db)
        .await?;
    let mut found: BTreeMap<ShippingMethodId, Priced> = BTreeMap::new();
    for (rate, method) in rows {
        let method = method.ok_or_else(|| Fault::internal("a rate without its method"))?;
        let empty = |method: Model| {
            let tariff = Tariff { basis: method.basis, rates: Vec::new() };
            Priced { method, tariff }
        };
        found.entry(method.id).or_insert_with(|| empty(method)).tariff.rates.push(rate.try_into()?);
    }
    Ok(found.into_values().collect())
}

fn to_method() -> RelationDef {
    shipping_rate::Entity::belongs_to(Entity).from(RateColumn::MethodId).to(Column::Id).into()
}

fn check(upsert: &Upsert) -> Result<(), Invalid> {
    let invalid = |field, problem| Err(Invalid::of(field, problem));
    check_code(&upsert.code).map_err(|problem| Invalid::of("code", problem))?;
    check_tags(&upsert.names).map_err(|problem| Invalid::of("names", problem))?;
    if upsert.names.values().any(|name| visible(name).is_err()) {
        return invalid("names", "must each be 1 to 255 characters on one line");
    }
    if !POSITIONS.contains(&upsert.position) {
        return invalid("position", "must be 0 to 1,000,000");
    }
    if upsert.rates.len() > MOST_RATES {
        return invalid("rates", "must be 500 at most");
    }
    for (index, rate) in upsert.rates.iter().enumerate() {
        check_rate(rate, upsert.basis, &upsert.rates[..index])
            .map_err(|(field, problem)| Invalid::in_list("rates", index, field, problem))?;
    }
    Ok(())
}

/// Checks a rate that comes after others.
fn check_rate(
    rate: &Rate,
    basis: ShippingBasis,
    earlier: &[Rate],
) -> Result<(), (&'static str, &'static str)> {
    let from = match basis {
        ShippingBasis::Flat if rate.from != 0 => {
            return Err(("from", "must be left out where a price is flat"));
        }
        ShippingBasis::Flat | ShippingBasis::Value => Money::MAX_MINOR,
        ShippingBasis::Weight => MOST_GRAMS,
    };
    let amounts = [("from", rate.from, from), ("price", rate.price, Money::MAX_MINOR)];
    let free_from = rate.free_from.map(|least| ("freeFrom", least, Money::MAX_MINOR));
    for (field, amount, most) in amounts.into_iter().chain(free_from) {
        if !(0..=most).contains(&amount) {
            return Err((field, "is negative or too large"));
        }
    }
    for (place, country) in rate.countries.iter().enumerate() {
        if rate.countries[..place].contains(country) {
            return Err(("countries", "name a country twice"));
        }
    }
    let meets = |other: &&Rate| {
        let shares = other.countries.iter().any(|country| rate.countries.contains(country));
        let both_are_for_the_rest = other.countries.is_empty() && rate.countries.is_empty();
        other.currency == rate.currency && other.from == rate.from && (shares || both_are_for_the_rest)
    };
    match earlier.iter().find(meets) {
        Some(_) => Err(("from", "is that of another rate for the same country and currency")),
        None => Ok(()),
    }
}
