//! How often somebody did what is limited, over all instances.

use sea_orm::entity::prelude::*;

/// How often somebody did what is limited, over all instances.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rate_limits")]
pub struct Model {
    /// A keyed hash of the limit and of whom it counts: names nobody.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: Vec<u8>,
    /// When the window began, in milliseconds since 1970 by the shop's clock.
    pub began_ms: i64,
    /// Counted in this window.
    pub count: i64,
    /// Counted in the window before.
    pub previous: i64,
}

/// None is walked: rows are found by their key.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
