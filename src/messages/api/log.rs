//! What was sent to somebody, and what not and why: no words.

use async_graphql::{Context, Enum, ID, Object};
use entity::Instant;
use entity::id::PersonId;
use entity::message::{self, Column, Entity, Model};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::consent::api::{ConsentPurpose, MessageChannel};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::page::PageArguments;

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "message::MessageState")]
pub(crate) enum MessageState {
    /// To be sent.
    Queued,
    /// On its way: if its worker ends now, nobody knows whether it arrived.
    Sending,
    /// Taken by whoever delivers it.
    Sent,
    /// Not sent, because it might not be any more.
    Dropped,
    /// Not sent: whoever delivers it refused it for good.
    Failed,
    /// Nobody knows whether it arrived, and it was not sent again.
    Unknown,
}

/// Why a message, or a step of a journey, was put off or not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "message::Reason")]
pub(crate) enum MessageReason {
    /// Nobody consented to it.
    NoConsent,
    /// The consent was not confirmed in the mailbox.
    NotConfirmed,
    /// The consent was withdrawn.
    Withdrawn,
    /// The address bounced or complained, or staff put it on the list.
    Suppressed,
    /// There is no address for any of its channels.
    NoAddress,
    /// It is too long since the product was delivered.
    ServiceWindowClosed,
    /// Another message of care was sent too short a time ago.
    CareSpacing,
    /// The person had as many messages as one may have.
    Budget,
    /// Another message of a higher priority was due.
    Outranked,
    /// It is night.
    QuietHours,
    /// A condition of the journey does not hold, or not any more.
    ConditionNotMet,
    /// The person bought something too short a time ago.
    BoughtRecently,
    /// The person is among those who get nothing, to measure by.
    Holdout,
    /// The journey is paused.
    JourneyPaused,
    /// The journey is retired.
    JourneyRetired,
    /// It was put off until it was of no use.
    TooLate,
    /// Something newer took its place.
    Superseded,
    /// The account is disabled or is another's.
    AccountClosed,
    /// There is no published template for it.
    NoTemplate,
    /// The template cannot be filled in with what there is.
    TemplateFailed,
    /// Whoever delivers it refused it for good, or did not take it for a day.
    Refused,
    /// It broke off on its way: its worker ended, or whoever delivers it did not answer.
    UnknownOutcome,
}

/// A message to somebody: what became of it, not its words.
#[derive(Debug)]
pub(crate) struct Message(Model);

#[Object]
impl Message {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::Message, self.0.id)
    }

    /// The code of its template.
    async fn template(&self) -> &str {
        &self.0.template
    }

    /// The version that was sent; 0 is the one that is built in, null if none was.
    async fn template_version(&self) -> Option<i32> {
        self.0.template_version
    }

    /// What right it needs; none, if null: it is transactional.
    async fn purpose(&self) -> Option<ConsentPurpose> {
        self.0.purpose.map(Into::into)
    }

    /// By which way.
    async fn channel(&self) -> MessageChannel {
        self.0.channel.into()
    }

    /// Where it is.
    async fn state(&self) -> MessageState {
        self.0.state.into()
    }

    /// Why it was not sent; null if it was, or still is to be.
    async fn reason(&self) -> Option<MessageReason> {
        self.0.reason.map(Into::into)
    }

    /// How often sending it began.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }

    /// When it was caused.
    async fn queued_at(&self) -> Instant {
        self.0.queued_at
    }

    /// When it was sent, or given up.
    async fn ended_at(&self) -> Option<Instant> {
        self.0.ended_at
    }

    /// When it came back.
    async fn bounced_at(&self) -> Option<Instant> {
        self.0.bounced_at
    }

    /// When its reader called it spam.
    async fn complained_at(&self) -> Option<Instant> {
        self.0.complained_at
    }
}

/// Messages to somebody, the newest first.
pub(crate) async fn messages_of(
    ctx: &Context<'_>,
    person: impl Into<PersonId>,
    arguments: PageArguments,
) -> Result<NewestPages<Message>, ApiError> {
    let theirs = Entity::find().filter(Column::PersonId.eq(person.into()));
    newest_first(ctx, theirs, Column::Id, arguments, |row| (row.id.0, Message(row))).await
}
