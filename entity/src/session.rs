//! A signed-in device: a family of refresh tokens.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::SessionId;
/// Whom tokens are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Audience {
    /// Members of the shop.
    #[sea_orm(string_value = "CUSTOMER")]
    Customer,
    /// People of the shop.
    #[sea_orm(string_value = "STAFF")]
    Staff,
}

/// A signed-in device: a family of refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// The `sid` of its tokens.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    /// Customer or staff.
    pub audience: Audience,
    /// The customer or staff id.
    pub subject_id: Uuid,
    /// Sign-in.
    pub created_at: Instant,
    /// When it ends at the latest.
    pub expires_at: Instant,
    /// Sign-out, or reuse of an old token.
    pub revoked_at: Option<Instant>,
    /// When the password, code or second factor was last given in it.
    pub authenticated_at: Option<Instant>,
    /// When its tokens were last renewed.
    pub last_seen_at: Option<Instant>,
    /// What the client called itself at sign-in; at most 200 characters.
    pub user_agent: Option<String>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
