//! An update of a product, told to its owners.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{ProductId, ProductUpdateId, StaffId};

/// An update of a product, told to its owners.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product_updates")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductUpdateId,
    /// Of which.
    pub product_id: ProductId,
    /// By language tag.
    pub title: Json,
    /// By language tag.
    pub body: Json,
    /// Where more is to be read.
    pub link: Option<String>,
    /// Who wrote it.
    pub staff_id: Option<StaffId>,
    /// When it was told.
    pub created_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
