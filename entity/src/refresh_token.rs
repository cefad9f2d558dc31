//! A refresh token, hashed.

use crate::Instant;
use crate::id::SessionId;
use sea_orm::entity::prelude::*;
/// A refresh token, hashed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub struct Model {
    /// SHA-256 of the token.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: Vec<u8>,
    /// Its family.
    pub session_id: SessionId,
    /// The token it replaced.
    pub parent_hash: Option<Vec<u8>>,
    /// Issued.
    pub created_at: Instant,
    /// End.
    pub expires_at: Instant,
    /// Rotated.
    pub used_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
