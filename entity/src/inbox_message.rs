//! A message in the inbox of a customer.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::consent::Purpose;
use crate::id::{CustomerId, MessageId};

/// A message in the inbox of a customer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inbox_messages")]
pub struct Model {
    /// That of the message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MessageId,
    /// Whose.
    pub customer_id: CustomerId,
    /// One line.
    pub title: String,
    /// Plain text.
    pub body: String,
    /// Where it leads.
    pub link: Option<String>,
    /// What right it needed.
    pub purpose: Option<Purpose>,
    /// When.
    pub sent_at: Instant,
    /// When it was read.
    pub read_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
