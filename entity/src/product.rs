//! A product of the catalogue.

use crate::Instant;
use crate::id::ProductId;
use sea_orm::entity::prelude::*;
/// A product of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "products")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductId,
    /// The shop's; unique.
    pub sku: String,
    /// Shown to customers.
    pub name: String,
    /// An array of strings.
    pub categories: Json,
    /// First stated.
    pub created_at: Instant,
    /// Last changed.
    pub updated_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
