//! A cart that the shop told of.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{CartId, CustomerId};

/// A cart that the shop told of, for reminders.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "carts")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CartId,
    /// The shop's; unique.
    pub external_id: String,
    /// Whose it is in one text: `customer:…` or `email:…`.
    pub identity: String,
    /// Whose, if we know the customer.
    pub customer_id: Option<CustomerId>,
    /// Whose, if all we know is an address; kept as it was written.
    pub email: Option<String>,
    /// Of the amounts.
    pub currency: String,
    /// An array of objects with `sku`, `name`, `quantity` and `lineTotal` in minor units.
    pub lines: Json,
    /// Minor units of all lines.
    pub total: i64,
    /// When somebody last put something in or took something out.
    pub touched_at: Instant,
    /// When the order was placed that closed it.
    pub closed_at: Option<Instant>,
    /// First told of.
    pub created_at: Instant,
    /// Last changed.
    pub updated_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
