//! What a message is about: ids and amounts, kept with the way through a journey and with the message; names, addresses and
//! words are looked up when it is sent.

use entity::Instant;
use entity::id::{CartId, MembershipId, OrderId, ProductId, ProductUpdateId};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Fault;

/// What a message is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// An order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// A cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cart: Option<CartId>,
    /// A product that is back, is to be replenished or is cared for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductId>,
    /// An update of a product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<ProductUpdateId>,
    /// A membership.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership: Option<MembershipId>,
    /// The plan, by its code, that would have saved most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Points that end, or were earned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<i64>,
    /// A tier, by its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// When something ends: points, a tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Instant>,
    /// A coupon, by its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon: Option<String>,
    /// The survey, by its code, that it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub survey: Option<String>,
    /// When what this is about happened, such as the last touch of the cart or the place on the waiting list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Instant>,
}

impl Facts {
    /// As stored.
    pub(crate) fn read(stored: &Json) -> Result<Self, Fault> {
        Ok(serde_json::from_value(stored.clone())?)
    }

    /// To be stored: an object, even if nothing is in it.
    pub(crate) fn stored(&self) -> Result<Json, Fault> {
        Ok(serde_json::to_value(self)?)
    }
}
