//! Gathers the rows of one order, which stand together.

use super::csv::{Fields, First, Header};
use super::orders::{Item, Named};
use super::row::Place;
use super::{BadRow, Reading, Row};
use crate::orders::record::Record;
use crate::orders::rules::MOST_LINES;

/// Rows of one order that were read so far.
#[derive(Debug)]
pub(super) struct Group {
    order_id: String,
    place: Place,
    rows: u64,
    bytes: usize,
    order: Result<(Record, First), Mistake>,
    /// A row behind these that cannot be read: it was the order's if another of it follows.
    torn: Option<Place>,
}

#[derive(Debug)]
struct Mistake {
    place: Place,
    reason: String,
}

/// A row as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) place: Place,
    pub(super) text: &'a str,
    /// What is wrong with it before its fields are looked at.
    pub(super) problem: Option<&'a str>,
}

/// Takes a row into `open`, or gives out what is complete by it.
pub(super) fn take(
    open: &mut Option<Group>,
    raw: Raw<'_>,
    header: &Header,
    reading: &Reading,
    mut give: impl FnMut(Named),
) {
    let read = Fields::read(raw.text, header);
    let order_id = match &read {
        Ok(fields) => Some(fields.order_id().to_owned()),
        Err((order_id, _)) => order_id.clone(),
    };
    let fields = read.map_err(|(_, problem)| problem);
    let fields = raw.problem.map_or(fields, |problem| Err(problem.to_owned()));
    match (order_id.filter(|id| !id.is_empty()), open.as_mut()) {
        (Some(id), Some(group)) if group.order_id == id => group.add(fields, raw),
        (Some(id), _) => {
            if let Some(complete) = open.replace(Group::begin(id, fields, raw, reading)) {
                give(complete.close());
            }
        }
        (None, group) => {
            let reason = fields.err().unwrap_or_else(|| "order_id is empty".to_owned());
            give((None, Err(BadRow { place: raw.place, rows: 1, reason })));
            if let Some(group) = group {
                group.torn = Some(raw.place);
            }
        }
    }
}

impl Group {
    fn begin(order_id: String, fields: Result<Fields<'_>, String>, raw: Raw<'_>, reading: &Reading) -> Self {
        let place = raw.place;
        let order = fields.and_then(|fields| {
            let (mut record, first) = fields.order(reading)?;
            record.lines.push(fields.line(&record)?);
            Ok((record, first))
        });
        let order = order.map_err(|reason| Mistake { place, reason });
        Self { order_id, place, rows: 1, bytes: raw.text.len(), order, torn: None }
    }

    fn add(&mut self, fields: Result<Fields<'_>, String>, raw: Raw<'_>) {
        self.rows += 1;
        self.bytes += raw.text.len();
        let Ok((record, first)) = &mut self.order else {
            return;
        };
        let torn = self.torn.map(|place| {
            let reason = "stands in this order and cannot be read".to_owned();
            Mistake { place, reason }
        });
        let line = fields.and_then(|fields| {
            fields.agrees(first)?;
            if record.lines.len() == MOST_LINES {
                return Err("is more than the 500 lines an order may have".to_owned());
            }
            fields.line(record)
        });
        match (torn, line) {
            (Some(mistake), _) => self.order = Err(mistake),
            (None, Ok(line)) => record.lines.push(line),
            (None, Err(reason)) => self.order = Err(Mistake { place: raw.place, reason }),
        }
    }

    /// The order with all its rows, or the first mistake in it.
    pub(super) fn close(self) -> Named {
        let Self { order_id, place, rows, bytes, order, .. } = self;
        let item: Item = match order {
            Ok((record, _)) => Ok(Row { place, rows, bytes, record }),
            Err(Mistake { place, reason }) => Err(BadRow { place, rows, reason }),
        };
        (Some(order_id), item)
    }
}
