//! What whoever takes the money calls the price of a plan.

use sea_orm::entity::prelude::*;

use crate::id::PlanId;
use crate::membership_plan::Interval;

/// What whoever takes the money calls the price of a plan.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "billing_prices")]
pub struct Model {
    /// Theirs.
    #[sea_orm(primary_key, auto_increment = false)]
    pub reference: String,
    /// Where.
    pub account: String,
    /// Of which.
    pub plan_id: PlanId,
    /// ISO 4217.
    pub currency: String,
    /// Minor units per interval.
    pub amount: i64,
    /// How often.
    pub billed: Interval,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
