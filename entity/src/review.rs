//! What somebody who bought a product says of it.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{OrderId, PersonId, ProductId, ReviewId, StaffId};

/// Where a review is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReviewState {
    /// Staff have not looked at it.
    #[sea_orm(string_value = "PENDING")]
    Pending,
    /// Everybody sees it.
    #[sea_orm(string_value = "PUBLISHED")]
    Published,
    /// Nobody but the shop and its writer sees it.
    #[sea_orm(string_value = "REJECTED")]
    Rejected,
}

/// What somebody who bought a product says of it: one a person and product.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reviews")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ReviewId,
    /// Of what.
    pub product_id: ProductId,
    /// Of whom: a customer or a guest.
    pub person_id: PersonId,
    /// The order that brought the product.
    pub order_id: OrderId,
    /// 1 to 5.
    pub rating: i32,
    /// On one line.
    pub title: Option<String>,
    /// In any number of lines.
    pub body: Option<String>,
    /// Where it is.
    pub state: ReviewState,
    /// How often it was written, from 1: what staff read is what they publish.
    pub revision: i32,
    /// What the shop says to it.
    pub answer: Option<String>,
    /// Who of staff wrote that.
    pub answered_by: Option<StaffId>,
    /// When.
    pub answered_at: Option<Instant>,
    /// Last written.
    pub submitted_at: Instant,
    /// First published; stays if it is rejected later, so that it earns once.
    pub published_at: Option<Instant>,
    /// When staff last published or rejected it.
    pub moderated_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
