//! The inbox of a customer.

use std::collections::BTreeSet;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::id::CustomerId;
use entity::inbox_message::{Column, Entity, Model};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::consent::api::ConsentPurpose;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::once::once;
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::messages::inbox::{self, InboxError, MarkRead};

/// Messages that can be marked at once.
const MOST: usize = 100;

/// A message in the inbox of a customer.
#[derive(Debug)]
pub(crate) struct InboxMessage(Model);

#[Object]
impl InboxMessage {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::Message, self.0.id)
    }

    /// One line.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Plain text; line breaks may be in it.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// Where it leads, an address of the web; nowhere, if null.
    async fn link(&self) -> Option<&str> {
        self.0.link.as_deref()
    }

    /// What right it needed; none, if null.
    async fn purpose(&self) -> Option<ConsentPurpose> {
        self.0.purpose.map(Into::into)
    }

    /// When it came.
    async fn sent_at(&self) -> Instant {
        self.0.sent_at
    }

    /// When it was marked as read; not yet, if null.
    async fn read_at(&self) -> Option<Instant> {
        self.0.read_at
    }
}

/// The inbox of a customer, the newest first.
pub(crate) async fn inbox_of(
    ctx: &Context<'_>,
    customer: CustomerId,
    arguments: PageArguments,
) -> Result<NewestPages<InboxMessage>, ApiError> {
    let theirs = Entity::find().filter(Column::CustomerId.eq(customer));
    newest_first(ctx, theirs, Column::Id, arguments, |row| (row.id.0, InboxMessage(row))).await
}

/// How many of them are not marked as read.
pub(crate) async fn unread_of(ctx: &Context<'_>, customer: CustomerId) -> Result<i32, ApiError> {
    let unread = inbox::unread(&ctx.data_unchecked::<App>().db.read, customer).await?;
    Ok(i32::try_from(unread)?)
}

/// Messages that were read.
#[derive(Debug, InputObject)]
struct InboxMarkReadInput {
    /// The caller's key.
    idempotency_key: IdempotencyKey,
    /// These, 1 to 100. Either this or `all`.
    ids: Option<Vec<ID>>,
    /// All there are now.
    #[graphql(default)]
    all: bool,
}

/// Why no messages were marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
enum InboxErrorCode {
    /// Neither `ids` nor `all`, or both, or too many.
    Invalid,
    /// One of the messages is not in the caller's inbox.
    NotFound,
}

/// What was marked as read, or why not.
#[derive(Debug, SimpleObject)]
struct InboxMarkReadPayload {
    /// How many messages this marked that were not before.
    marked: Option<i32>,
    /// How many are not marked now.
    unread: Option<i32>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<InboxErrorCode>>,
}

/// Mutations of the inbox.
#[derive(Debug, Default)]
pub(super) struct InboxMutation;

#[Object]
impl InboxMutation {
    /// Marks messages of the caller's inbox as read. For the customer.
    #[graphql(guard = "Allowed")]
    async fn inbox_mark_read(
        &self,
        ctx: &Context<'_>,
        input: InboxMarkReadInput,
    ) -> Result<InboxMarkReadPayload, ApiError> {
        let Viewer::Customer { customer, .. } = ctx.data_unchecked::<Viewer>() else {
            return Err(ApiError::bad_input("only customers have an inbox"));
        };
        let InboxMarkReadInput { idempotency_key, ids, all } = input;
        let is_valid = ids.as_ref().map_or(all, |ids| !all && (1..=MOST).contains(&ids.len()));
        if !is_valid {
            return Ok(InboxMarkReadPayload::refused(
                InboxErrorCode::Invalid,
                "Give either 1 to 100 ids or all.",
            ));
        }
        let missing = || InboxMarkReadPayload::refused(InboxErrorCode::NotFound, "There is no such message.");
        let ids = match ids {
            None => None,
            Some(ids) => {
                let known: Option<BTreeSet<_>> =
                    ids.iter().map(|id| local_id(id, NodeType::Message)).collect();
                let Some(known) = known else { return Ok(missing()) };
                Some(known)
            }
        };
        let read = MarkRead { customer: *customer, ids };
        match once(ctx, "inboxMarkRead", idempotency_key, &read, inbox::mark_read).await? {
            Ok(Once { value, replayed }) => {
                let (marked, unread) = (Some(i32::try_from(value)?), Some(unread_of(ctx, *customer).await?));
                Ok(InboxMarkReadPayload { marked, unread, replayed, user_errors: Vec::new() })
            }
            Err(InboxError::NotFound) => Ok(missing()),
        }
    }
}

impl InboxMarkReadPayload {
    fn refused(code: InboxErrorCode, message: &str) -> Self {
        let field = Some(vec!["input".to_owned(), "ids".to_owned()]);
        let user_errors = vec![UserError { code, field, message: message.to_owned() }];
        Self { marked: None, unread: None, replayed: false, user_errors }
    }
}
