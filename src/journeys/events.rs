//! What events of the outbox mean to journeys. Pure.

use entity::Instant;
use entity::id::{CartId, CustomerId, MembershipId, OrderId, PersonId, ProductId, ProductUpdateId};
use entity::outbox::Model;
use serde::Deserialize;
use serde_json::Value as Json;

use super::definition::Trigger;
use crate::error::Fault;

/// Something that may begin journeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    /// Something became of an order: all that this says of it.
    Order(OrderId, Vec<Trigger>),
    /// Somebody put something in a cart, or took something out, at that instant.
    Cart(CartId, Instant),
    /// A customer rose to a tier.
    Tier(CustomerId, String),
    /// A customer's tier will end then.
    TierEnds(CustomerId, String, Instant),
    /// So many points will end then.
    PointsEnd(PersonId, i64, Instant),
    /// A product can be bought for which some waited in that round.
    Stock(ProductId, i32),
    /// There is news of a product.
    Update(ProductUpdateId, ProductId),
    /// A membership was renewed, or its payment failed.
    Membership(CustomerId, MembershipId, Trigger),
    /// A customer made an account.
    Registered(CustomerId),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfOrder {
    order_id: OrderId,
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfCart {
    touched_at: Instant,
    closed_at: Option<Instant>,
}

#[derive(Deserialize)]
struct OfTier {
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfTierEnd {
    tier: Option<String>,
    lost_at: Instant,
}

#[derive(Deserialize)]
struct OfPoints {
    points: i64,
    at: Instant,
}

#[derive(Deserialize)]
struct OfStock {
    round: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfUpdate {
    product_id: ProductId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfMembership {
    membership_id: MembershipId,
    customer_id: CustomerId,
}

/// What an event means; nothing, for most and for history.
pub(super) fn read(event: &Model) -> Result<Option<Happened>, Fault> {
    if event.imported {
        return Ok(None);
    }
    let (payload, about) = (&event.payload, event.aggregate_id);
    Ok(match event.topic.as_str() {
        "order.recorded" => {
            let of: OfOrder = parse(payload)?;
            let triggers = reached(&of.state);
            (!triggers.is_empty()).then_some(Happened::Order(of.order_id, triggers))
        }
        "order.paid" => Some(Happened::Order(OrderId(about), vec![Trigger::OrderPaid])),
        "order.shipped" => Some(Happened::Order(OrderId(about), vec![Trigger::OrderShipped])),
        "order.delivered" => {
            Some(Happened::Order(OrderId(about), vec![Trigger::OrderDelivered, Trigger::ProductUsedUp]))
        }
        "cart.touched" => {
            let of: OfCart = parse(payload)?;
            of.closed_at.is_none().then_some(Happened::Cart(CartId(about), of.touched_at))
        }
        "tier.upgraded" => {
            let of: OfTier = parse(payload)?;
            of.to.map(|tier| Happened::Tier(CustomerId(about), tier))
        }
        "tier.ending" => {
            let of: OfTierEnd = parse(payload)?;
            of.tier.map(|tier| Happened::TierEnds(CustomerId(about), tier, of.lost_at))
        }
        "points.expiring" => {
            let of: OfPoints = parse(payload)?;
            Some(Happened::PointsEnd(PersonId(about), of.points, of.at))
        }
        "product.back_in_stock" => {
            let of: OfStock = parse(payload)?;
            Some(Happened::Stock(ProductId(about), of.round))
        }
        "product.updated" => {
            let of: OfUpdate = parse(payload)?;
            Some(Happened::Update(ProductUpdateId(about), of.product_id))
        }
        "membership.renewed" => Some(membership(payload, Trigger::MembershipRenewed)?),
        "membership.past_due" => Some(membership(payload, Trigger::MembershipPastDue)?),
        "customer.registered" => Some(Happened::Registered(CustomerId(about))),
        _ => None,
    })
}

/// What an order that is recorded in a state has behind it.
fn reached(state: &str) -> Vec<Trigger> {
    use Trigger::{OrderDelivered, OrderPaid, OrderShipped, ProductUsedUp};
    match state {
        "PAID" => vec![OrderPaid],
        "SHIPPED" => vec![OrderPaid, OrderShipped],
        "DELIVERED" => vec![OrderPaid, OrderShipped, OrderDelivered, ProductUsedUp],
        _ => Vec::new(),
    }
}

fn membership(payload: &Json, trigger: Trigger) -> Result<Happened, Fault> {
    let of: OfMembership = parse(payload)?;
    Ok(Happened::Membership(of.customer_id, of.membership_id, trigger))
}

fn parse<T: for<'a> Deserialize<'a>>(payload: &Json) -> Result<T, Fault> {
    Ok(T::deserialize(payload)?)
}
