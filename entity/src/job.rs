//! A piece of background work.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::JobId;
/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobState {
    /// Waits for its time or a worker.
    #[sea_orm(string_value = "READY")]
    Ready,
    /// Failed too often; an operator decides.
    #[sea_orm(string_value = "DEAD")]
    Dead,
}

/// A piece of background work.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JobId,
    /// Which handler.
    pub kind: String,
    /// Its input.
    pub payload: Json,
    /// One of very many: it waits in a lane of its own.
    pub bulk: bool,
    /// At most one job has it; unique.
    pub dedup_key: Option<String>,
    /// Where it is.
    pub state: JobState,
    /// Milliseconds since 1970 by the shop's clock.
    pub due_ms: i64,
    /// Runs started.
    pub attempts: i64,
    /// After as many it is dead.
    pub max_attempts: i64,
    /// Fences off a stale worker.
    pub lease_token: i64,
    /// Milliseconds since 1970 by the database's clock.
    pub leased_until_ms: Option<i64>,
    /// The run before the last one never told how it ended.
    pub lost_lease: bool,
    /// For the operator.
    pub last_error: Option<String>,
    /// Enqueued.
    pub created_at: Instant,
    /// Dead since; a job that is done is gone.
    pub ended_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
