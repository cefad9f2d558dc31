//! What a product is found by.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::id::ProductId;

/// How a term is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TermKind {
    /// A word of the name or sku, in lower case.
    #[sea_orm(string_value = "WORD")]
    Word,
    /// A category, as it is written.
    #[sea_orm(string_value = "CATEGORY")]
    Category,
}

/// What a product is found by.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product_terms")]
pub struct Model {
    /// How it is meant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: TermKind,
    /// The word or category.
    #[sea_orm(primary_key, auto_increment = false)]
    pub term: String,
    /// Which product.
    #[sea_orm(primary_key, auto_increment = false)]
    pub product_id: ProductId,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
