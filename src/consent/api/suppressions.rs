//! The list of addresses that nothing, or little, is sent to.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::suppression::{Column, Entity, Model, SuppressionReason as StoredReason};
use sea_orm::{EntityTrait, QueryFilter};

use super::types::MessageChannel;
use super::{ConsentErrorCode, user_error};
use crate::app::App;
use crate::consent::suppress::{self, Create, Remove};
use crate::customers::api::reason;
use crate::customers::email::EmailAddress;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::once::{once, written};
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use entity::message::Channel;

/// Why nothing, or little, is sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "StoredReason")]
pub(super) enum SuppressionReason {
    /// There is no such mailbox, says its server: nothing at all is sent.
    Bounced,
    /// Its reader called a message spam: nothing but what is transactional is sent.
    Complained,
    /// The shop's staff said so: nothing but what is transactional is sent.
    Staff,
}

/// An address that nothing, or little, is sent to. The address itself is not kept, only a hash by which it is known again.
#[derive(Clone, Debug)]
pub(super) struct Suppression(Model);

#[Object]
impl Suppression {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::Suppression, self.0.id)
    }

    /// By which way nothing is sent.
    async fn channel(&self) -> MessageChannel {
        self.0.channel.into()
    }

    /// The gravest of the reasons.
    async fn reason(&self) -> SuppressionReason {
        self.0.reason.into()
    }

    /// What a mail server said, such as `5.1.1`.
    async fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Since when.
    async fn created_at(&self) -> Instant {
        self.0.created_at
    }
}

/// Queries about the list.
#[derive(Debug, Default)]
pub(super) struct SuppressionsQuery;

#[Object]
impl SuppressionsQuery {
    /// Addresses that nothing, or little, is sent to, those added last first. For staff with `consents.write`.
    #[graphql(guard = "Allowed")]
    async fn suppressions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only the entry of this mail address.")] email: Option<EmailAddress>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<Suppression>, ApiError> {
        let mut all = Entity::find();
        if let Some(email) = email {
            all = all.filter(suppress::is_of(&ctx.data_unchecked::<App>().keys, &email)?);
        }
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, all, Column::Id, arguments, |row| (row.id.0, Suppression(row))).await
    }
}

/// An address that nothing but what is transactional is to be sent to.
#[derive(Debug, InputObject)]
pub(super) struct SuppressionCreateInput {
    /// The mail address.
    email: EmailAddress,
    /// Why, for the audit log; 1 to 500 characters.
    reason: String,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// The entry, or why there is none.
#[derive(Debug, SimpleObject)]
pub(super) struct SuppressionCreatePayload {
    /// As it is now; one that was there already stays as it was.
    suppression: Option<Suppression>,
    /// Whether an earlier request with this idempotency key did it.
    replayed: bool,
    /// Why nothing was done; empty if it was.
    user_errors: Vec<UserError<ConsentErrorCode>>,
}

/// An address that is to be written to again.
#[derive(Debug, InputObject)]
pub(super) struct SuppressionRemoveInput {
    /// Which entry.
    id: ID,
    /// Why, for the audit log; 1 to 500 characters.
    reason: String,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// What was taken off the list, or why nothing was.
#[derive(Debug, SimpleObject)]
pub(super) struct SuppressionRemovePayload {
    /// The entry that is gone.
    removed_id: Option<ID>,
    /// Whether an earlier request with this idempotency key did it.
    replayed: bool,
    /// Why nothing was done; empty if it was.
    user_errors: Vec<UserError<ConsentErrorCode>>,
}

/// Changes of the list.
#[derive(Debug, Default)]
pub(super) struct SuppressionsMutation;

#[Object]
impl SuppressionsMutation {
    /// Puts a mail address on the list, whoever has it: nothing but what is transactional is sent to it.
    /// For staff with `consents.write`.
    #[graphql(guard = "Allowed")]
    async fn suppression_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which address, and why.")] input: SuppressionCreateInput,
    ) -> Result<SuppressionCreatePayload, ApiError> {
        let address = input.email.key();
        let create = Create { channel: Channel::Email, address, reason: reason(&input.reason)? };
        let done = once(ctx, "suppressionCreate", input.idempotency_key, &create, suppress::create).await?;
        Ok(match done {
            Ok(done) => SuppressionCreatePayload {
                suppression: Some(Suppression(written::<Entity>(ctx, done.value).await?)),
                replayed: done.replayed,
                user_errors: Vec::new(),
            },
            Err(reason) => {
                let user_errors = vec![user_error(reason)];
                SuppressionCreatePayload { suppression: None, replayed: false, user_errors }
            }
        })
    }

    /// Takes an address off the list: it is written to again, as far as its reader consents. For staff with `consents.write`.
    #[graphql(guard = "Allowed")]
    async fn suppression_remove(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entry, and why.")] input: SuppressionRemoveInput,
    ) -> Result<SuppressionRemovePayload, ApiError> {
        let remove =
            Remove { id: local_id(&input.id, NodeType::Suppression), reason: reason(&input.reason)? };
        let done = once(ctx, "suppressionRemove", input.idempotency_key, &remove, suppress::remove).await?;
        Ok(match done {
            Ok(done) => SuppressionRemovePayload {
                removed_id: Some(global_id(NodeType::Suppression, done.value.id)),
                replayed: done.replayed,
                user_errors: Vec::new(),
            },
            Err(reason) => {
                let user_errors = vec![user_error(reason)];
                SuppressionRemovePayload { removed_id: None, replayed: false, user_errors }
            }
        })
    }
}
