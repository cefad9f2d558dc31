//! The tier that a customer has, and what keeps it.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::CustomerId;
/// The tier that a customer has, and what keeps it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer_tiers")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: CustomerId,
    /// By its code; none while below the first.
    pub tier: Option<String>,
    /// Since when.
    pub since: Instant,
    /// When it ends, before grace, if nothing more counts; none if it does not.
    pub until: Option<Instant>,
    /// At least this one, as staff gave it.
    pub kept: Option<String>,
    /// Until when; without end if none.
    pub kept_until: Option<Instant>,
    /// At least this one, on the way down step by step.
    pub step: Option<String>,
    /// Until when.
    pub step_until: Option<Instant>,
    /// The end of which the member was told.
    pub noticed: Option<Instant>,
    /// How often it changed.
    pub changes: i32,
    /// When time does something to it.
    pub due_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
