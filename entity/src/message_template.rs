//! A template of messages, by its code.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::TemplateId;

/// A template of messages, by its code.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message_templates")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TemplateId,
    /// The shop's; unique. That of a built-in one stands in its place.
    pub code: String,
    /// For staff.
    pub name: String,
    /// The version in use; none if none was published.
    pub published: Option<i32>,
    /// When.
    pub created_at: Instant,
    /// When last changed.
    pub updated_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
