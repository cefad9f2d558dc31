//! Records what is read: batches, each in a transaction, while a thread reads ahead.

use std::io::BufRead;
use std::thread;

use entity::id::LineId;
use entity::{points_entry, points_lot};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use tokio::sync::mpsc;

use super::orders::{Item, Orders};
use super::{BadRow, Row, Totals};
use crate::app::App;
use crate::db::dialect::{self, is_among};
use crate::error::{Fault, FaultKind};
use crate::orders::OrderError;
use crate::orders::record::{self, Batch, Record, Recorded};
use crate::tx::Tx;

/// Orders of one transaction.
const ORDERS: usize = 500;
/// Bytes of the file that one transaction takes at most, give or take an order.
const BYTES: usize = 2 << 20;
/// Batches that are read ahead.
const AHEAD: usize = 3;

/// Why an import ended before its file did; what was recorded stays.
#[derive(Debug)]
pub enum Stopped {
    /// The file could not be read on.
    Reading(std::io::Error),
    /// The database did not go along.
    Writing(Fault),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Writing(fault)
    }
}

enum Message {
    Batch { items: Vec<Item>, rows: u64 },
    Failed(std::io::Error),
}

/// Records all of `orders`, telling each bad row; what was counted when it stopped is in `totals`.
pub async fn load<R: BufRead + Send + 'static>(
    app: &App,
    orders: Orders<R>,
    totals: &mut Totals,
    mut tell: impl FnMut(&BadRow),
) -> Result<(), Stopped> {
    let mut batches = read_ahead(orders);
    while let Some(message) = batches.recv().await {
        let (items, rows) = match message {
            Message::Batch { items, rows } => (items, rows),
            Message::Failed(error) => return Err(Stopped::Reading(error)),
        };
        let (good, mut bad) = parted(items);
        record_rows(app, good, totals, &mut bad).await?;
        totals.rows = rows;
        told(bad, totals, &mut tell);
    }
    totals.points_ever = Some(points_ever(app).await?);
    Ok(())
}

/// Looks whether every row could be recorded, without recording any.
pub async fn examine<R: BufRead + Send + 'static>(
    app: &App,
    orders: Orders<R>,
    totals: &mut Totals,
    mut tell: impl FnMut(&BadRow),
) -> Result<(), Stopped> {
    let mut batches = read_ahead(orders);
    while let Some(message) = batches.recv().await {
        let (items, rows) = match message {
            Message::Batch { items, rows } => (items, rows),
            Message::Failed(error) => return Err(Stopped::Reading(error)),
        };
        let (good, mut bad) = parted(items);
        let (places, records) = split(good);
        let found = app.change(&records, async |tx: &Tx, records| record::examine(tx, records).await).await?;
        let refused = places.iter().zip(found).filter_map(|(place, found)| Some((place, found.err()?)));
        bad.extend(refused.map(|(place, reason)| place.bad(&reason)));
        totals.rows = rows;
        told(bad, totals, &mut tell);
    }
    Ok(())
}

/// Reads on a thread of its own, a few batches ahead of whoever receives them.
fn read_ahead<R: BufRead + Send + 'static>(mut orders: Orders<R>) -> mpsc::Receiver<Message> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    thread::spawn(move || {
        loop {
            let (items, failed) = batch(&mut orders);
            let ended = items.is_empty();
            let message = Message::Batch { items, rows: orders.rows() };
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
    receiver
}

