//! An order is undone before it leaves.

use entity::Instant;
use entity::id::OrderId;
use entity::order::{Column, Model, OrderState};
use serde_json::json;

use super::find::{lines_of, locked, move_to, owner_of};
use super::returns::{Piece, take_back};
use super::rules::{Happening, instant, next};
use super::{OrderError, Step, events};
use crate::actor::Actor;
use crate::delivery::orders as slots;
use crate::error::{Fault, Outcome, Stop};
use crate::memberships::orders as memberships;
use crate::points::orders as points;
use crate::rewards::orders as coupons;
use crate::tx::Tx;

/// Kept with the returns that a cancelled order makes.
const REASON: &str = "cancelled";

/// Gives back the hold of an unpaid order; takes a paid one back like a return of everything that is left of it.
pub(crate) async fn cancel(tx: &Tx, cmd: &Step) -> Outcome<OrderId, OrderError> {
    let order = locked(tx, &cmd.order).await?;
    let state = next(order.state, Happening::Cancel).map_err(Stop::Refused)?;
    let at = instant(cmd.at.unwrap_or_else(|| tx.now()), tx.now(), "at").map_err(Stop::Refused)?;
    move_to(tx, &order, state, Column::CancelledAt, at).await?;
    if order.coupon.is_some() {
        coupons::cancelled(tx, order.id, order.state != OrderState::Placed).await?;
    }
    slots::cancelled(tx, order.id).await?;
    memberships::cancelled(tx, order.id).await?;
    match (order.state, order.hold_id) {
        (OrderState::Placed, Some(hold)) => {
            points::release(tx, owner_of(&order)?, hold, cmd.by).await?;
        }
        (OrderState::Placed, None) => {}
        (OrderState::Paid | OrderState::Shipped | OrderState::Delivered | OrderState::Cancelled, _) => {
            take_back_all(tx, &order, at, cmd.by).await?;
        }
    }
    events::tell(tx, "order.cancelled", &order, state, at, json!({})).await?;
    Ok(order.id)
}

async fn take_back_all(tx: &Tx, order: &Model, at: Instant, by: Actor) -> Result<(), Fault> {
    let lines = lines_of(tx, order.id).await?;
    let left: Vec<Piece<'_>> = lines
        .iter()
        .filter(|line| line.returned < line.quantity)
        .map(|line| Piece { return_id: tx.id(), line, quantity: line.quantity - line.returned })
        .collect();
    take_back(tx, order, &left, Some(REASON), at, by).await
}
