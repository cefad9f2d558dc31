//! A rule by which points are earned.

use crate::Instant;
use crate::id::EarningRuleId;
use sea_orm::entity::prelude::*;
/// A rule by which points are earned.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "earning_rules")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EarningRuleId,
    /// The shop's; unique; what entries of the ledger name it by.
    pub code: String,
    /// When it was first drafted.
    pub created_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
