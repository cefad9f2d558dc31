//! A place in a delivery slot, from when it is held.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{CustomerId, DeliverySlotId, OrderId, SlotHoldId};

/// Where a hold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SlotHoldState {
    /// Set aside while somebody checks out.
    #[sea_orm(string_value = "HELD")]
    Held,
    /// An order has it.
    #[sea_orm(string_value = "CONFIRMED")]
    Confirmed,
    /// Given back: by whoever held it, or because the order was cancelled.
    #[sea_orm(string_value = "RELEASED")]
    Released,
    /// Given back by time.
    #[sea_orm(string_value = "EXPIRED")]
    Expired,
}

/// A place in a delivery slot, from when it is held.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "slot_holds")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SlotHoldId,
    /// In which slot.
    pub slot_id: DeliverySlotId,
    /// Whose, if it is a customer's.
    pub customer_id: Option<CustomerId>,
    /// What the shop calls whoever holds it, if that is no customer.
    pub holder: Option<String>,
    /// Which order has, or had, it; unique.
    pub order_id: Option<OrderId>,
    /// Where it is.
    pub state: SlotHoldState,
    /// When it is given back, unless an order has it.
    pub expires_at: Instant,
    /// When it was held.
    pub created_at: Instant,
    /// When it was given back.
    pub ended_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
