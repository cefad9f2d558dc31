//! A paid membership of a customer.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{CustomerId, MembershipId, OrderId, PlanId};
use crate::membership_plan::Interval;

/// Where a membership is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MembershipState {
    /// Asked for; neither paid nor on trial yet.
    #[sea_orm(string_value = "INCOMPLETE")]
    Incomplete,
    /// On trial.
    #[sea_orm(string_value = "TRIALING")]
    Trialing,
    /// Paid.
    #[sea_orm(string_value = "ACTIVE")]
    Active,
    /// A payment is late.
    #[sea_orm(string_value = "PAST_DUE")]
    PastDue,
    /// Paused: the days that are left wait.
    #[sea_orm(string_value = "PAUSED")]
    Paused,
    /// Ended because somebody wanted that.
    #[sea_orm(string_value = "CANCELLED")]
    Cancelled,
    /// Ended because nobody paid.
    #[sea_orm(string_value = "EXPIRED")]
    Expired,
}

/// Why a membership ended.
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
pub enum EndedWhy {
    /// Its member cancelled it.
    #[sea_orm(string_value = "MEMBER")]
    Member,
    /// The shop cancelled it.
    #[sea_orm(string_value = "SHOP")]
    Shop,
    /// Its member withdrew from the contract.
    #[sea_orm(string_value = "WITHDRAWN")]
    Withdrawn,
    /// Its payment was given back.
    #[sea_orm(string_value = "REFUNDED")]
    Refunded,
    /// Its payment was taken back by the bank.
    #[sea_orm(string_value = "DISPUTED")]
    Disputed,
    /// Its trial was paid for with a card that had one before.
    #[sea_orm(string_value = "TRIAL_USED")]
    TrialUsed,
    /// It was ended where it is billed.
    #[sea_orm(string_value = "DELETED")]
    Deleted,
    /// It was not paid in time.
    #[sea_orm(string_value = "UNPAID")]
    Unpaid,
    /// Its first payment never came.
    #[sea_orm(string_value = "NEVER_PAID")]
    NeverPaid,
}

/// A paid membership of a customer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "memberships")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MembershipId,
    /// Whose.
    pub customer_id: CustomerId,
    /// Whose, until it has ended; unique.
    pub open_for: Option<CustomerId>,
    /// What it is.
    pub plan_id: PlanId,
    /// What it becomes when it is renewed.
    pub next_plan_id: Option<PlanId>,
    /// What it costs then, in minor units per interval.
    pub next_price: Option<i64>,
    /// How often it is paid then.
    pub next_billed: Option<Interval>,
    /// When that is.
    pub next_at: Option<Instant>,
    /// ISO 4217, of the price.
    pub currency: String,
    /// Minor units per interval, as agreed.
    pub price: i64,
    /// How often it is paid.
    pub billed: Interval,
    /// Days that it goes on for while a payment is late, as agreed.
    pub grace_days: i32,
    /// As of the last change; `entitled_until` is what counts.
    pub state: MembershipState,
    /// Until when its benefits are given if nothing happens; none if they never were.
    pub entitled_until: Option<Instant>,
    /// The end of what is paid, or of the trial.
    pub paid_through: Option<Instant>,
    /// When its state changes if nothing happens.
    pub due_at: Option<Instant>,
    /// Days of trial that were agreed.
    pub trial_days: i32,
    /// The end of the trial, once it has begun.
    pub trial_until: Option<Instant>,
    /// Months that it lasts at least, as agreed.
    pub minimum_months: i32,
    /// The end of its minimum term, once it has begun.
    pub minimum_until: Option<Instant>,
    /// When it is to end.
    pub cancels_at: Option<Instant>,
    /// The number of what said so last.
    pub cancel_seq: i64,
    /// Who wants it to end.
    pub cancel_why: Option<EndedWhy>,
    /// As its member, or the shop, put it.
    pub cancel_reason: Option<String>,
    /// When it ended for good.
    pub ended_at: Option<Instant>,
    /// Why.
    pub ended_why: Option<EndedWhy>,
    /// Counts what was asked for and what was looked up.
    pub seq: i64,
    /// The newest look-up that was taken over.
    pub synced_seq: i64,
    /// When it was looked up last, or was last to be.
    pub synced_at: Option<Instant>,
    /// Where it is billed.
    pub account: Option<String>,
    /// As whoever bills it calls it; unique.
    pub subscription: Option<String>,
    /// The page on which it is being paid, as whoever bills it calls that.
    pub checkout: Option<String>,
    /// The order that it was joined with; unique.
    pub order_id: Option<OrderId>,
    /// When a benefit was used first.
    pub benefit_used_at: Option<Instant>,
    /// When it was asked for.
    pub began_at: Instant,
    /// When it was first paid, or its trial began.
    pub joined_at: Option<Instant>,
    /// Last changed.
    pub updated_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
