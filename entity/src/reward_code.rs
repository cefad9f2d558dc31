//! A code of others, such as of a voucher, that a claim of a reward hands out.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{RewardCodeId, RewardId};

/// A code of others, such as of a voucher, that a claim of a reward hands out.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reward_codes")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RewardCodeId,
    /// Of which reward.
    pub reward_id: RewardId,
    /// As it was added; a reward has it once.
    pub code: String,
    /// When it was added.
    pub added_at: Instant,
    /// When a claim took it; none while it is free.
    pub taken_at: Option<Instant>,
}

/// Nothing that is logged has the code.
impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RewardCode").field("id", &self.id).finish_non_exhaustive()
    }
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
