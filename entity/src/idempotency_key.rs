//! A mutation that was done, by its caller's key.

use crate::Instant;
use sea_orm::entity::prelude::*;
/// A mutation that was done, by its caller's key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    /// Whose key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: String,
    /// As the caller gave it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Which mutation.
    pub operation: String,
    /// SHA-256 of the command.
    pub fingerprint: Vec<u8>,
    /// Ids and amounts of the answer.
    pub result: Option<Json>,
    /// Kept 30 days.
    pub created_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
