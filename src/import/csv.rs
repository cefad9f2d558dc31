//! Comma-separated rows, one a line of an order: fields, header and what a row says.

use std::borrow::Cow;

use super::Reading;
use super::values::{LineTexts, OrderTexts, line, optional, order};
use crate::orders::record::{Record, RecordLine};

/// The columns that must be there.
const NEEDED: [&str; 10] = [
    "order_id",
    "placed_at",
    "currency",
    "sku",
    "name",
    "category",
    "quantity",
    "line_total",
    "tax_rate",
    "shipping",
];

/// Columns of which one must be there.
const BUYER: [&str; 2] = ["email", "customer_id"];

/// Where each column stands.
#[derive(Debug)]
pub(super) struct Header {
    width: usize,
    order_id: usize,
    placed_at: usize,
    email: Option<usize>,
    customer_id: Option<usize>,
    currency: usize,
    sku: usize,
    name: usize,
    category: usize,
    quantity: usize,
    line_total: usize,
    tax_rate: usize,
    shipping: usize,
    status: usize,
}

impl Header {
    /// Reads the first line.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let is_known = |name: &str| NEEDED.contains(&name) || BUYER.contains(&name) || name == "status";
        let names = columns(text, is_known)?;
        let find = |name: &str| names.iter().position(|found| *found == name);
        let needed = NEEDED.iter().chain(&["status"]);
        let mut missing: Vec<&str> = needed.copied().filter(|name| find(name).is_none()).collect();
        if BUYER.iter().all(|name| find(name).is_none()) {
            missing.push("email or customer_id");
        }
        if !missing.is_empty() {
            return Err(format!("the header lacks these columns: {}", missing.join(", ")));
        }
        let at = |name: &str| find(name).unwrap_or_default();
        Ok(Self {
            width: names.len(),
            order_id: at("order_id"),
            placed_at: at("placed_at"),
            email: find("email"),
            customer_id: find("customer_id"),
            currency: at("currency"),
            sku: at("sku"),
            name: at("name"),
            category: at("category"),
            quantity: at("quantity"),
            line_total: at("line_total"),
            tax_rate: at("tax_rate"),
            shipping: at("shipping"),
            status: at("status"),
        })
    }
}

/// One row, by column.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    header: &'a Header,
    fields: Vec<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// Reads a row. If it cannot be, still says which order it is of, as far as that can be told.
    pub(super) fn read(text: &'a str, header: &'a Header) -> Result<Self, (Option<String>, String)> {
        let fields = split(text).map_err(|problem| (None, problem))?;
        if fields.len() == header.width {
            return Ok(Self { header, fields });
        }
        let order_id = fields.get(header.order_id).map(|id| id.trim().to_owned());
        let problem = format!("has {} fields, the header has {}", fields.len(), header.width);
        Err((order_id, problem))
    }

    pub(super) fn order_id(&self) -> &str {
        self.at(self.header.order_id).trim()
    }

    fn at(&self, column: usize) -> &str {
        self.fields.get(column).map_or("", Cow::as_ref)
    }

    fn texts(&self) -> OrderTexts<'_> {
        OrderTexts {
            order_id: self.order_id(),
            placed_at: self.at(self.header.placed_at).trim(),
            email: self.header.email.map_or("", |column| self.at(column)).trim(),
            customer_id: self.header.customer_id.map_or("", |column| self.at(column)).trim(),
            currency: self.at(self.header.currency).trim(),
            shipping: self.at(self.header.shipping).trim(),
            status: self.at(self.header.status).trim(),
        }
    }

    /// What the order's first row says of the order.
    pub(super) fn order(&self, reading: &Reading) -> Result<(Record, First), String> {
        let texts = self.texts();
        let record = order(&texts, reading)?;
        Ok((record, First(stated(&texts).map(|(_, text)| text.to_owned()))))
    }

    /// What a row says of one line of `record`.
    pub(super) fn line(&self, record: &Record) -> Result<RecordLine, String> {
        let texts = LineTexts {
            sku: self.at(self.header.sku),
            name: self.at(self.header.name),
            quantity: self.at(self.header.quantity),
            line_total: self.at(self.header.line_total),
            tax_rate: self.at(self.header.tax_rate),
        };
        let category = optional(self.at(self.header.category)).map(str::to_owned);
        line(&texts, category.into_iter().collect(), record.currency)
    }

    /// Whether a further row says of the order what the first did, or nothing.
    pub(super) fn agrees(&self, first: &First) -> Result<(), String> {
        let texts = self.texts();
        let differs = |((_, text), was): &((&str, &str), &String)| !text.is_empty() && text != was;
        match stated(&texts).into_iter().zip(&first.0).find(differs) {
            Some(((column, _), _)) => Err(format!("{column} is not what the order's first row says")),
            None => Ok(()),
        }
    }
}

