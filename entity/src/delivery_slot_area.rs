//! Where a delivery slot is for, as addresses find it.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::DeliverySlotId;

/// Postal codes of a country that begin alike.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery_slot_areas")]
pub struct Model {
    /// Of which slot.
    #[sea_orm(primary_key, auto_increment = false)]
    pub slot_id: DeliverySlotId,
    /// Two letters.
    #[sea_orm(primary_key, auto_increment = false)]
    pub country: String,
    /// What the postal codes begin with, in capitals without blanks; empty for the whole country.
    #[sea_orm(primary_key, auto_increment = false)]
    pub prefix: String,
    /// That of the slot: nobody looks for what is over.
    pub cut_off_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
