//! What shipping cost for an order and what it would have cost, as it was when the order was recorded.

use sea_orm::entity::prelude::*;

use crate::id::OrderId;

/// What shipping cost for an order and what it would have cost, in minor units of its currency. Never changed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_shipping")]
pub struct Model {
    /// Of which order.
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: OrderId,
    /// The code of the method, if the shop stated one.
    pub method: Option<String>,
    /// For whoever is no member.
    pub standard: i64,
    /// As the shop stated it.
    pub charged: i64,
    /// What each plan would have charged, by its code.
    pub prices: Json,
    /// The code of the plan that the buyer had.
    pub plan: Option<String>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
