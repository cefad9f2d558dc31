//! That an account was told of points that end on a day.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::AccountId;
/// That an account was told of points that end on a day.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "points_expiry_warnings")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// The last day on which they count, such as `2026-11-30`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ends_on: String,
    /// So many days before.
    #[sea_orm(primary_key, auto_increment = false)]
    pub days: i32,
    /// When.
    pub warned_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
