//! Why a message was put off or not sent, over GraphQL.

use async_graphql::Enum;
use entity::message::Reason;

/// Why a message, or a step of a journey, was put off or not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Reason")]
pub(crate) enum MessageReason {
    /// Nobody consented to it.
    NoConsent,
    /// The consent was not confirmed in the mailbox.
    NotConfirmed,
    /// The consent was withdrawn.
    Withdrawn,
    /// The address bounced or complained, or is blocked by staff.
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
    /// It was night.
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
    /// The account is disabled, or is another's now.
    AccountClosed,
    /// There is no published template for it.
    NoTemplate,
    /// What it is about is not there any more.
    TemplateFailed,
    /// Whoever delivers it refused it for good.
    Refused,
    /// Its worker ended while it was on its way: nobody knows whether it arrived.
    UnknownOutcome,
}
