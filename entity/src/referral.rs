//! A friend whom a customer brought.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{CustomerId, GuestId, OrderId, ReferralId};

/// Where a referral is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReferralState {
    /// Waits for the friend's first paid order.
    #[sea_orm(string_value = "PENDING")]
    Pending,
    /// Waits for the end of that order's return window.
    #[sea_orm(string_value = "QUALIFIED")]
    Qualified,
    /// Both were rewarded.
    #[sea_orm(string_value = "REWARDED")]
    Rewarded,
    /// Nobody is rewarded.
    #[sea_orm(string_value = "REFUSED")]
    Refused,
    /// Both were rewarded, and what they got was taken back.
    #[sea_orm(string_value = "CLAWED_BACK")]
    ClawedBack,
}

/// Why a referral does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReferralReason {
    /// No such code.
    #[sea_orm(string_value = "CODE_UNKNOWN")]
    CodeUnknown,
    /// Friend and referrer are one person.
    #[sea_orm(string_value = "SAME_PERSON")]
    SamePerson,
    /// They have one mailbox, whatever its address has behind a plus or between dots.
    #[sea_orm(string_value = "SAME_EMAIL")]
    SameEmail,
    /// They have a postal address in common.
    #[sea_orm(string_value = "SAME_ADDRESS")]
    SameAddress,
    /// They paid with one card.
    #[sea_orm(string_value = "SAME_CARD")]
    SameCard,
    /// The friend had ordered before.
    #[sea_orm(string_value = "NOT_NEW_CUSTOMER")]
    NotNewCustomer,
    /// Another brought the friend.
    #[sea_orm(string_value = "ALREADY_REFERRED")]
    AlreadyReferred,
    /// The friend brought the referrer, or who brought the referrer, and so on.
    #[sea_orm(string_value = "CIRCULAR")]
    Circular,
    /// The referrer was rewarded as often as one may be in a year.
    #[sea_orm(string_value = "REFERRER_LIMIT")]
    ReferrerLimit,
    /// One of them takes no part in the programme, or is disabled.
    #[sea_orm(string_value = "LEFT_PROGRAMME")]
    LeftProgramme,
    /// The order was cancelled, or all of it came back.
    #[sea_orm(string_value = "ORDER_RETURNED")]
    OrderReturned,
}

/// A friend whom a customer brought.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "referrals")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ReferralId,
    /// As the friend named it, in upper case.
    pub code: String,
    /// Who brought the friend.
    pub referrer_id: CustomerId,
    /// The friend; unique.
    pub friend_id: Option<CustomerId>,
    /// The friend, until the mailbox is proven; unique.
    pub guest_id: Option<GuestId>,
    /// Where it is.
    pub state: ReferralState,
    /// Why nobody is rewarded, or why it was taken back.
    pub reason: Option<ReferralReason>,
    /// The order that named the code; unique.
    pub bound_by_id: Option<OrderId>,
    /// The order that counts; unique.
    pub order_id: Option<OrderId>,
    /// What the referrer got.
    pub referrer_points: i32,
    /// What the friend got.
    pub friend_points: i32,
    /// Since when: orders placed before make a friend who is not new.
    pub bound_at: Instant,
    /// When the order that counts was paid.
    pub qualified_at: Option<Instant>,
    /// When its return window ends.
    pub vests_at: Option<Instant>,
    /// When both were rewarded.
    pub rewarded_at: Option<Instant>,
    /// When it was refused or taken back.
    pub ended_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
