//! A product of the catalogue.

use crate::Instant;
use crate::id::ProductId;
use sea_orm::entity::prelude::*;

/// A product of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "products")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductId,
    /// The shop's; unique.
    pub sku: String,
    /// Shown to customers.
    pub name: String,
    /// An array of strings.
    pub categories: Json,
    /// First stated.
    pub created_at: Instant,
    /// Last changed.
    pub updated_at: Instant,
    /// Everybody sees it from then on; always, if none.
    pub public_from: Option<Instant>,
    /// Customers with early access see it from then on.
    pub early_access_from: Option<Instant>,
    /// Used up after so many days; 1 to 3650.
    pub replenish_after_days: Option<i32>,
    /// Days after delivery in which care messages may be sent; 90 to 180.
    pub care_window_days: Option<i32>,
    /// Pieces that can be sold; not kept, if none.
    pub stock: Option<i32>,
    /// An array of skus.
    pub companions: Json,
    /// No longer sold: nobody but the shop sees it.
    pub archived: bool,
    /// How often those who waited for it were told that it is back.
    pub restocks: i32,
    /// Of one piece; not known, if none.
    pub weight_grams: Option<i32>,
    /// When `public_from` has to be acted on, if it has not come yet or that was not done.
    pub releases_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
