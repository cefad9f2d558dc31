//! A version of a rule by which points are earned; once published it does not change, only end.

use crate::Instant;
use crate::id::{EarningRuleId, RuleVersionId};
use sea_orm::entity::prelude::*;
/// A version of a rule by which points are earned; once published it does not change, only end.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "earning_rule_versions")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RuleVersionId,
    /// Of which rule.
    pub rule_id: EarningRuleId,
    /// From 1 without gaps.
    pub version: i32,
    /// As customers read it.
    pub name: String,
    /// What it gives and when.
    pub definition: Json,
    /// When it was drafted or last changed as a draft.
    pub drafted_at: Instant,
    /// None while it is a draft.
    pub published_at: Option<Instant>,
    /// From when on it is in force.
    pub effective_from: Option<Instant>,
    /// From when on it is not any more; none while nothing ends it.
    pub effective_until: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
