//! An order is paid: the points set aside for it are spent, and it earns.

use entity::Instant;
use entity::id::{HoldId, OrderId};
use entity::order::{Column, Entity, Model, OrderState};
use entity::order_line;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};
use serde::Serialize;
use serde_json::json;

use super::find::{find, lines_of, locked, move_to, owner_of};
use super::rules::{Happening, instant, next};
use super::{OrderError, OrderRef, coupon, events, slot};
use crate::actor::Actor;
use crate::app::App;
use crate::delivery::freeze::standard_shipping;
use crate::delivery::orders as slots;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::memberships::orders as memberships;
use crate::money::Money;
use crate::points::orders::{self as points, PaidLine, PaidOrder};
use crate::referrals::CardHash;
use crate::referrals::orders as referrals;
use crate::tx::Tx;

/// An order is paid.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pay {
    /// Which.
    pub(crate) order: OrderRef,
    /// When; now if none.
    pub(crate) at: Option<Instant>,
    /// It was paid in full with money: give the hold back, whatever became of it.
    pub(crate) without_points: bool,
    /// It was paid in full with its shipping: the membership that it was to be joined with is given up, unless it is paid.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) without_membership: bool,
    /// The card that paid it, if that was not known when it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) card: Option<CardHash>,
    /// Who says so.
    #[serde(skip)]
    pub(crate) by: Actor,
}

/// Uses the order's coupon for good, captures its hold, then earns for its lines.
pub(crate) async fn pay(tx: &Tx, cmd: &Pay) -> Outcome<OrderId, OrderError> {
    let mut order = locked(tx, &cmd.order).await?;
    let state = next(order.state, Happening::Pay).map_err(Stop::Refused)?;
    let at = instant(cmd.at.unwrap_or_else(|| tx.now()), tx.now(), "at").map_err(Stop::Refused)?;
    let owner = owner_of(&order)?;
    if order.coupon.is_some() {
        coupon::paid(tx, order.id).await?;
    }
    settle_membership(tx, &mut order, cmd.without_membership).await?;
    // Before the account is locked: whoever merges customers locks referrals first.
    if !order.imported {
        let counts = referrals::Paid { order: order.id, owner, at, delivered_at: None };
        referrals::paid(tx, &counts).await?;
    }
    if let Some(hold) = order.hold_id {
        if cmd.without_points {
            points::release(tx, owner, hold, cmd.by).await?;
            clear_hold(tx, &mut order, hold).await?;
        } else {
            points::capture(tx, owner, hold, order.id, cmd.by, at).await.map_err(of_hold)?;
        }
    }
    move_to(tx, &order, state, Column::PaidAt, at).await?;
    if let Some(card) = &cmd.card {
        keep_card(tx, order.id, card).await?;
    }
    let lines = lines_of(tx, order.id).await?;
    let paid = PaidOrder {
        order: order.id,
        owner,
        currency: order.currency.parse()?,
        placed_at: order.placed_at,
        paid_at: at,
        delivered_at: None,
        by: cmd.by,
        imported: order.imported,
        lines: lines.into_iter().map(paid_line).collect::<Result<_, _>>()?,
    };
    points::earn(tx, &[paid]).await?;
    events::tell(tx, "order.paid", &order, state, at, json!({})).await?;
    Ok(order.id)
}

/// Whether the membership that an unpaid order is joined with is paid by now is looked up where it is billed. If that cannot
/// be reached, what is known here counts.
pub(crate) async fn look_up_membership(app: &App, cmd: &Pay) -> Result<(), Fault> {
    let found = if cmd.without_membership { None } else { find(&app.db.read, &cmd.order).await? };
    if let Some(order) = found.filter(|order| order.state == OrderState::Placed)
        && let Err(fault) = Box::pin(memberships::look_up(app, order.id)).await
    {
        tracing::warn!(?fault, order.id = %order.id.0, "the membership of an order could not be looked up");
    }
    Ok(())
}

/// The membership that the order is joined with is to be paid before it, or is given up: shipping is due then, and a place
/// for members only goes back.
async fn settle_membership(tx: &Tx, order: &mut Model, without: bool) -> Outcome<(), OrderError> {
    // In the order in which everybody locks: slots, then memberships.
    let place = if without { slots::lock_members_place(tx, order.id).await? } else { None };
    let Some((membership, false)) = memberships::joined_with(tx, order.id).await? else { return Ok(()) };
    let standard = standard_shipping(tx, order.id).await?.unwrap_or(order.shipping);
    if !without {
        let currency = order.currency.parse()?;
        return refuse(OrderError::MembershipNotCharged {
            shipping_due: Money { minor: standard, currency },
        });
    }
    memberships::give_up(tx, membership).await?;
    if let Some(place) = place {
        slots::give_up(tx, &place).await?;
        slot::refused(tx, order.id, slots::Refusal::MembersOnly).await?;
    }
    Entity::update_many()
        .col_expr(Column::Shipping, Expr::val(standard))
        .filter(Column::Id.eq(order.id))
        .exec(tx.db())
        .await?;
    order.shipping = standard;
    Ok(())
}

async fn keep_card(tx: &Tx, order: OrderId, card: &CardHash) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::CardHash, Expr::val(card.bytes()))
        .filter(Column::Id.eq(order).and(Column::CardHash.is_null()))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// A refusal of the points slice as one of ours.
fn of_hold(stop: Stop<points::HoldError>) -> Stop<OrderError> {
    match stop {
        Stop::Refused(reason) => Stop::Refused(OrderError::Hold(reason)),
        Stop::RefusedRecorded(reason) => Stop::RefusedRecorded(OrderError::Hold(reason)),
        Stop::Fault(fault) => Stop::Fault(fault),
    }
}

/// The order is not paid with points any more: its lines earn on their whole total.
async fn clear_hold(tx: &Tx, order: &mut Model, hold: HoldId) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::HoldId, Expr::val(None::<HoldId>))
        .col_expr(Column::HoldValue, Expr::val(0_i64))
        .filter(Column::Id.eq(order.id).and(Column::HoldId.eq(hold)))
        .exec(tx.db())
        .await?;
    order_line::Entity::update_many()
        .col_expr(order_line::Column::RedeemedValue, Expr::val(0_i64))
        .col_expr(order_line::Column::RedeemedPoints, Expr::val(0_i32))
        .filter(order_line::Column::OrderId.eq(order.id))
        .exec(tx.db())
        .await?;
    order.hold_id = None;
    order.hold_value = 0;
    Ok(())
}

fn paid_line(line: order_line::Model) -> Result<PaidLine, Fault> {
    Ok(PaidLine {
        line: line.id,
        sku: line.sku,
        categories: serde_json::from_value(line.categories)?,
        line_total: line.line_total,
        redeemed_value: line.redeemed_value,
        tax_rate: line.tax_rate,
    })
}
