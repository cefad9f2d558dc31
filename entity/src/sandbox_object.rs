//! What the sandbox has in place of whoever takes the money.

use sea_orm::entity::prelude::*;

use crate::Instant;

/// What the sandbox has in place of whoever takes the money.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sandbox_objects")]
pub struct Model {
    /// Its own.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// What it is.
    pub kind: String,
    /// As it is now.
    pub body: Json,
    /// Rises with every change.
    pub version: i64,
    /// When its clock has something to do with it.
    pub due_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
