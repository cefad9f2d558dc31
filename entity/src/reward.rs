//! Something that customers get for points.

use crate::Instant;
use crate::id::RewardId;
use sea_orm::entity::prelude::*;
/// Something that customers get for points.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rewards")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RewardId,
    /// The shop's; unique.
    pub code: String,
    /// As customers read it.
    pub name: String,
    /// As customers read it.
    pub description: String,
    /// What it is.
    pub gives: Json,
    /// Points.
    pub cost: i32,
    /// How many are left; none is not kept.
    pub stock: Option<i32>,
    /// Claims by one customer.
    pub customer_limit: Option<i32>,
    /// From when on.
    pub starts_at: Option<Instant>,
    /// Until when.
    pub ends_at: Option<Instant>,
    /// Not offered any more.
    pub archived: bool,
    /// When it was made.
    pub created_at: Instant,
    /// Last changed.
    pub updated_at: Instant,
    /// The codes of the tiers whose members can claim it; everybody, if empty.
    pub tiers: Json,
    /// The codes of the plans whose members can claim it; everybody, if empty.
    pub plans: Json,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
