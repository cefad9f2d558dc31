//! Stand-ins while neighbours are built; goes at the merge.

use async_graphql::Enum;
use entity::consent::Purpose;
use entity::message::Channel;

/// What a message that needs a right to be sent is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Purpose")]
pub(crate) enum ConsentPurpose {
    /// a
    Newsletter,
    /// a
    Offers,
    /// a
    Reminders,
    /// a
    BackInStock,
    /// a
    Care,
    /// a
    ProductUpdates,
    /// a
    Programme,
}

/// A way by which messages reach people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Channel")]
pub(crate) enum MessageChannel {
    /// a
    Email,
    /// a
    Inbox,
    /// a
    Sms,
    /// a
    Push,
}