fn batch<R: BufRead>(orders: &mut Orders<R>) -> (Vec<Item>, Option<std::io::Error>) {
    let mut items = Vec::new();
    let mut bytes = 0;
    while items.len() < ORDERS && bytes < BYTES {
        match orders.next() {
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

fn parted(items: Vec<Item>) -> (Vec<Row>, Vec<BadRow>) {
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
struct Standing {
    place: super::row::Place,
    rows: u64,
}

impl Standing {
    fn bad(&self, reason: &OrderError) -> BadRow {
        BadRow { place: self.place, rows: self.rows, reason: reason.to_string() }
    }
}

fn split(rows: Vec<Row>) -> (Vec<Standing>, Vec<Record>) {
    let standing = |row: Row| (Standing { place: row.place, rows: row.rows }, row.record);
    rows.into_iter().map(standing).unzip()
}

fn told(mut bad: Vec<BadRow>, totals: &mut Totals, tell: &mut impl FnMut(&BadRow)) {
    bad.sort_by_key(|bad| bad.place);
    for row in &bad {
        totals.bad_rows += row.rows;
        tell(row);
    }
}

/// Records a batch. If it cannot be written as a whole though the database is there, each order is tried alone, so that
/// a poor one does not take its neighbours along.
async fn record_rows(
    app: &App,
    rows: Vec<Row>,
    totals: &mut Totals,
    bad: &mut Vec<BadRow>,
) -> Result<(), Fault> {
    if rows.is_empty() {
        return Ok(());
    }
    let (standing, records) = split(rows);
    let fault = match app.change(&records[..], write).await {
        Ok(written) => {
            count(&standing, &records, written, totals, bad);
            return Ok(());
        }
        Err(fault) if fault.kind() == FaultKind::Unavailable => return Err(fault),
        Err(fault) => fault,
    };
    let mut failed = Vec::new();
    for (place, record) in standing.iter().zip(&records) {
        let (place, record) = (std::slice::from_ref(place), std::slice::from_ref(record));
        match app.change(record, write).await {
            Ok(written) => count(place, record, written, totals, bad),
            Err(fault) if fault.kind() == FaultKind::Unavailable => return Err(fault),
            Err(fault) => {
                tracing::error!(?fault, "an order of an import could not be written");
                failed.extend(place);
            }
        }
    }
    if failed.len() == records.len() && records.len() > 1 {
        return Err(fault);
    }
    let reason = "could not be written; the log says why";
    bad.extend(failed.iter().map(|row| BadRow {
        place: row.place,
        rows: row.rows,
        reason: reason.to_owned(),
    }));
    Ok(())
}

struct Written {
    batch: Batch,
    points: i64,
}

async fn write(tx: &Tx, records: &[Record]) -> Result<Written, Fault> {
    dialect::plan_each_time(tx.db()).await?;
    let batch = record::record(tx, records).await?;
    let points = points_of(tx, &batch.new_lines).await?;
    Ok(Written { batch, points })
}

fn count(
    standing: &[Standing],
    records: &[Record],
    written: Written,
    totals: &mut Totals,
    bad: &mut Vec<BadRow>,
) {
    for ((place, record), result) in standing.iter().zip(records).zip(written.batch.results) {
        match result {
            Ok(Recorded::New(_)) => totals.recorded += 1,
            Ok(Recorded::Unchanged { .. }) => totals.unchanged += 1,
            Err(reason) => {
                bad.push(place.bad(&reason));
                continue;
            }
        }
        totals.add_money(record);
    }
    totals.new_customers += u64::try_from(written.batch.new_customers).unwrap_or(u64::MAX);
    totals.points += written.points;
}

/// What these lines earned, pending or not.
async fn points_of(tx: &Tx, lines: &[LineId]) -> Result<i64, Fault> {
    if lines.is_empty() {
        return Ok(0);
    }
    let among = is_among(tx.db().get_database_backend(), "order_line_id", lines.iter().map(|line| line.0));
    let sum: Option<Option<i64>> = points_lot::Entity::find()
        .select_only()
        .expr(points_lot::Column::Amount.sum())
        .filter(among)
        .into_tuple()
        .one(tx.db())
        .await?;
    Ok(sum.flatten().unwrap_or_default())
}

/// The sum of all entries that earned points on an order.
async fn points_ever(app: &App) -> Result<i64, Fault> {
    use points_entry::{Column, Entity, EntryKind};

    let of_orders = Column::Kind.eq(EntryKind::Earn).and(Column::OrderId.is_not_null());
    let query = Entity::find().select_only().expr(Column::Amount.sum()).filter(of_orders);
    let sum: Option<Option<i64>> = query.into_tuple().one(&app.db.read).await?;
    Ok(sum.flatten().unwrap_or_default())
}
