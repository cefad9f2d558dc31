//! A plan of paid memberships.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::PlanId;

/// How often something is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Interval {
    /// Every month.
    #[sea_orm(string_value = "MONTH")]
    Month,
    /// Every year.
    #[sea_orm(string_value = "YEAR")]
    Year,
}

/// A plan of paid memberships.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "membership_plans")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PlanId,
    /// The shop's; unique.
    pub code: String,
    /// As customers read it.
    pub name: String,
    /// As customers read it.
    pub description: String,
    /// ISO 4217.
    pub currency: String,
    /// Minor units per interval.
    pub price: i64,
    /// How often it is paid.
    pub billed: Interval,
    /// Days before the first payment.
    pub trial_days: i32,
    /// Months that it lasts at least.
    pub minimum_months: i32,
    /// Days that it goes on for while a payment is late.
    pub grace_days: i32,
    /// What it gives.
    pub benefits: Json,
    /// Nobody can join it any more.
    pub archived: bool,
    /// When it was made.
    pub created_at: Instant,
    /// Last changed.
    pub updated_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
