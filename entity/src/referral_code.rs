//! What a customer gives friends, so that both are rewarded.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::CustomerId;

/// What a customer gives friends, so that both are rewarded.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "referral_codes")]
pub struct Model {
    /// In upper case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    /// Whose.
    pub customer_id: CustomerId,
    /// For whom it was made, who may have turned out to be the other; unique.
    pub made_for: CustomerId,
    /// When.
    pub created_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
