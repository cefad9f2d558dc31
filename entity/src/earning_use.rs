//! How often an account used a limited rule in a period.

use crate::id::{AccountId, EarningRuleId};
use sea_orm::entity::prelude::*;
/// How often an account used a limited rule in a period.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "earning_uses")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// Which rule, whatever version.
    #[sea_orm(primary_key, auto_increment = false)]
    pub rule_id: EarningRuleId,
    /// Such as `2026-11-30`, `2026-11`, `2026` or `ever`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub period: String,
    /// How often.
    pub used: i32,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
