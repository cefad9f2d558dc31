//! Importing a shop's past: files of orders, read in a stream and recorded in batches.
//!
//! Reading is pure and apart from writing: [`Orders`] turns bytes into records and bad rows, in bounded memory whatever
//! the bytes are; [`load`] records them. What is in already is recognised by its order id, so an import that stopped is
//! run again and goes on.

mod cdnow;
mod csv;
mod group;
mod lines;
mod load;
mod ndjson;
mod orders;
mod row;
mod seen;
#[cfg(test)]
mod tests;
mod totals;
mod values;

pub use load::{Stopped, examine, load};
pub use orders::{Item, Orders, Unreadable};
pub use row::{BadRow, Place, Row};
pub use totals::Totals;

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
