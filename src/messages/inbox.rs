//! The inbox in the member's app.

use std::collections::BTreeSet;

use entity::id::{CustomerId, MessageId, PersonId};
use entity::inbox_message::{Column, Entity};
use entity::message;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde::Serialize;

use super::templates::fill::Note;
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::{Fault, Outcome, refuse};
use crate::tx::Tx;

/// Puts a message into the inbox of a customer; it is there once, as the message is.
pub(super) async fn put(
    tx: &Tx,
    message: &message::Model,
    customer: CustomerId,
    note: &Note,
) -> Result<(), Fault> {
    let columns = &["id", "customer_id", "title", "body", "link", "purpose", "sent_at"];
    let mut rows = Rows::new("inbox_messages", columns);
    rows.push([
        message.id.0.into(),
        customer.0.into(),
        note.title.as_str().into(),
        note.body.as_str().into(),
        note.link.clone().into(),
        message.purpose.map(|purpose| purpose.to_value()).into(),
        tx.now().into(),
    ]);
    rows.insert(tx.db()).await
}

/// Which messages their reader has read.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MarkRead {
    pub(crate) customer: CustomerId,
    /// These; all, if none.
    pub(crate) ids: Option<BTreeSet<MessageId>>,
}

/// Why nothing was marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InboxError {
    /// One of them is not in the customer's inbox.
    NotFound,
}

/// Marks messages of a customer as read; answers how many that were not read before.
pub(crate) async fn mark_read(tx: &Tx, read: &MarkRead) -> Outcome<u64, InboxError> {
    let theirs = Column::CustomerId.eq(read.customer);
    let mut update = Entity::update_many()
        .col_expr(Column::ReadAt, Expr::val(tx.now()))
        .filter(theirs.clone().and(Column::ReadAt.is_null()));
    if let Some(ids) = &read.ids {
        let these = || is_among(tx.db().get_database_backend(), "id", ids.iter().map(|id| id.0));
        let found = Entity::find().filter(theirs).filter(these()).count(tx.db()).await?;
        if found != u64::try_from(ids.len())? {
            return refuse(InboxError::NotFound);
        }
        update = update.filter(these());
    }
    Ok(update.exec(tx.db()).await?.rows_affected)
}

/// How many messages a customer has not read.
pub(crate) async fn unread(db: &impl ConnectionTrait, customer: CustomerId) -> Result<u64, Fault> {
    Ok(Entity::find()
        .filter(Column::CustomerId.eq(customer))
        .filter(Column::ReadAt.is_null())
        .count(db)
        .await?)
}

/// Gives whoever `from` turned out to be the messages to them.
pub(crate) async fn follow(tx: &Tx, from: impl Into<PersonId>, into: CustomerId) -> Result<(), Fault> {
    let from: PersonId = from.into();
    message::Entity::update_many()
        .col_expr(message::Column::PersonId, Expr::val(into.0))
        .filter(message::Column::PersonId.eq(from))
        .exec(tx.db())
        .await?;
    Entity::update_many()
        .col_expr(Column::CustomerId, Expr::val(into))
        .filter(Column::CustomerId.eq(CustomerId(from.0)))
        .exec(tx.db())
        .await?;
    Ok(())
}
