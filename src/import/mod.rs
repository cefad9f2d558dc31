//! Importing a shop's past, its products and the balances of another programme: files that are read in a stream and recorded in batches.
//!
//! Reading is pure and apart from writing: [`Orders`], [`Products`] and [`Balances`] turn bytes into records and bad rows,
//! in bounded memory whatever the bytes are; [`load`], [`load_products`] and [`load_balances`] record them. What is in
//! already is recognised by its order id, sku or reference, so an import that stopped is run again and goes on.

mod ahead;
mod balances;
mod cdnow;
mod csv;
mod group;
mod lines;
mod load;
mod ndjson;
mod orders;
mod product_rows;
mod products;
mod row;
mod seen;
#[cfg(test)]
mod tests;
mod totals;
mod values;

pub use ahead::{Source, Stopped};
pub use balances::{Balances, examine_balances, load_balances};
pub use load::{examine, load};
pub use orders::{Item, Orders, Unreadable};
pub use products::{ProductFormat, Products, examine_products, load_products};
pub use row::{BadRow, Place, Row};
pub use totals::{BalanceTotals, Control, ProductTotals, Totals};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One row a line of an order, with a header
    Csv,
    /// One order a line, as a JSON object
    Ndjson,
    /// The CDNOW data set: customer, date, number of CDs, dollars
    Cdnow,
}

/// What the reader is told besides the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// How the file is written.
    pub format: Format,
    /// Addresses become guest identities instead of customers.
    pub guests: bool,
    /// What "ahead" is judged by.
    pub now: entity::Instant,
}
