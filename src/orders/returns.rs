//! Pieces of an order come back, in one or several parts.

use std::collections::BTreeMap;

use entity::id::{LineId, OrderId, ReturnId};
use entity::order::Model;
use entity::{Instant, order_line};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::find::{lines_of, locked, owner_of};
use super::rules::{Happening, MOST_LINES, instant, next, visible};
use super::{OrderError, OrderRef, events};
use crate::actor::Actor;
use crate::db::bulk::Rows;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::points::orders::{self as points, ReturnedLine, ReturnedOrder};
use crate::referrals;
use crate::tx::Tx;

/// Pieces of an order come back.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Return {
    /// Of which order.
    pub(crate) order: OrderRef,
    /// Which pieces.
    pub(crate) pieces: Vec<ReturnPieces>,
    /// As the buyer or the shop put it.
    pub(crate) reason: Option<String>,
    /// When; now if none.
    pub(crate) at: Option<Instant>,
    /// Who says so.
    #[serde(skip)]
    pub(crate) by: Actor,
}

/// So many pieces of a line.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct ReturnPieces {
    /// Which line.
    pub(crate) line: Which,
    /// At least 1.
    pub(crate) quantity: i32,
}

/// A line of an order that is known from elsewhere.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) enum Which {
    /// By its id; none is an id that is not a line's.
    Id(Option<LineId>),
    /// By its place in the order, from 1.
    Position(i32),
}

/// Takes pieces back, as far as they are left; several entries for one line add up.
pub(crate) async fn return_lines(tx: &Tx, cmd: &Return) -> Outcome<OrderId, OrderError> {
    let order = locked(tx, &cmd.order).await?;
    next(order.state, Happening::Return).map_err(Stop::Refused)?;
    let at = instant(cmd.at.unwrap_or_else(|| tx.now()), tx.now(), "at").map_err(Stop::Refused)?;
    if let Some(Err(problem)) = cmd.reason.as_deref().map(visible) {
        return refuse(OrderError::invalid("reason", problem));
    }
    let lines = lines_of(tx, order.id).await?;
    let wanted = wanted(&lines, &cmd.pieces).map_err(Stop::Refused)?;
    let pieces: Vec<Piece<'_>> = wanted
        .into_iter()
        .map(|(place, quantity)| Piece { return_id: tx.id(), line: &lines[place], quantity })
        .collect();
    take_back(tx, &order, &pieces, cmd.reason.as_deref(), at, cmd.by).await?;
    Ok(order.id)
}

/// Pieces per line, by the line's place in `lines`.
fn wanted(lines: &[order_line::Model], pieces: &[ReturnPieces]) -> Result<BTreeMap<usize, i32>, OrderError> {
    if pieces.is_empty() || pieces.len() > MOST_LINES {
        return Err(OrderError::invalid("lines", "must be 1 to 500"));
    }
    let mut wanted = BTreeMap::new();
    for (index, ReturnPieces { line, quantity }) in pieces.iter().enumerate() {
        if *quantity < 1 {
            return Err(OrderError::line(index, "quantity", "must be 1 or more"));
        }
        let found = lines.iter().position(|candidate| match line {
            Which::Id(id) => Some(candidate.id) == *id,
            Which::Position(position) => candidate.position == *position,
        });
        let place = found.ok_or(OrderError::UnknownLine { index })?;
        let sum = wanted.entry(place).or_insert(0_i32);
        let left = lines[place].quantity - lines[place].returned;
        *sum = sum
            .checked_add(*quantity)
            .filter(|sum| *sum <= left)
            .ok_or(OrderError::QuantityExceeded { index, left })?;
    }
    Ok(wanted)
}

/// Pieces of one line that come back.
pub(super) struct Piece<'a> {
    pub(super) return_id: ReturnId,
    pub(super) line: &'a order_line::Model,
    pub(super) quantity: i32,
}

/// Writes the returns of a locked order, and what they do to points.
pub(super) async fn take_back(
    tx: &Tx,
    order: &Model,
    pieces: &[Piece<'_>],
    reason: Option<&str>,
    at: Instant,
    by: Actor,
) -> Result<(), Fault> {
    if pieces.is_empty() {
        return Ok(());
    }
    count(tx, pieces).await?;
    let columns = &["id", "order_id", "line_id", "quantity", "reason", "returned_at", "recorded_at"];
    let mut rows = Rows::new("order_returns", columns);
    for Piece { return_id, line, quantity } in pieces {
        rows.push([
            return_id.0.into(),
            order.id.0.into(),
            line.id.0.into(),
            (*quantity).into(),
            reason.into(),
            at.into(),
            tx.now().into(),
        ]);
    }
    rows.insert(tx.db()).await?;
    let returned: Vec<ReturnedLine> = pieces.iter().map(|piece| returned_line(order, piece)).collect();
    let owed = referrals::orders::returned(tx, order.id).await?;
    let back = ReturnedOrder {
        owner: owner_of(order)?,
        hold: order.hold_id,
        currency: order.currency.parse()?,
        paid_at: order.paid_at,
        lines: &returned,
        by,
        at,
    };
    points::returned(tx, &back).await?;
    referrals::take_back(tx, owed.as_slice(), by, Some(at)).await?;
    events::tell(tx, "order.returned", order, order.state, at, told(pieces)).await
}

/// Counts the pieces on their lines; the order's lock holds the lines still, the guard stands behind it.
async fn count(tx: &Tx, pieces: &[Piece<'_>]) -> Result<(), Fault> {
    let mut rows = Rows::new("order_lines", &["id", "returned"]);
    for Piece { line, quantity, .. } in pieces {
        rows.push([line.id.0.into(), (line.returned + quantity).into()]);
    }
    rows.update(tx.db(), " AND t.returned < v.returned AND v.returned <= t.quantity").await
}

fn returned_line(order: &Model, piece: &Piece<'_>) -> ReturnedLine {
    let Piece { return_id, line, quantity } = piece;
    ReturnedLine {
        return_id: *return_id,
        order: order.id,
        line: line.id,
        bought: line.quantity,
        returned_before: line.returned,
        returned: line.returned + quantity,
        redeemed_points: line.redeemed_points,
        spent: line.line_total - line.redeemed_value,
    }
}

fn told(pieces: &[Piece<'_>]) -> Json {
    let lines: Vec<Json> = pieces
        .iter()
        .map(|p| json!({ "lineId": p.line.id, "returnId": p.return_id, "quantity": p.quantity }))
        .collect();
    json!({ "lines": lines })
}
