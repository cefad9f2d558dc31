//! A message to somebody: what it is made of, not its words.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::consent::Purpose;
use crate::id::{JourneyId, MessageId, PersonId, RunId};

/// A way by which messages reach people.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Channel {
    /// Mail.
    #[sea_orm(string_value = "EMAIL")]
    Email,
    /// The inbox in the member's app.
    #[sea_orm(string_value = "INBOX")]
    Inbox,
    /// A text message.
    #[sea_orm(string_value = "SMS")]
    Sms,
    /// A notification on a device.
    #[sea_orm(string_value = "PUSH")]
    Push,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MessageState {
    /// To be sent.
    #[sea_orm(string_value = "QUEUED")]
    Queued,
    /// On its way: if its worker ends now, nobody knows whether it arrived.
    #[sea_orm(string_value = "SENDING")]
    Sending,
    /// Taken by whoever delivers it.
    #[sea_orm(string_value = "SENT")]
    Sent,
    /// Not sent, because it might not be any more.
    #[sea_orm(string_value = "DROPPED")]
    Dropped,
    /// Not sent: whoever delivers it refused it for good.
    #[sea_orm(string_value = "FAILED")]
    Failed,
    /// Nobody knows whether it arrived, and it was not sent again.
    #[sea_orm(string_value = "UNKNOWN")]
    Unknown,
}

/// Why a message, or a step of a journey, was put off or not sent.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// Nobody consented to it.
    #[sea_orm(string_value = "NO_CONSENT")]
    NoConsent,
    /// The consent was not confirmed in the mailbox.
    #[sea_orm(string_value = "NOT_CONFIRMED")]
    NotConfirmed,
    /// The consent was withdrawn.
    #[sea_orm(string_value = "WITHDRAWN")]
    Withdrawn,
    /// The address bounced or complained.
    #[sea_orm(string_value = "SUPPRESSED")]
    Suppressed,
    /// There is no address for any of its channels.
    #[sea_orm(string_value = "NO_ADDRESS")]
    NoAddress,
    /// It is too long since the product was delivered.
    #[sea_orm(string_value = "SERVICE_WINDOW_CLOSED")]
    ServiceWindowClosed,
    /// Another message of care was sent too short a time ago.
    #[sea_orm(string_value = "CARE_SPACING")]
    CareSpacing,
    /// The person had as many messages as one may have.
    #[sea_orm(string_value = "BUDGET")]
    Budget,
    /// Another message of a higher priority was due.
    #[sea_orm(string_value = "OUTRANKED")]
    Outranked,
    /// It is night.
    #[sea_orm(string_value = "QUIET_HOURS")]
    QuietHours,
    /// A condition of the journey does not hold, or not any more.
    #[sea_orm(string_value = "CONDITION_NOT_MET")]
    ConditionNotMet,
    /// The person bought something too short a time ago.
    #[sea_orm(string_value = "BOUGHT_RECENTLY")]
    BoughtRecently,
    /// The person is among those who get nothing, to measure by.
    #[sea_orm(string_value = "HOLDOUT")]
    Holdout,
    /// The journey is paused.
    #[sea_orm(string_value = "JOURNEY_PAUSED")]
    JourneyPaused,
    /// The journey is retired.
    #[sea_orm(string_value = "JOURNEY_RETIRED")]
    JourneyRetired,
    /// It was put off until it was of no use.
    #[sea_orm(string_value = "TOO_LATE")]
    TooLate,
    /// Something newer took its place.
    #[sea_orm(string_value = "SUPERSEDED")]
    Superseded,
    /// The account is disabled or is another's.
    #[sea_orm(string_value = "ACCOUNT_CLOSED")]
    AccountClosed,
    /// There is no published template for it.
    #[sea_orm(string_value = "NO_TEMPLATE")]
    NoTemplate,
    /// The template cannot be filled in with what there is.
    #[sea_orm(string_value = "TEMPLATE_FAILED")]
    TemplateFailed,
    /// Whoever delivers it refused it for good, or did not take it for a day.
    #[sea_orm(string_value = "REFUSED")]
    Refused,
    /// Its worker ended while it was on its way.
    #[sea_orm(string_value = "UNKNOWN_OUTCOME")]
    UnknownOutcome,
}

/// A message to somebody: what it is made of, not its words.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    /// Ours; its Message-ID is made of it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MessageId,
    /// To whom.
    pub person_id: PersonId,
    /// The journey that sends it.
    pub journey_id: Option<JourneyId>,
    /// Whose way through it.
    pub run_id: Option<RunId>,
    /// The code of its template.
    pub template: String,
    /// The version that was sent; 0 is the built-in one.
    pub template_version: Option<i32>,
    /// What right it needs; transactional, if none.
    pub purpose: Option<Purpose>,
    /// By which way.
    pub channel: Channel,
    /// Where it is.
    pub state: MessageState,
    /// Why it was not sent.
    pub reason: Option<Reason>,
    /// What it is about: ids and amounts.
    pub facts: Json,
    /// How often sending it began.
    pub attempts: i32,
    /// When.
    pub queued_at: Instant,
    /// When sending it last began.
    pub started_at: Option<Instant>,
    /// When it was sent or given up.
    pub ended_at: Option<Instant>,
    /// Where it went, as suppressions know it; none before it was begun, and of an inbox.
    pub address_hash: Option<Vec<u8>>,
    /// When it came back.
    pub bounced_at: Option<Instant>,
    /// When its reader called it spam.
    pub complained_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
