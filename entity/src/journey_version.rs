//! A version of a journey; it never changes.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{JourneyId, JourneyVersionId, StaffId};

/// A version of a journey; it never changes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "journey_versions")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JourneyVersionId,
    /// Of which.
    pub journey_id: JourneyId,
    /// From 1; unique with the journey.
    pub version: i32,
    /// What it does, whole.
    pub definition: Json,
    /// Who published it.
    pub staff_id: Option<StaffId>,
    /// When.
    pub published_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
