//! An event, written with the change that caused it.

use crate::Instant;
use crate::id::EventId;
use sea_orm::entity::prelude::*;
/// An event, written with the change that caused it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// Rises with every event; of two events of one aggregate the later one has the higher.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// Ours.
    pub id: EventId,
    /// Such as `points.earned`.
    pub topic: String,
    /// What it happened to.
    pub aggregate_id: Uuid,
    /// Ids and amounts; no personal values.
    pub payload: Json,
    /// History: triggers nothing.
    pub imported: bool,
    /// When.
    pub occurred_at: Instant,
    /// Given by the relay after commit, without gaps.
    pub position: Option<i64>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
