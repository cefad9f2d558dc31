//! An adjustment above the limit of a role: it waits for a second person.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{AdjustmentId, CustomerId, StaffId};

/// Where an adjustment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AdjustmentState {
    /// Nothing has moved yet.
    #[sea_orm(string_value = "PENDING")]
    Pending,
    /// A second person approved it; the points have moved.
    #[sea_orm(string_value = "APPROVED")]
    Approved,
    /// Refused by a second person, or withdrawn.
    #[sea_orm(string_value = "REJECTED")]
    Rejected,
}

/// An adjustment above the limit of a role: it waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "points_adjustments")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AdjustmentId,
    /// Whose points.
    pub customer_id: CustomerId,
    /// Points to add; below 0 to take.
    pub delta: i32,
    /// As written by whoever asked.
    pub reason: String,
    /// Where it is.
    pub state: AdjustmentState,
    /// Who asked.
    pub requested_by: StaffId,
    /// When.
    pub requested_at: Instant,
    /// Who decided; never who asked.
    pub decided_by: Option<StaffId>,
    /// When.
    pub decided_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
