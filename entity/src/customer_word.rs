//! A word that a customer is found by.

use sea_orm::entity::prelude::*;

use crate::id::CustomerId;

/// A word that a customer is found by.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer_words")]
pub struct Model {
    /// A word of the name or an address, in lower case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub word: String,
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: CustomerId,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
