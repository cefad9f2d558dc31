//! What was asked, and paid, for some time of a membership.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::MembershipId;

/// What became of a charge; of two that are told, the later here is true.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChargeStatus {
    /// Nobody has paid yet.
    #[sea_orm(string_value = "OPEN")]
    Open,
    /// A try to take it failed.
    #[sea_orm(string_value = "FAILED")]
    Failed,
    /// It will not be taken.
    #[sea_orm(string_value = "VOID")]
    Void,
    /// Paid.
    #[sea_orm(string_value = "PAID")]
    Paid,
    /// Paid; its bank has taken it back for now.
    #[sea_orm(string_value = "DISPUTED")]
    Disputed,
    /// Disputed, and kept.
    #[sea_orm(string_value = "WON")]
    Won,
    /// Given or taken back for good.
    #[sea_orm(string_value = "REFUNDED")]
    Refunded,
}

/// What was asked, and paid, for some time of a membership.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "membership_charges")]
pub struct Model {
    /// As whoever takes the money calls it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub invoice: String,
    /// For which.
    pub membership_id: MembershipId,
    /// From when on it is for.
    pub covers_from: Instant,
    /// Until when.
    pub covers_until: Instant,
    /// ISO 4217.
    pub currency: String,
    /// Minor units.
    pub amount: i64,
    /// Minor units of it that were given back.
    pub refunded: i64,
    /// What became of it.
    pub status: ChargeStatus,
    /// When it was asked.
    pub asked_at: Instant,
    /// When it was paid.
    pub paid_at: Option<Instant>,
    /// When a try to take it failed last.
    pub failed_at: Option<Instant>,
    /// When all of it was given or taken back.
    pub back_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
