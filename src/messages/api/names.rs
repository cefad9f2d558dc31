//! Purposes and channels as callers name them.

use async_graphql::Enum;
use entity::consent::Purpose;
use entity::message::Channel;

/// What a message that needs a right to be sent is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Purpose")]
pub(crate) enum ConsentPurpose {
    /// News of the shop.
    Newsletter,
    /// Offers: on a birthday, to come back, to buy again, to join.
    Offers,
    /// Reminders of a cart, and of what is used up.
    Reminders,
    /// What somebody waited for; asking for it is the consent, for that product.
    BackInStock,
    /// About something bought: thanks, care tips, the question after delivery.
    Care,
    /// Updates of a product, to who owns it.
    ProductUpdates,
    /// Points, tiers, and the standing of the account.
    Programme,
}

/// A way by which messages reach people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Channel")]
pub(crate) enum MessageChannel {
    /// Mail.
    Email,
    /// The inbox in the member's app.
    Inbox,
    /// A text message.
    Sms,
    /// A notification on a device.
    Push,
}
