//! One order a line, as a JSON object with its lines in it.

use serde::Deserialize;

use super::Reading;
use super::values::{LineTexts, OrderTexts, line, optional, order};
use crate::orders::record::Record;
use crate::orders::rules::MOST_LINES;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(rename = "order_id", alias = "orderId")]
    id: Text,
    #[serde(alias = "placedAt")]
    placed_at: String,
    email: Option<String>,
    #[serde(alias = "customerId")]
    customer_id: Option<Text>,
    currency: String,
    shipping: Option<Text>,
    status: String,
    channel: Option<String>,
    coupon: Option<String>,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    sku: Text,
    name: Option<String>,
    category: Option<String>,
    #[serde(default)]
    categories: Vec<String>,
    quantity: Text,
    #[serde(rename = "line_total", alias = "lineTotal")]
    total: Text,
    #[serde(alias = "taxRate")]
    tax_rate: Option<Text>,
}

/// A text, or a number as it is written: the shortest decimal that reads back is what stood there, up to 15 digits.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Text(String),
    Number(serde_json::Number),
}

impl Text {
    fn written(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// The same; nothing if there is none.
pub(super) fn written(text: Option<Text>) -> String {
    text.map(Text::written).unwrap_or_default()
}

/// The order on a line.
pub(super) fn read(text: &str, reading: &Reading) -> Result<Record, String> {
    let stated: Order = serde_json::from_str(text).map_err(|error| format!("is not an order: {error}"))?;
    let texts = OrderTexts {
        order_id: &stated.id.written(),
        placed_at: &stated.placed_at,
        email: stated.email.as_deref().unwrap_or_default(),
        customer_id: &written(stated.customer_id),
        currency: &stated.currency,
        shipping: &written(stated.shipping),
        status: &stated.status,
    };
    let mut record = order(&texts, reading)?;
    record.coupon = stated.coupon.as_deref().and_then(optional).map(str::to_owned);
    if let Some(channel) = stated.channel.as_deref().and_then(optional) {
        channel.clone_into(&mut record.channel);
    }
    if stated.lines.len() > MOST_LINES {
        return Err("lines must be 1 to 500".to_owned());
    }
    for (number, stated) in (1..).zip(stated.lines) {
        let read =
            read_line(stated, &record).map_err(|problem| format!("line {number} of the order: {problem}"));
        record.lines.push(read?);
    }
    Ok(record)
}

fn read_line(stated: Line, record: &Record) -> Result<crate::orders::record::RecordLine, String> {
    let mut categories = stated.categories;
    categories.extend(stated.category.as_deref().and_then(optional).map(str::to_owned));
    let texts = LineTexts {
        sku: &stated.sku.written(),
        name: stated.name.as_deref().unwrap_or_default(),
        quantity: &stated.quantity.written(),
        line_total: &stated.total.written(),
        tax_rate: &written(stated.tax_rate),
    };
    line(&texts, categories, record.currency)
}