/// What the first row of an order said of the order.
#[derive(Debug)]
pub(super) struct First([String; 6]);

fn stated<'a>(texts: &OrderTexts<'a>) -> [(&'static str, &'a str); 6] {
    [
        ("placed_at", texts.placed_at),
        ("email", texts.email),
        ("customer_id", texts.customer_id),
        ("currency", texts.currency),
        ("shipping", texts.shipping),
        ("status", texts.status),
    ]
}

/// The names of the columns, each of which is known and comes once.
pub(super) fn columns(text: &str, is_known: impl Fn(&str) -> bool) -> Result<Vec<String>, String> {
    let names: Vec<String> = split(text)?.iter().map(|name| name.trim().to_owned()).collect();
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        return Err(format!("the header has an unknown column: {unknown:?}"));
    }
    if let Some(twice) = (1..names.len()).find(|i| names[..*i].contains(&names[*i])) {
        return Err(format!("the header has a column twice: {}", names[twice]));
    }
    Ok(names)
}

/// Splits a line into its fields: a quoted field may hold commas and doubled quotes, and ends on its line.
pub(super) fn split(text: &str) -> Result<Vec<Cow<'_, str>>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted)?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (Cow::Borrowed(&rest[..end]), &rest[end..])
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("has text behind a quoted field".to_owned()),
        }
    }
}

fn quoted_field(text: &str) -> Result<(Cow<'_, str>, &str), String> {
    let mut from = 0;
    loop {
        let Some(end) = text[from..].find('"').map(|at| from + at) else {
            return Err("has a quoted field that does not end on its line".to_owned());
        };
        if text[end + 1..].starts_with('"') {
            from = end + 2;
            continue;
        }
        let inside = &text[..end];
        let field = if inside.contains('"') { inside.replace("\"\"", "\"").into() } else { inside.into() };
        return Ok((field, &text[end + 1..]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_split_at_commas_outside_quotes() {
        assert_eq!(split("a,\"b,c\",").unwrap(), ["a", "b,c", ""]);
        assert_eq!(split("\"say \"\"hi\"\"\"").unwrap(), ["say \"hi\""]);
        assert_eq!(split("5\" nail").unwrap(), ["5\" nail"]);
        assert!(split("\"open").is_err());
        assert!(split("\"a\"b").is_err());
    }

    #[test]
    fn a_header_tells_what_is_missing_unknown_or_twice() {
        let all = "status,order_id,placed_at,email,currency,sku,name,category,quantity,line_total,tax_rate,shipping";
        assert!(Header::read(all).is_ok());
        assert!(Header::read(&format!("{all},colour")).unwrap_err().contains("colour"));
        assert!(Header::read(&format!("{all},sku")).unwrap_err().contains("twice: sku"));
        let missing = Header::read("order_id,sku").unwrap_err();
        assert!(missing.contains("line_total") && missing.contains("email or customer_id"), "{missing}");
    }
}
