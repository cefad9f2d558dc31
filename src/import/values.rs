//! Values as files write them. A mistake is told as `column problem`.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use entity::Instant;
use entity::order::OrderState;
use entity::points_entry::ActorKind;

use super::Reading;
use crate::actor::Actor;
use crate::customers::email::EmailAddress;
use crate::customers::owners::Named;
use crate::external_id::ExternalId;
use crate::money::{Currency, Money, Rate};
use crate::orders::record::{DEFAULT_CHANNEL, Record, RecordLine};
use crate::orders::rules::cut;

/// Who records what a file says.
const IMPORTER: Actor = Actor { kind: ActorKind::System, id: None };

/// What a row says of its whole order.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderTexts<'a> {
    pub(super) order_id: &'a str,
    pub(super) placed_at: &'a str,
    pub(super) email: &'a str,
    pub(super) customer_id: &'a str,
    pub(super) currency: &'a str,
    pub(super) shipping: &'a str,
    pub(super) status: &'a str,
}

/// What a row says of one line.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineTexts<'a> {
    pub(super) sku: &'a str,
    pub(super) name: &'a str,
    pub(super) quantity: &'a str,
    pub(super) line_total: &'a str,
    pub(super) tax_rate: &'a str,
}

/// The order, without lines yet.
pub(super) fn order(texts: &OrderTexts<'_>, reading: &Reading) -> Result<Record, String> {
    let currency: Currency = texts.currency.parse().map_err(|error| format!("currency {error}"))?;
    let email = optional(texts.email).map(email).transpose()?;
    let customer = optional(texts.customer_id).map(|id| external(id, "customer_id")).transpose()?;
    let buyer = match (customer, &email) {
        (Some(customer), _) => Named::External(customer),
        (None, Some(email)) if reading.guests => Named::Email(email.clone()),
        (None, Some(email)) => Named::Mailbox(email.clone()),
        (None, None) => return Err("email and customer_id are both empty".to_owned()),
    };
    Ok(Record {
        external_id: external(texts.order_id, "order_id")?,
        buyer,
        email,
        channel: DEFAULT_CHANNEL.to_owned(),
        currency,
        lines: Vec::new(),
        shipping: optional(texts.shipping).map_or(Ok(0), |text| amount(text, currency, "shipping"))?,
        placed_at: Some(instant(texts.placed_at, "placed_at")?),
        coupon: None,
        hold: None,
        slot_hold: None,
        membership: None,
        shipping_method: None,
        state: state(texts.status)?,
        name: None,
        shipping_address: None,
        billing_address: None,
        locale: None,
        referral_code: None,
        card: None,
        imported: true,
        by: IMPORTER,
    })
}

/// A line of an order in `currency`.
pub(super) fn line(
    texts: &LineTexts<'_>,
    categories: Vec<String>,
    currency: Currency,
) -> Result<RecordLine, String> {
    let quantity = texts.quantity.trim().parse::<i32>();
    let line = RecordLine {
        sku: texts.sku.trim().to_owned(),
        name: optional(texts.name).unwrap_or_else(|| texts.sku.trim()).to_owned(),
        categories,
        quantity: quantity.map_err(|_not_whole| "quantity is not a whole number up to 1,000,000")?,
        line_total: amount(texts.line_total, currency, "line_total")?,
        tax_rate: optional(texts.tax_rate).map(tax_rate).transpose()?,
        weight_grams: None,
    };
    crate::orders::rules::check_line(&line)
        .map_err(|(field, problem)| format!("{} {problem}", column(field)))?;
    Ok(line)
}

/// The column that holds what the API calls `field`.
fn column(field: &str) -> &str {
    match field {
        "lineTotal" => "line_total",
        "taxRate" => "tax_rate",
        "categories" => "category",
        same => same,
    }
}

/// None if there is nothing in it.
pub(super) fn optional(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty()).then_some(text)
}

/// An id of the shop's in `column`.
pub(super) fn external(text: &str, column: &str) -> Result<ExternalId, String> {
    ExternalId::try_from(text.trim().to_owned()).map_err(|error| format!("{column} {error}"))
}

pub(super) fn email(text: &str) -> Result<EmailAddress, String> {
    EmailAddress::try_from(text.to_owned()).map_err(|error| format!("email {error}"))
}

fn amount(text: &str, currency: Currency, column: &str) -> Result<i64, String> {
    let money = Money::parse_unsigned(text.trim(), currency);
    money.map(|money| money.minor).map_err(|error| format!("{column} {error}"))
}

fn tax_rate(text: &str) -> Result<i32, String> {
    let rate: Rate = text.parse().map_err(|error| format!("tax_rate {error}"))?;
    i32::try_from(rate.ten_thousandths()).map_err(|_large| "tax_rate must be 0 to 1".to_owned())
}

/// RFC 3339; without an offset it is UTC, without a time midnight.
pub(super) fn instant(text: &str, column: &str) -> Result<Instant, String> {
    let text = text.trim();
    let naive = |format: &str| NaiveDateTime::parse_from_str(text, format).ok();
    DateTime::parse_from_rfc3339(text)
        .map(|at| at.to_utc())
        .ok()
        .or_else(|| naive("%Y-%m-%dT%H:%M:%S%.f").map(|at| at.and_utc()))
        .or_else(|| naive("%Y-%m-%d %H:%M:%S%.f").map(|at| at.and_utc()))
        .or_else(|| day(text, "%Y-%m-%d"))
        .map(cut)
        .ok_or_else(|| format!("{column} is not a date or time of RFC 3339"))
}

/// Midnight UTC of a day.
pub(super) fn day(text: &str, format: &str) -> Option<Instant> {
    NaiveDate::parse_from_str(text, format).ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc())
}

fn state(text: &str) -> Result<OrderState, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "placed" => Ok(OrderState::Placed),
        "paid" => Ok(OrderState::Paid),
        "shipped" => Ok(OrderState::Shipped),
        "delivered" => Ok(OrderState::Delivered),
        "cancelled" | "canceled" => Ok(OrderState::Cancelled),
        _ => Err("status is none of placed, paid, shipped, delivered, cancelled".to_owned()),
    }
}
