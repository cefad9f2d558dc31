//! A span of time in which so many orders can be delivered.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{DeliverySlotId, ShippingMethodId};

/// A span of time in which so many orders can be delivered.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery_slots")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeliverySlotId,
    /// The shop's; unique.
    pub external_id: String,
    /// By which method.
    pub method_id: ShippingMethodId,
    /// Where, as stated.
    pub areas: Json,
    /// From then on.
    pub starts_at: Instant,
    /// Until then.
    pub ends_at: Instant,
    /// Nobody can take it from then on.
    pub cut_off_at: Instant,
    /// Orders that it is for.
    pub capacity: i32,
    /// Orders and carts that have it; above the capacity only if that was lowered.
    pub taken: i32,
    /// Whether it is for members only.
    pub members_only: bool,
    /// When the shop closed it.
    pub closed_at: Option<Instant>,
    /// When it was made.
    pub created_at: Instant,
    /// Last changed, what is taken aside.
    pub updated_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
