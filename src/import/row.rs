use std::fmt;

use crate::orders::record::Record;

/// Where something stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Row of data, from 1; the header and blank lines are none.
    pub row: u64,
    /// Line of the file, from 1.
    pub line: u64,
}

/// An order, or another thing, that can be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<T = Record> {
    /// Where it begins.
    pub place: Place,
    /// Rows that it takes.
    pub rows: u64,
    /// Bytes that it took in the file.
    pub bytes: usize,
    /// What it says.
    pub record: T,
}

/// Rows that cannot be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Where the mistake is.
    pub place: Place,
    /// Rows that are left out for it: all of an order's.
    pub rows: u64,
    /// What is wrong.
    pub reason: String,
}

/// The longest reason that is told, in characters.
const LONGEST_REASON: usize = 300;

/// One line for a person; what a file says cannot steer the terminal.
impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} (line {}): ", self.place.row, self.place.line)?;
        for c in self.reason.chars().take(LONGEST_REASON) {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        if self.rows > 1 {
            write!(f, "; all {} rows of the order are left out", self.rows)?;
        }
        Ok(())
    }
}
