//! A customer's claim of a reward, paid with points.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{CouponId, CustomerId, HoldId, RewardClaimId, RewardCodeId, RewardId};

/// Where a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RewardClaimState {
    /// Paid with points; the shop has still to hand it over.
    #[sea_orm(string_value = "CLAIMED")]
    Claimed,
    /// Handed over.
    #[sea_orm(string_value = "FULFILLED")]
    Fulfilled,
    /// Undone: points and stock went back.
    #[sea_orm(string_value = "CANCELLED")]
    Cancelled,
}

/// A customer's claim of a reward, paid with points.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reward_claims")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RewardClaimId,
    /// Of which reward.
    pub reward_id: RewardId,
    /// Whose.
    pub customer_id: CustomerId,
    /// Where it is.
    pub state: RewardClaimState,
    /// Points paid.
    pub cost: i32,
    /// The redemption that paid it.
    pub hold_id: HoldId,
    /// The coupon it gave, if it is one on an order.
    pub coupon_id: Option<CouponId>,
    /// When.
    pub claimed_at: Instant,
    /// When it was handed over or undone.
    pub ended_at: Option<Instant>,
    /// The skus to which it gives early access, if it does.
    pub early_access: Option<Json>,
    /// The code of others that it handed out, if it did.
    pub code_id: Option<RewardCodeId>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
