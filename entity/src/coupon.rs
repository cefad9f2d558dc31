//! A coupon: a discount on an order for whoever has its code.

use crate::Instant;
use crate::id::{CouponId, CustomerId};
use sea_orm::entity::prelude::*;
/// A coupon: a discount on an order for whoever has its code.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "coupons")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CouponId,
    /// What people type, in upper case; unique.
    pub code: String,
    /// As customers read it.
    pub name: String,
    /// What it gives, and for which carts.
    pub terms: Json,
    /// Whose, if it is personal.
    pub customer_id: Option<CustomerId>,
    /// From when on.
    pub starts_at: Option<Instant>,
    /// Until when.
    pub ends_at: Option<Instant>,
    /// Uses by all.
    pub total_limit: Option<i32>,
    /// Uses by one customer.
    pub customer_limit: Option<i32>,
    /// Uses that are reserved or redeemed.
    pub used: i32,
    /// Withdrawn by staff.
    pub disabled_at: Option<Instant>,
    /// When it was made.
    pub created_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
