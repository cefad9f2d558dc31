//! What every import has in common: a thread reads ahead, batches are written each in a transaction, and a poor row does
//! not take its neighbours along.

use std::io;
use std::thread;

use tokio::sync::mpsc;

use super::row::Place;
use super::{BadRow, Item, Row};
use crate::app::App;
use crate::error::{Fault, FaultKind};
use crate::tx::Tx;

/// Items of one transaction.
const ITEMS: usize = 500;
/// Bytes of the file that one transaction takes at most, give or take an item.
const BYTES: usize = 2 << 20;
/// Batches that are read ahead.
const AHEAD: usize = 3;

/// What reads a file: what it holds and its bad rows, in the order of the file.
pub trait Source: Iterator<Item = io::Result<Item<Self::Record>>> + Send + 'static {
    /// What it holds.
    type Record: Send + 'static;

    /// Rows of data that were read.
    fn rows(&self) -> u64;
}

/// Why an import ended before its file did; what was recorded stays.
#[derive(Debug)]
pub enum Stopped {
    /// The file could not be read on.
    Reading(io::Error),
    /// The database did not go along.
    Writing(Fault),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Writing(fault)
    }
}

enum Message<T> {
    Batch(Batch<T>),
    Failed(io::Error),
}

/// Part of a file.
pub(super) struct Batch<T> {
    pub(super) good: Vec<Row<T>>,
    pub(super) bad: Vec<BadRow>,
    /// Rows of data that were read with it.
    pub(super) rows: u64,
}

/// A file that is read on a thread of its own, a few batches ahead.
pub(super) struct Ahead<T>(mpsc::Receiver<Message<T>>);

impl<T: Send + 'static> Ahead<T> {
    pub(super) fn of(mut source: impl Source<Record = T>) -> Self {
        let (sender, receiver) = mpsc::channel(AHEAD);
        thread::spawn(move || {
            loop {
                let (items, failed) = batch(&mut source);
                let ended = items.is_empty();
                let (good, bad) = parted(items);
                let message = Message::Batch(Batch { good, bad, rows: source.rows() });
                // A receiver that is gone has no use for more.
                if !ended && sender.blocking_send(message).is_err() {
                    return;
                }
                if let Some(error) = failed {
                    let _ = sender.blocking_send(Message::Failed(error));
                    return;
                }
                if ended {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next batch; none at the end of the file.
    pub(super) async fn next(&mut self) -> Result<Option<Batch<T>>, Stopped> {
        match self.0.recv().await {
            Some(Message::Batch(batch)) => Ok(Some(batch)),
            Some(Message::Failed(error)) => Err(Stopped::Reading(error)),
            None => Ok(None),
        }
    }
}

fn batch<S: Source>(source: &mut S) -> (Vec<Item<S::Record>>, Option<io::Error>) {
    let mut items = Vec::new();
    let mut bytes = 0;
    while items.len() < ITEMS && bytes < BYTES {
        match source.next() {
            None => break,
            Some(Err(error)) => return (items, Some(error)),
            Some(Ok(item)) => {
                bytes += item.as_ref().map_or(0, |row| row.bytes);
                items.push(item);
            }
        }
    }
    (items, None)
}

fn parted<T>(items: Vec<Item<T>>) -> (Vec<Row<T>>, Vec<BadRow>) {
    let mut parted = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Ok(row) => parted.0.push(row),
            Err(bad) => parted.1.push(bad),
        }
    }
    parted
}

/// Where a row stands, without what it says.
pub(super) struct Standing {
    place: Place,
    rows: u64,
}

impl Standing {
    pub(super) fn bad(&self, reason: impl Into<String>) -> BadRow {
        BadRow { place: self.place, rows: self.rows, reason: reason.into() }
    }
}

pub(super) fn split<T>(rows: Vec<Row<T>>) -> (Vec<Standing>, Vec<T>) {
    let standing = |row: Row<T>| (Standing { place: row.place, rows: row.rows }, row.record);
    rows.into_iter().map(standing).unzip()
}

/// Tells bad rows in the order of the file; answers how many rows are left out for them.
pub(super) fn told(mut bad: Vec<BadRow>, tell: &mut impl FnMut(&BadRow)) -> u64 {
    bad.sort_by_key(|bad| bad.place);
    bad.iter().for_each(tell);
    bad.iter().map(|row| row.rows).sum()
}

/// Writes a batch. If it cannot be written as a whole though the database is there, each row is tried alone, so that a poor
/// one does not take its neighbours along.
pub(super) async fn write_rows<T, W>(
    app: &App,
    rows: Vec<Row<T>>,
    bad: &mut Vec<BadRow>,
    write: impl AsyncFn(&Tx, &[T]) -> Result<W, Fault>,
    mut count: impl FnMut(&[Standing], &[T], W, &mut Vec<BadRow>),
) -> Result<(), Fault> {
    if rows.is_empty() {
        return Ok(());
    }
    let (standing, records) = split(rows);
    let fault = match app.change(&records[..], &write).await {
        Ok(written) => {
            count(&standing, &records, written, bad);
            return Ok(());
        }
        Err(fault) if fault.kind() == FaultKind::Unavailable => return Err(fault),
        Err(fault) => fault,
    };
    let mut failed = Vec::new();
    for (place, record) in standing.iter().zip(&records) {
        let (place, record) = (std::slice::from_ref(place), std::slice::from_ref(record));
        match app.change(record, &write).await {
            Ok(written) => count(place, record, written, bad),
            Err(fault) if fault.kind() == FaultKind::Unavailable => return Err(fault),
            Err(fault) => {
                tracing::error!(?fault, "a row of an import could not be written");
                failed.extend(place);
            }
        }
    }
    if failed.len() == records.len() && records.len() > 1 {
        return Err(fault);
    }
    bad.extend(failed.iter().map(|row| row.bad("could not be written; the log says why")));
    Ok(())
}
