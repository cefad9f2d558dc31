//! A return of some pieces of a line.

use crate::Instant;
use crate::id::{LineId, OrderId, ReturnId};
use sea_orm::entity::prelude::*;
/// A return of some pieces of a line.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_returns")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ReturnId,
    /// Its order.
    pub order_id: OrderId,
    /// Its line.
    pub line_id: LineId,
    /// At least 1.
    pub quantity: i32,
    /// As stated.
    pub reason: Option<String>,
    /// By the shop.
    pub returned_at: Instant,
    /// Here.
    pub recorded_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
