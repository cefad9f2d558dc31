//! A use of a coupon, from when it is reserved.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{CouponId, CouponUseId, OrderId};

/// Where a use is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CouponUseState {
    /// Set aside for a cart, or by an order that is not paid.
    #[sea_orm(string_value = "RESERVED")]
    Reserved,
    /// By an order that is paid.
    #[sea_orm(string_value = "REDEEMED")]
    Redeemed,
    /// Given back: by the customer, by time, or because the order was cancelled.
    #[sea_orm(string_value = "RELEASED")]
    Released,
}

/// A use of a coupon, from when it is reserved.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "coupon_uses")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CouponUseId,
    /// Of which coupon.
    pub coupon_id: CouponId,
    /// By which customer or guest.
    pub owner_id: Uuid,
    /// For which order; unique.
    pub order_id: Option<OrderId>,
    /// Where it is.
    pub state: CouponUseState,
    /// Minor units that it takes off.
    pub discount: i64,
    /// ISO 4217.
    pub currency: String,
    /// When it is given back, unless an order has it that is paid.
    pub reserved_until: Instant,
    /// When it was reserved.
    pub created_at: Instant,
    /// When it was given back.
    pub ended_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
