//! A customer's place on the waiting list of a product.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{CustomerId, ProductId, WaitlistEntryId};

/// A customer's place on the waiting list of a product; one of each customer and product at most.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waitlist_entries")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WaitlistEntryId,
    /// For which product.
    pub product_id: ProductId,
    /// Who.
    pub customer_id: CustomerId,
    /// What `restocks` of the product was: while it still is, the customer waits; after that the entry is due.
    pub round: i32,
    /// Since when.
    pub joined_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
