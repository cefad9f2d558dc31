//! A points account: the sums of its buckets, cached from its entries.

use crate::Instant;
use crate::id::{AccountId, CustomerId, GuestId};
use sea_orm::entity::prelude::*;
/// A points account: the sums of its buckets, cached from its entries.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "points_accounts")]
pub struct Model {
    /// The id of its owner.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// Owner.
    pub customer_id: Option<CustomerId>,
    /// Owner.
    pub guest_id: Option<GuestId>,
    /// Zero or below: minus what was ever issued.
    pub issued: i64,
    /// Earned, not active.
    pub pending: i64,
    /// To spend.
    pub available: i64,
    /// Set aside.
    pub held: i64,
    /// Spent.
    pub redeemed: i64,
    /// Lost by time.
    pub expired: i64,
    /// Taken back.
    pub revoked: i64,
    /// Owed: repaid first from later credits.
    pub debt: i64,
    /// Number of the last entry; guards every write.
    pub seq: i64,
    /// Of the last entry.
    pub changed_at: Instant,
    /// Opened.
    pub created_at: Instant,
    /// The account to which everything of this one went; nothing is posted here any more.
    pub merged_into: Option<AccountId>,
    /// When what ends without activity ends, unless an activity comes before; none if there is nothing such.
    pub inactive_at: Option<Instant>,
    /// Months that an activity lets it live.
    pub inactivity_months: Option<i32>,
    /// How often it has run out: names the lots that end together.
    pub activity_period: i32,
    /// Days before `inactive_at` of the last warning; 366 before the first.
    pub warned_days: i32,
    /// Since when an import tells of its past; none if it has ended.
    pub history_since: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
