//! What an account did on one day that counts for tiers.

use sea_orm::entity::prelude::*;

use crate::id::AccountId;
/// What an account did on one day that counts for tiers.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tier_days")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// `POINTS`, or the currency of what was spent.
    #[sea_orm(primary_key, auto_increment = false)]
    pub unit: String,
    /// In the shop's time zone, such as `2026-11-30`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: String,
    /// Points, or minor units, less what came back of it.
    pub amount: i64,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
