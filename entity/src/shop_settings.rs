//! A version of the shop's settings; the highest is in force.

use crate::Instant;
use crate::id::StaffId;
use sea_orm::entity::prelude::*;
/// A version of the shop's settings; the highest is in force.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shop_settings")]
pub struct Model {
    /// Rises by one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// The settings, whole.
    pub body: Json,
    /// Who changed them; none for the first.
    pub staff_id: Option<StaffId>,
    /// When.
    pub created_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
