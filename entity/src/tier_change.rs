//! How a customer's tier changed; never changed itself.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{CustomerId, TierChangeId};
/// What changed a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TierCause {
    /// Points that were earned, or what was spent.
    #[sea_orm(string_value = "REACHED")]
    Reached,
    /// A return or cancelled order.
    #[sea_orm(string_value = "RETURNED")]
    Returned,
    /// Time.
    #[sea_orm(string_value = "PERIOD_ENDED")]
    PeriodEnded,
    /// The shop changed its tiers.
    #[sea_orm(string_value = "PROGRAMME_CHANGED")]
    ProgrammeChanged,
    /// Staff.
    #[sea_orm(string_value = "STAFF")]
    Staff,
    /// A guest or another customer turned out to be this one.
    #[sea_orm(string_value = "MERGED")]
    Merged,
}

/// How a customer's tier changed; never changed itself.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tier_changes")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TierChangeId,
    /// Whose.
    pub customer_id: CustomerId,
    /// From 1 without gaps.
    pub number: i32,
    /// Before.
    pub from_tier: Option<String>,
    /// After.
    pub to_tier: Option<String>,
    /// What did it.
    pub cause: TierCause,
    /// As staff wrote it.
    pub reason: Option<String>,
    /// When.
    pub at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
