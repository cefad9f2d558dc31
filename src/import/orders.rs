//! From bytes to orders: one item for each order or bad row, in the order of the file.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, BufRead};

use super::ahead::Source;
use super::csv::Header;
use super::group::{Group, Raw, take};
use super::lines::{Line, Lines};
use super::row::Place;
use super::seen::Seen;
use super::{BadRow, Format, Reading, Row, cdnow, ndjson};
use crate::orders::record::Record;
use crate::orders::rules;

/// An order, or another thing, or a bad row of a file.
pub type Item<T = Record> = Result<Row<T>, BadRow>;

/// The same with the order's id, as far as it can be told.
pub(super) type Named = (Option<String>, Item);

/// Reads orders in bounded memory; never panics, whatever the bytes.
#[derive(Debug)]
pub struct Orders<R> {
    lines: Lines<R>,
    reading: Reading,
    header: Option<Header>,
    row: u64,
    seen: Seen,
    group: Option<Group>,
    ready: VecDeque<Item>,
    ended: bool,
}

/// Why nothing of a file can be read.
#[derive(Debug)]
pub enum Unreadable {
    /// It cannot be opened or read.
    Io(io::Error),
    /// Its first line is not what the format wants.
    Header(String),
}

impl<R: BufRead> Orders<R> {
    /// Reads the header.
    pub fn open(reader: R, reading: Reading) -> Result<Self, Unreadable> {
        let mut lines = Lines::new(reader);
        let header = match reading.format {
            Format::Ndjson => None,
            Format::Csv => Some(Header::read(&first_line(&mut lines)?).map_err(Unreadable::Header)?),
            Format::Cdnow => {
                cdnow::header(&first_line(&mut lines)?).map_err(Unreadable::Header)?;
                None
            }
        };
        let (seen, ready) = (Seen::default(), VecDeque::new());
        Ok(Self { lines, reading, header, row: 0, seen, group: None, ready, ended: false })
    }

    /// Takes one line in; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        let Self { lines, reading, header, row, seen, group, ready, .. } = self;
        let Some((number, line)) = lines.next()? else {
            ready.extend(group.take().map(Group::close).map(|item| checked(item, seen, reading)));
            return Ok(false);
        };
        let Some((text, problem)) = written(line) else { return Ok(true) };
        *row += 1;
        let raw = Raw { place: Place { row: *row, line: number }, text: &text, problem };
        match (reading.format, header) {
            (Format::Csv, Some(header)) => {
                take(group, raw, header, reading, |item| ready.push_back(checked(item, seen, reading)));
            }
            (Format::Csv | Format::Ndjson, _) => {
                let item = whole(raw, |text| ndjson::read(text, reading));
                let order_id = item.as_ref().ok().map(|row| row.record.external_id.to_string());
                ready.push_back(checked((order_id, item), seen, reading));
            }
            (Format::Cdnow, _) => {
                // Numbered by us: none comes twice, and none needs remembering.
                let item = whole(raw, |text| cdnow::read(text, *row, reading));
                ready.push_back(item.and_then(|row| allowed(row, reading)));
            }
        }
        Ok(true)
    }
}

/// The header of a file.
pub(super) fn first_line<R: BufRead>(lines: &mut Lines<R>) -> Result<String, Unreadable> {
    match lines.next() {
        Err(error) => Err(Unreadable::Io(error)),
        Ok(Some((_, Line::Text(text)))) => Ok(text.to_owned()),
        Ok(Some((_, Line::Bytes(_)))) => Err(Unreadable::Header("the header is not UTF-8".to_owned())),
        Ok(Some((_, Line::TooLong))) => Err(Unreadable::Header("the header is too long".to_owned())),
        Ok(None) => Err(Unreadable::Header("there is no header: the file is empty".to_owned())),
    }
}

/// What stands on a line, and what is wrong with it before its fields are looked at; none if it is blank.
pub(super) fn written(line: Line<'_>) -> Option<(Cow<'_, str>, Option<&'static str>)> {
    match line {
        Line::Text(text) if text.trim().is_empty() => None,
        Line::Text(text) => Some((Cow::Borrowed(text), None)),
        Line::Bytes(bytes) => Some((String::from_utf8_lossy(bytes), Some("is not UTF-8"))),
        Line::TooLong => Some((Cow::Borrowed(""), Some("is longer than 1 MiB"))),
    }
}

/// A row that is a whole order, or another whole thing.
pub(super) fn whole<T>(raw: Raw<'_>, read: impl FnOnce(&str) -> Result<T, String>) -> Item<T> {
    let Raw { place, text, problem } = raw;
    match problem.map_or_else(|| read(text), |problem| Err(problem.to_owned())) {
        Ok(record) => Ok(Row { place, rows: 1, bytes: text.len(), record }),
        Err(reason) => Err(BadRow { place, rows: 1, reason }),
    }
}

impl<R: BufRead + Send + 'static> Source for Orders<R> {
    type Record = Record;

    fn rows(&self) -> u64 {
        self.row
    }
}

impl<R: BufRead> Iterator for Orders<R> {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            if self.ended {
                return None;
            }
            match self.advance() {
                Ok(more) => self.ended = !more,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// What the rules say of an order that was read.
fn allowed(row: Row, reading: &Reading) -> Item {
    match rules::check(&row.record, reading.now) {
        Ok(()) => Ok(row),
        Err(reason) => Err(BadRow { place: row.place, rows: row.rows, reason: reason.to_string() }),
    }
}

/// The same, and whether its id came before. Bad orders count too: the rest of one is not an order.
fn checked((order_id, item): Named, seen: &mut Seen, reading: &Reading) -> Item {
    let again = order_id.filter(|id| !seen.is_new(id));
    match (item, again) {
        (Ok(row), Some(id)) => {
            let reason = format!("order {id} came before: the rows of an order stand together");
            Err(BadRow { place: row.place, rows: row.rows, reason })
        }
        (Ok(row), None) => allowed(row, reading),
        (Err(bad), _) => Err(bad),
    }
}
