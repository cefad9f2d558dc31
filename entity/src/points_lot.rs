//! One earn: its pending amount, then what remains to be spent.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{AccountId, LineId, LotId, ReferralId};
/// What gave a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LotSource {
    /// A line of an order.
    #[sea_orm(string_value = "ORDER")]
    Order,
    /// The shop, for something that is no order.
    #[sea_orm(string_value = "GRANT")]
    Grant,
    /// Staff.
    #[sea_orm(string_value = "ADJUSTMENT")]
    Adjustment,
    /// A friend who was brought: for either of the two.
    #[sea_orm(string_value = "REFERRAL")]
    Referral,
    /// Another programme, from which it was brought over.
    #[sea_orm(string_value = "OPENING")]
    Opening,
}

/// Where a lot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LotState {
    /// A guest's: pending until the mailbox is proven; `expires_at` is when it lapses.
    #[sea_orm(string_value = "WAITING")]
    Waiting,
    /// Earned, not active.
    #[sea_orm(string_value = "PENDING")]
    Pending,
    /// Something remains to be spent.
    #[sea_orm(string_value = "OPEN")]
    Open,
    /// Nothing is left, unless an undone debit refills it.
    #[sea_orm(string_value = "SPENT")]
    Spent,
}

/// One earn: its pending amount, then what remains to be spent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "points_lots")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LotId,
    /// Whose.
    pub account_id: AccountId,
    /// What gave it.
    pub source: LotSource,
    /// The line that earned it.
    pub order_line_id: Option<LineId>,
    /// The rule that gave it.
    pub rule: Option<String>,
    /// And its version.
    pub rule_version: Option<i32>,
    /// Points earned.
    pub amount: i32,
    /// Not active yet.
    pub pending: i32,
    /// Active and unspent.
    pub remaining: i32,
    /// Claimed by returns so far.
    pub clawed_back: i32,
    /// Lost by expiry and not yet set against a claw-back.
    pub lapsed: i32,
    /// Where it is.
    pub state: LotState,
    /// Days from delivery to activation, frozen when it was earned; none if it activates otherwise.
    pub activates_after: Option<i32>,
    /// When, if by time.
    pub activates_at: Option<Instant>,
    /// Activation.
    pub opened_at: Option<Instant>,
    /// End of what remains; none if it has none of its own.
    pub expires_at: Option<Instant>,
    /// The period of its account with which it ends, if it ends without activity.
    pub activity_period: Option<i32>,
    /// Days before its end of the last warning; 366 before the first.
    pub warned_days: i32,
    /// The referral that gave it: if that is undone, it is taken back.
    pub referral_id: Option<ReferralId>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
