//! A member of the shop's staff.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::StaffId;
/// A set of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Everything.
    #[sea_orm(string_value = "OWNER")]
    Owner,
    /// Everything but staff, keys and audit.
    #[sea_orm(string_value = "MANAGER")]
    Manager,
    /// Customers, orders and small adjustments.
    #[sea_orm(string_value = "SUPPORT")]
    Support,
    /// Reading only.
    #[sea_orm(string_value = "ANALYST")]
    Analyst,
}

/// A member of the shop's staff.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "staff")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StaffId,
    /// Sign-in name.
    pub email: String,
    /// Normalised; unique.
    pub email_key: String,
    /// Shown in the ledger.
    pub name: String,
    /// Which permissions.
    pub role: Role,
    /// argon2id, PHC string.
    pub password_hash: String,
    /// Since when sign-in is refused.
    pub disabled_at: Option<Instant>,
    /// When.
    pub created_at: Instant,
    /// Of the second factor (RFC 6238), confirmed or not.
    pub totp_secret: Option<Vec<u8>>,
    /// Since when the second factor is asked for.
    pub totp_confirmed_at: Option<Instant>,
    /// The last time step whose code was taken.
    pub totp_step: Option<i64>,
    /// Tries to show that it is they that count towards the limit.
    pub failed_attempts: i32,
    /// The last of those.
    pub failed_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
