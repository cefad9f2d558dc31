//! An order leaves and arrives.

use entity::id::{LineId, OrderId};
use entity::order::Column;
use serde_json::json;

use super::find::{lines_of, locked, move_to, owner_of};
use super::rules::{Happening, instant, next};
use super::{OrderError, Step, events};
use crate::error::{Outcome, Stop};
use crate::points::orders as points;
use crate::referrals::orders as referrals;
use crate::tx::Tx;

/// The order left.
pub(crate) async fn ship(tx: &Tx, cmd: &Step) -> Outcome<OrderId, OrderError> {
    let order = locked(tx, &cmd.order).await?;
    let state = next(order.state, Happening::Ship).map_err(Stop::Refused)?;
    let at = instant(cmd.at.unwrap_or_else(|| tx.now()), tx.now(), "at").map_err(Stop::Refused)?;
    move_to(tx, &order, state, Column::ShippedAt, at).await?;
    events::tell(tx, "order.shipped", &order, state, at, json!({})).await?;
    Ok(order.id)
}

/// The order arrived: points that wait for that learn when they activate.
pub(crate) async fn deliver(tx: &Tx, cmd: &Step) -> Outcome<OrderId, OrderError> {
    let order = locked(tx, &cmd.order).await?;
    let state = next(order.state, Happening::Deliver).map_err(Stop::Refused)?;
    let at = instant(cmd.at.unwrap_or_else(|| tx.now()), tx.now(), "at").map_err(Stop::Refused)?;
    move_to(tx, &order, state, Column::DeliveredAt, at).await?;
    let lines: Vec<LineId> = lines_of(tx, order.id).await?.iter().map(|line| line.id).collect();
    referrals::delivered(tx, order.id, at).await?;
    points::delivered(tx, owner_of(&order)?, &lines, at, cmd.by).await?;
    events::tell(tx, "order.delivered", &order, state, at, json!({})).await?;
    Ok(order.id)
}
