//! What whoever takes the money calls a customer.

use sea_orm::entity::prelude::*;

use crate::id::CustomerId;

/// What whoever takes the money calls a customer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "billing_customers")]
pub struct Model {
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: CustomerId,
    /// Where.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: String,
    /// Theirs; unique.
    pub reference: String,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
