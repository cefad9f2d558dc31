//! How many published reviews of a product give it a rating.

use sea_orm::entity::prelude::*;

use crate::id::ProductId;

/// How many published reviews of a product give it a rating.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product_ratings")]
pub struct Model {
    /// Which product.
    #[sea_orm(primary_key, auto_increment = false)]
    pub product_id: ProductId,
    /// 1 to 5.
    #[sea_orm(primary_key, auto_increment = false)]
    pub rating: i32,
    /// How many.
    pub count: i32,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
