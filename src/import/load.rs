//! Records the orders that are read.

use std::collections::BTreeSet;
use std::io::BufRead;

use entity::id::LineId;
use entity::{points_entry, points_lot};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};

use super::ahead::{Ahead, Standing, Stopped, split, told, write_rows};
use super::orders::Orders;
use super::{BadRow, Totals};
use crate::app::App;
use crate::db::dialect::{self, is_among};
use crate::error::Fault;
use crate::orders::record::{self, Batch, Record, Recorded};
use crate::points::imported;
use crate::tx::Tx;

/// Records all of `orders`, telling each bad row; what was counted when it stopped is in `totals`.
pub async fn load<R: BufRead + Send + 'static>(
    app: &App,
    orders: Orders<R>,
    totals: &mut Totals,
    mut tell: impl FnMut(&BadRow),
) -> Result<(), Stopped> {
    let mut batches = Ahead::of(orders);
    let mut touched = BTreeSet::new();
    while let Some(batch) = batches.next().await? {
        let mut bad = batch.bad;
        let matters = imported::matters(&app.settings().programme);
        let counted = |standing: &[Standing], records: &[Record], written: Written, bad: &mut Vec<BadRow>| {
            if matters {
                touched.extend(&written.batch.accounts);
            }
            count(standing, records, written, totals, bad);
        };
        write_rows(app, batch.good, &mut bad, write, counted).await?;
        totals.rows = batch.rows;
        totals.bad_rows += told(bad, &mut tell);
    }
    imported::end_histories(app, &touched).await?;
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
    let mut batches = Ahead::of(orders);
    while let Some(batch) = batches.next().await? {
        let mut bad = batch.bad;
        let (places, records) = split(batch.good);
        let found = app.change(&records, async |tx: &Tx, records| record::examine(tx, records).await).await?;
        let refused = places.iter().zip(found).filter_map(|(place, found)| Some((place, found.err()?)));
        bad.extend(refused.map(|(place, reason)| place.bad(reason.to_string())));
        totals.rows = batch.rows;
        totals.bad_rows += told(bad, &mut tell);
    }
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
                bad.push(place.bad(reason.to_string()));
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
