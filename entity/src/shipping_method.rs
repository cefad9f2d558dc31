//! A way of having an order delivered.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::ShippingMethodId;

/// What the price of a method goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ShippingBasis {
    /// Nothing.
    #[sea_orm(string_value = "FLAT")]
    Flat,
    /// What the goods weigh.
    #[sea_orm(string_value = "WEIGHT")]
    Weight,
    /// What the goods cost.
    #[sea_orm(string_value = "VALUE")]
    Value,
}

/// A way of having an order delivered.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shipping_methods")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ShippingMethodId,
    /// The shop's; unique.
    pub code: String,
    /// What it is called, by language.
    pub names: Json,
    /// What its price goes by.
    pub basis: ShippingBasis,
    /// Whether anything is delivered by it.
    pub active: bool,
    /// Methods are shown by it, the lowest first.
    pub position: i32,
    /// When it was made.
    pub created_at: Instant,
    /// Last changed.
    pub updated_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
