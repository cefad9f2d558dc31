//! A step of what a shipping method costs.

use sea_orm::entity::prelude::*;

use crate::id::{ShippingMethodId, ShippingRateId};

/// A step of what a shipping method costs.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shipping_rates")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ShippingRateId,
    /// Of which method.
    pub method_id: ShippingMethodId,
    /// Place among the rates of its method, from 0.
    pub position: i32,
    /// Codes of countries with a blank between them; empty for all that no other rate in its currency names.
    pub countries: String,
    /// ISO 4217.
    pub currency: String,
    /// From so many grams, or minor units of the goods, on.
    pub from_amount: i64,
    /// Minor units.
    pub price: i64,
    /// Costs nothing from so many minor units of the goods on.
    pub free_from: Option<i64>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
