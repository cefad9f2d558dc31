//! A balance that was brought over from another programme.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{CustomerId, OpeningBalanceId};
/// A balance that was brought over from another programme.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "opening_balances")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OpeningBalanceId,
    /// As the file names it; unique.
    pub reference: String,
    /// SHA-256 of what was stated.
    pub fingerprint: Vec<u8>,
    /// Whose.
    pub customer_id: CustomerId,
    /// Points, 0 or more.
    pub points: i32,
    /// When.
    pub recorded_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
