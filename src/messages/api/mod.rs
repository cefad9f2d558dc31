//! Messages over GraphQL: templates for staff, the inbox for its owner, and what was sent to whom.

mod inbox;
mod log;
mod preview;
mod templates;

use async_graphql::MergedObject;

pub(crate) use inbox::{InboxMessage, inbox_of, unread_of};
pub(crate) use log::{Message, MessageReason, messages_of};

/// Queries about messages.
#[derive(Debug, Default, MergedObject)]
pub struct MessagesQuery(templates::TemplatesQuery, preview::PreviewQuery);

/// Mutations of messages.
#[derive(Debug, Default, MergedObject)]
pub struct MessagesMutation(templates::TemplatesMutation, preview::PreviewMutation, inbox::InboxMutation);
