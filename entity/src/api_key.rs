//! A key of the shop's servers.

use crate::Instant;
use crate::id::{ApiKeyId, KeyOwnerId};
use sea_orm::entity::prelude::*;
/// A key of the shop's servers.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiKeyId,
    /// Survives rotation.
    pub owner_id: KeyOwnerId,
    /// What it is for.
    pub name: String,
    /// The visible part; unique.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub secret_hash: Vec<u8>,
    /// An array of scope names.
    pub scopes: Json,
    /// Made.
    pub created_at: Instant,
    /// End.
    pub expires_at: Option<Instant>,
    /// Withdrawn.
    pub revoked_at: Option<Instant>,
    /// To the minute.
    pub last_used_at: Option<Instant>,
    /// The key that it was rotated to.
    pub replaced_by: Option<ApiKeyId>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
