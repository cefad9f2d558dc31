//! The key of a customer's personal values in logs; without it they cannot be read.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::CustomerId;

/// The key of a customer's personal values in logs; without it they cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer_keys")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: CustomerId,
    /// 32 random bytes: AES-256-GCM.
    pub material: Vec<u8>,
    /// When.
    pub created_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
