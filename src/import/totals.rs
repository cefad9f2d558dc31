//! What an import did, in numbers that can be held against the file.

use std::collections::BTreeMap;
use std::fmt;

use crate::money::{Currency, Money};
use crate::orders::record::Record;

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows of data read.
    pub rows: u64,
    /// Orders that are new.
    pub recorded: u64,
    /// Orders that were in already.
    pub unchanged: u64,
    /// Rows left out.
    pub bad_rows: u64,
    /// Customers that are new.
    pub new_customers: u64,
    /// Points that the new orders earned.
    pub points: i64,
    /// Points earned by all orders ever, once the import is through.
    pub points_ever: Option<i64>,
    /// Minor units of the lines of recorded and unchanged orders, by currency code.
    money: BTreeMap<&'static str, (Currency, i128)>,
}

impl Totals {
    /// Counts the money of an order that is in.
    pub(super) fn add_money(&mut self, record: &Record) {
        let (_, sum) = self.money.entry(record.currency.code()).or_insert((record.currency, 0));
        *sum += record.lines.iter().map(|line| i128::from(line.line_total)).sum::<i128>();
    }
}

/// One number a line.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rows read: {}", self.rows)?;
        writeln!(f, "orders recorded: {}", self.recorded)?;
        writeln!(f, "orders unchanged: {}", self.unchanged)?;
        writeln!(f, "bad rows: {}", self.bad_rows)?;
        writeln!(f, "customers new: {}", self.new_customers)?;
        for (code, (currency, sum)) in &self.money {
            writeln!(f, "money {code}: {}", whole_units(*sum, *currency))?;
        }
        writeln!(f, "points earned: {}", self.points)?;
        if let Some(ever) = self.points_ever {
            writeln!(f, "points earned ever: {ever}")?;
        }
        Ok(())
    }
}

/// What an import of products did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductTotals {
    /// Rows of data read.
    pub rows: u64,
    /// Products that are new.
    pub new: u64,
    /// Products that were otherwise.
    pub changed: u64,
    /// Products that were so already.
    pub unchanged: u64,
    /// Rows left out.
    pub bad_rows: u64,
    /// Pieces in stock that the rows state which are in.
    pub stock: i64,
}

/// One number a line.
impl fmt::Display for ProductTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rows read: {}", self.rows)?;
        writeln!(f, "products new: {}", self.new)?;
        writeln!(f, "products changed: {}", self.changed)?;
        writeln!(f, "products unchanged: {}", self.unchanged)?;
        writeln!(f, "bad rows: {}", self.bad_rows)?;
        writeln!(f, "pieces in stock: {}", self.stock)
    }
}

/// What an import of balances did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalanceTotals {
    /// Nothing is recorded: it tells what would be.
    pub is_trial: bool,
    /// Rows of data read.
    pub rows: u64,
    /// Balances that are new.
    pub recorded: u64,
    /// Balances that were in already.
    pub unchanged: u64,
    /// Rows left out.
    pub bad_rows: u64,
    /// Customers that are new; not counted in a trial.
    pub new_customers: u64,
    /// Points of all rows that are good, in already or not.
    pub points_of_file: i64,
    /// Points of the new balances.
    pub points: i64,
    /// What all members could spend before it began.
    pub available_before: Option<i64>,
    /// What they can spend after it.
    pub available_after: Option<i64>,
}

/// One number a line.
impl fmt::Display for BalanceTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_trial {
            writeln!(f, "dry run: nothing is recorded")?;
        }
        writeln!(f, "rows read: {}", self.rows)?;
        writeln!(f, "balances recorded: {}", self.recorded)?;
        writeln!(f, "balances unchanged: {}", self.unchanged)?;
        writeln!(f, "bad rows: {}", self.bad_rows)?;
        if !self.is_trial {
            writeln!(f, "customers new: {}", self.new_customers)?;
        }
        writeln!(f, "points of good rows: {}", self.points_of_file)?;
        writeln!(f, "points recorded: {}", self.points)?;
        if let (Some(before), Some(after)) = (self.available_before, self.available_after) {
            writeln!(f, "points available before: {before}")?;
            writeln!(f, "points available after: {after}")?;
        }
        Ok(())
    }
}

/// What the numbers of every import tell; each is written one number a line.
pub trait Control: fmt::Display + Default {
    /// Rows of data read.
    fn rows(&self) -> u64;
    /// Rows left out.
    fn bad_rows(&self) -> u64;
    /// How far it came, when it stopped.
    fn so_far(&self) -> String;
}

impl Control for Totals {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn bad_rows(&self) -> u64 {
        self.bad_rows
    }

    fn so_far(&self) -> String {
        let all = self.recorded + self.unchanged;
        format!("{all} orders of this file are in ({} of them by this run)", self.recorded)
    }
}

impl Control for ProductTotals {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn bad_rows(&self) -> u64 {
        self.bad_rows
    }

    fn so_far(&self) -> String {
        let by_this_run = self.new + self.changed;
        let all = by_this_run + self.unchanged;
        format!("{all} products of this file are in ({by_this_run} of them by this run)")
    }
}

impl Control for BalanceTotals {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn bad_rows(&self) -> u64 {
        self.bad_rows
    }

    fn so_far(&self) -> String {
        let all = self.recorded + self.unchanged;
        format!("{all} balances of this file are in ({} of them by this run)", self.recorded)
    }
}

/// A sum over many orders, which may pass what one amount can hold.
fn whole_units(sum: i128, currency: Currency) -> String {
    match i64::try_from(sum) {
        Ok(minor) => Money { minor, currency }.amount(),
        Err(_) => format!("{sum} minor units"),
    }
}
