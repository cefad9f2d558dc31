//! Something asked of whoever takes the money.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{CallId, MembershipId};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CallState {
    /// Not answered yet.
    #[sea_orm(string_value = "PENDING")]
    Pending,
    /// Done.
    #[sea_orm(string_value = "DONE")]
    Done,
    /// Refused for good.
    #[sea_orm(string_value = "FAILED")]
    Failed,
}

/// Something asked of whoever takes the money.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "billing_calls")]
pub struct Model {
    /// Ours; with it, it is done once.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CallId,
    /// For which.
    pub membership_id: MembershipId,
    /// What.
    pub call: Json,
    /// What became of it.
    pub state: CallState,
    /// Its number among what was asked of the membership.
    pub seq: i64,
    /// When.
    pub asked_at: Instant,
    /// When it was answered.
    pub settled_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
