//! What the shop packs with orders that meet its conditions.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::PackingRuleId;

/// What the shop packs with orders that meet its conditions.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "packing_rules")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PackingRuleId,
    /// The shop's; unique.
    pub code: String,
    /// What to do, by language.
    pub texts: Json,
    /// All must hold.
    pub conditions: Json,
    /// Orders placed from then on.
    pub starts_at: Option<Instant>,
    /// Orders placed before.
    pub ends_at: Option<Instant>,
    /// Whether it is for any order at all.
    pub active: bool,
    /// When it was made.
    pub created_at: Instant,
    /// Last changed.
    pub updated_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
