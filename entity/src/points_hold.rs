//! Points set aside, then spent or given back.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{AccountId, HoldId, OrderId};
/// Where a hold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HoldState {
    /// Set aside.
    #[sea_orm(string_value = "HELD")]
    Held,
    /// Spent.
    #[sea_orm(string_value = "CAPTURED")]
    Captured,
    /// Given back.
    #[sea_orm(string_value = "VOIDED")]
    Voided,
    /// Given back by time.
    #[sea_orm(string_value = "EXPIRED")]
    Expired,
    /// Spent, some given back.
    #[sea_orm(string_value = "PARTIALLY_REVERSED")]
    PartiallyReversed,
    /// Spent, all given back.
    #[sea_orm(string_value = "REVERSED")]
    Reversed,
}

/// Points set aside, then spent or given back.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "points_holds")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: HoldId,
    /// Whose.
    pub account_id: AccountId,
    /// The order it is pinned to.
    pub order_id: Option<OrderId>,
    /// Where it is.
    pub state: HoldState,
    /// Points.
    pub amount: i32,
    /// Given back by returns after capture.
    pub reversed: i32,
    /// Of its value; none for a reward.
    pub currency: Option<String>,
    /// Minor units it is worth.
    pub value: i64,
    /// What a reward was for.
    pub reference: Option<String>,
    /// When it lapses unless captured.
    pub expires_at: Instant,
    /// Start.
    pub created_at: Instant,
    /// Captured, voided or lapsed.
    pub ended_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
