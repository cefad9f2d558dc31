//! What a row says of a product. A column that is not there leaves the product as it is; an empty one means none.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use super::csv::{columns, split};
use super::values::{instant, optional};
use crate::catalog::Upsert;
use crate::catalog::rules::{InvalidProduct, check};
use crate::customers::write::Change;

const COLUMNS: [&str; 10] = [
    "sku",
    "name",
    "categories",
    "public_from",
    "early_access_from",
    "replenish_after_days",
    "care_window_days",
    "stock",
    "companions",
    "weight_grams",
];

/// The columns of a file, in its order.
#[derive(Debug)]
pub(super) struct Header(Vec<String>);

impl Header {
    /// Reads the first line.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let names = columns(text, |name| COLUMNS.contains(&name))?;
        let missing: Vec<&str> =
            COLUMNS[..2].iter().copied().filter(|name| names.iter().all(|found| found != name)).collect();
        if missing.is_empty() {
            Ok(Self(names))
        } else {
            Err(format!("the header lacks these columns: {}", missing.join(", ")))
        }
    }
}

/// The product on a line of a CSV file.
pub(super) fn csv(text: &str, Header(names): &Header) -> Result<Upsert, String> {
    let fields = split(text)?;
    if fields.len() != names.len() {
        return Err(format!("has {} fields, the header has {}", fields.len(), names.len()));
    }
    let field = |name: &str| -> Option<&str> {
        let place = names.iter().position(|found| found == name)?;
        fields.get(place).map(Cow::as_ref)
    };
    let list = |name: &str| {
        let parts = |text: &str| text.split('|').filter_map(optional).map(str::to_owned).collect::<Vec<_>>();
        stated(field(name), |text| Ok(parts(text)))
    };
    let at = |name: &str| stated(field(name), |text| instant(text, name));
    let number = |name: &str| {
        stated(field(name), |text| text.parse().map_err(|_not_whole| format!("{name} is not a whole number")))
    };
    allowed(Upsert {
        sku: field("sku").unwrap_or_default().trim().to_owned(),
        name: field("name").map(|name| name.trim().to_owned()),
        categories: list("categories")?,
        public_from: at("public_from")?,
        early_access_from: at("early_access_from")?,
        replenish_after_days: number("replenish_after_days")?,
        care_window_days: number("care_window_days")?,
        stock: number("stock")?,
        weight_grams: number("weight_grams")?,
        companions: list("companions")?,
        archived: None,
    })
}

fn stated<T>(field: Option<&str>, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Change<T>, String> {
    match field.map(optional) {
        None => Ok(Change::Keep),
        Some(None) => Ok(Change::Clear),
        Some(Some(text)) => read(text).map(Change::Set),
    }
}

/// A product as a JSON object; null means none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Product {
    sku: String,
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    categories: Change<Vec<String>>,
    #[serde(default, deserialize_with = "given", alias = "publicFrom")]
    public_from: Change<String>,
    #[serde(default, deserialize_with = "given", alias = "earlyAccessFrom")]
    early_access_from: Change<String>,
    #[serde(default, deserialize_with = "given", alias = "replenishAfterDays")]
    replenish_after_days: Change<i32>,
    #[serde(default, deserialize_with = "given", alias = "careWindowDays")]
    care_window_days: Change<i32>,
    #[serde(default, deserialize_with = "given")]
    stock: Change<i32>,
    #[serde(default, deserialize_with = "given", alias = "weightGrams")]
    weight_grams: Change<i32>,
    #[serde(default, deserialize_with = "given")]
    companions: Change<Vec<String>>,
    archived: Option<bool>,
}

fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Change<T>, D::Error> {
    Ok(Option::deserialize(from)?.map_or(Change::Clear, Change::Set))
}

/// The product on a line of an NDJSON file.
pub(super) fn ndjson(text: &str) -> Result<Upsert, String> {
    let product: Product =
        serde_json::from_str(text).map_err(|error| format!("is not a product: {error}"))?;
    let at = |of: Change<String>, name: &str| match of {
        Change::Keep => Ok(Change::Keep),
        Change::Clear => Ok(Change::Clear),
        Change::Set(text) => instant(&text, name).map(Change::Set),
    };
    allowed(Upsert {
        sku: product.sku.trim().to_owned(),
        name: product.name.map(|name| name.trim().to_owned()),
        categories: product.categories,
        public_from: at(product.public_from, "public_from")?,
        early_access_from: at(product.early_access_from, "early_access_from")?,
        replenish_after_days: product.replenish_after_days,
        care_window_days: product.care_window_days,
        stock: product.stock,
        weight_grams: product.weight_grams,
        companions: product.companions,
        archived: product.archived,
    })
}

/// What the rules say of a product whatever is known of it.
fn allowed(product: Upsert) -> Result<Upsert, String> {
    check(&product).map_err(|reason| reason_of(&reason))?;
    Ok(product)
}

/// As the columns are named.
pub(super) fn reason_of(InvalidProduct { field, problem }: &InvalidProduct) -> String {
    let named = |field: &str| match field {
        "publicFrom" => "public_from".to_owned(),
        "earlyAccessFrom" => "early_access_from".to_owned(),
        "replenishAfterDays" => "replenish_after_days".to_owned(),
        "careWindowDays" => "care_window_days".to_owned(),
        "weightGrams" => "weight_grams".to_owned(),
        same => same.to_owned(),
    };
    format!("{} {}", named(field), problem.replace("publicFrom", "public_from"))
}
