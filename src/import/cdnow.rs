//! The CDNOW data set: `customer_id date number_of_cds dollar_value`, one purchase a row.

use super::Reading;
use super::values::{LineTexts, OrderTexts, day, line, order};
use crate::orders::record::Record;

/// Whether this is the header.
pub(super) fn header(text: &str) -> Result<(), String> {
    let names: Vec<&str> = text.split_whitespace().collect();
    if names == ["customer_id", "date", "number_of_cds", "dollar_value"] {
        return Ok(());
    }
    Err("the first line must be: customer_id date number_of_cds dollar_value".to_owned())
}

/// The purchase in row `row`, whose number is the order's id.
pub(super) fn read(text: &str, row: u64, reading: &Reading) -> Result<Record, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let &[customer_id, date, quantity, line_total] = fields.as_slice() else {
        return Err(format!("has {} fields instead of 4", fields.len()));
    };
    // A century of digits only: chrono would take a sign and spaces.
    let digits = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    let placed_at = day(date, "%Y%m%d").filter(|_| digits).ok_or("date is not a day as YYYYMMDD")?;
    let order_texts = OrderTexts {
        order_id: &row.to_string(),
        placed_at: &placed_at.to_rfc3339(),
        email: "",
        customer_id,
        currency: "USD",
        shipping: "",
        status: "delivered",
    };
    let mut record = order(&order_texts, reading)?;
    let cd = LineTexts { sku: "cd", name: "CD", quantity, line_total, tax_rate: "" };
    record.lines.push(line(&cd, Vec::new(), record.currency)?);
    Ok(record)
}
