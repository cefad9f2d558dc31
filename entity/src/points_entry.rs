//! One move of points between two buckets of an account; never changed.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{AccountId, EntryId, HoldId, LineId, LotId, OrderId, ReturnId};
/// Where points are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Bucket {
    /// Outside: where points come from.
    #[sea_orm(string_value = "ISSUED")]
    Issued,
    /// Earned, not active.
    #[sea_orm(string_value = "PENDING")]
    Pending,
    /// To spend.
    #[sea_orm(string_value = "AVAILABLE")]
    Available,
    /// Set aside.
    #[sea_orm(string_value = "HELD")]
    Held,
    /// Spent.
    #[sea_orm(string_value = "REDEEMED")]
    Redeemed,
    /// Lost by time.
    #[sea_orm(string_value = "EXPIRED")]
    Expired,
    /// Taken back.
    #[sea_orm(string_value = "REVOKED")]
    Revoked,
    /// Owed.
    #[sea_orm(string_value = "DEBT")]
    Debt,
}

/// Why points moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryKind {
    /// Earned.
    #[sea_orm(string_value = "EARN")]
    Earn,
    /// Became spendable.
    #[sea_orm(string_value = "ACTIVATE")]
    Activate,
    /// Set aside.
    #[sea_orm(string_value = "HOLD")]
    Hold,
    /// Given back from a hold.
    #[sea_orm(string_value = "RELEASE")]
    Release,
    /// Spent from a hold.
    #[sea_orm(string_value = "CAPTURE")]
    Capture,
    /// Spent points given back after a return.
    #[sea_orm(string_value = "REFUND")]
    Refund,
    /// By staff.
    #[sea_orm(string_value = "ADJUST")]
    Adjust,
    /// Taken back after a return.
    #[sea_orm(string_value = "CLAW_BACK")]
    ClawBack,
    /// Lost by time.
    #[sea_orm(string_value = "EXPIRE")]
    Expire,
    /// A guest never came.
    #[sea_orm(string_value = "LAPSE")]
    Lapse,
    /// A claw-back the balance could not cover.
    #[sea_orm(string_value = "OWE")]
    Owe,
    /// A debt paid from a later credit.
    #[sea_orm(string_value = "REPAY")]
    Repay,
    /// Left a guest for the customer that the guest proved to be.
    #[sea_orm(string_value = "JOIN_OUT")]
    JoinOut,
    /// Came from a guest identity.
    #[sea_orm(string_value = "JOIN_IN")]
    JoinIn,
    /// Left a customer who turned out to be another.
    #[sea_orm(string_value = "MERGE_OUT")]
    MergeOut,
    /// Came from a customer who turned out to be this one.
    #[sea_orm(string_value = "MERGE_IN")]
    MergeIn,
    /// Brought over from another programme.
    #[sea_orm(string_value = "OPENING")]
    Opening,
}

/// Who moved points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ActorKind {
    /// The member.
    #[sea_orm(string_value = "CUSTOMER")]
    Customer,
    /// The shop's server.
    #[sea_orm(string_value = "SHOP")]
    Shop,
    /// A member of staff.
    #[sea_orm(string_value = "STAFF")]
    Staff,
    /// Time and rules.
    #[sea_orm(string_value = "SYSTEM")]
    System,
}

/// One move of points between two buckets of an account; never changed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "points_entries")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EntryId,
    /// Whose.
    pub account_id: AccountId,
    /// From 1 without gaps, given under the lock.
    pub seq: i64,
    /// Why.
    pub kind: EntryKind,
    /// Where from.
    pub from_bucket: Bucket,
    /// Where to.
    pub to_bucket: Bucket,
    /// Points, above 0.
    pub amount: i32,
    /// The earn it is about.
    pub lot_id: Option<LotId>,
    /// The hold it is about.
    pub hold_id: Option<HoldId>,
    /// The order behind it.
    pub order_id: Option<OrderId>,
    /// The line behind it.
    pub order_line_id: Option<LineId>,
    /// The return behind it.
    pub return_id: Option<ReturnId>,
    /// The rule that gave it.
    pub rule: Option<String>,
    /// And its version.
    pub rule_version: Option<i32>,
    /// As staff or the shop wrote it.
    pub reason: Option<String>,
    /// Who.
    pub actor_kind: ActorKind,
    /// Their id.
    pub actor_id: Option<Uuid>,
    /// When it counts.
    pub effective_at: Instant,
    /// When it was written.
    pub recorded_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
