//! An unproven address that ordered.

use crate::Instant;
use crate::id::{CustomerId, GuestId};
use sea_orm::entity::prelude::*;
/// An unproven address that ordered.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "guest_identities")]
pub struct Model {
    /// Also the id of the points account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: GuestId,
    /// As first written.
    pub email: String,
    /// Normalised; unique.
    pub email_key: String,
    /// Whom the address proved to be.
    pub customer_id: Option<CustomerId>,
    /// First order.
    pub created_at: Instant,
    /// When the address was proven.
    pub joined_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
