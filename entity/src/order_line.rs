//! A line of an order.

use crate::id::{LineId, OrderId};
use sea_orm::entity::prelude::*;
/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_lines")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LineId,
    /// Its order.
    pub order_id: OrderId,
    /// From 1.
    pub position: i32,
    /// The shop's.
    pub sku: String,
    /// As sold.
    pub name: String,
    /// An array of strings.
    pub categories: Json,
    /// At least 1.
    pub quantity: i32,
    /// 0 to quantity.
    pub returned: i32,
    /// Minor units after discount; authoritative.
    pub line_total: i64,
    /// Ten-thousandths: 0.21 is 2100.
    pub tax_rate: Option<i32>,
    /// Minor units of it paid with points.
    pub redeemed_value: i64,
    /// Those points.
    pub redeemed_points: i32,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
