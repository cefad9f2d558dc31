//! What anybody may do with nothing but an address or a link: ask for mail, confirm it, and want no more of it.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use entity::consent::{ConsentSource, Purpose};

use super::types::{ConsentProof, ConsentPurpose, MessageChannel};
use super::{ConsentErrorCode, proof, user_error};
use crate::app::App;
use crate::consent::request::{self, Ask};
use crate::consent::{ConsentError, unsubscribe};
use crate::customers::api::bounded;
use crate::customers::email::EmailAddress;
use crate::error::split;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::payload::UserError;

/// Mail that somebody asks for.
#[derive(Debug, InputObject)]
pub(super) struct ConsentRequestInput {
    /// The mailbox.
    email: EmailAddress,
    /// What for, at least one: `NEWSLETTER`, `OFFERS` or `REMINDERS`.
    purposes: Vec<ConsentPurpose>,
    /// For the mail: BCP 47, such as `nl-BE`.
    locale: Option<String>,
    /// What was shown when it was asked for; 20 at most.
    proof: Option<Vec<ConsentProof>>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum ConsentRequestStatus {
    /// Whatever there is to confirm was mailed.
    CheckMailbox,
}

/// The same for every address.
#[derive(Debug, SimpleObject)]
pub(super) struct ConsentRequestPayload {
    /// What comes next.
    status: ConsentRequestStatus,
    /// None so far.
    user_errors: Vec<UserError<ConsentErrorCode>>,
}

/// A link that was mailed.
#[derive(Debug, InputObject)]
pub(super) struct ConsentConfirmInput {
    /// The last part of the link.
    token: String,
}

/// What was confirmed, or why nothing was.
#[derive(Debug, SimpleObject)]
pub(super) struct ConsentConfirmPayload {
    /// What is mailed from now on; null if nothing was confirmed.
    purposes: Option<Vec<ConsentPurpose>>,
    /// Why nothing was confirmed; empty if it was.
    user_errors: Vec<UserError<ConsentErrorCode>>,
}

/// A link in a message.
#[derive(Debug, InputObject)]
pub(super) struct UnsubscribeInput {
    /// The last part of the link.
    token: String,
    /// Whether all marketing on the channel is to end, and not only what the message was for.
    #[graphql(default)]
    all: bool,
}

/// What is no longer sent, or why nothing was changed.
#[derive(Debug, SimpleObject)]
pub(super) struct UnsubscribePayload {
    /// What the message was for; null if nothing was changed.
    unsubscribed: Option<UnsubscribeInfo>,
    /// Why nothing was changed; empty if it was.
    user_errors: Vec<UserError<ConsentErrorCode>>,
}

/// What a link in a message says no to; it tells nothing of the reader.
#[derive(Debug, SimpleObject)]
pub(super) struct UnsubscribeInfo {
    /// The shop's name.
    shop: String,
    /// What the message was for.
    purpose: ConsentPurpose,
    /// By which way it came.
    channel: MessageChannel,
}

impl UnsubscribeInfo {
    fn of(app: &App, subject: &unsubscribe::Subject) -> Self {
        let shop = app.settings().name.clone();
        Self { shop, purpose: subject.purpose.into(), channel: subject.channel.into() }
    }
}

/// Queries with nothing but a link.
#[derive(Debug, Default)]
pub(super) struct DoorsQuery;

#[Object]
impl DoorsQuery {
    /// What the link of a message says no to; null if it is none of ours. Changes nothing. For everyone.
    #[graphql(guard = "Allowed")]
    async fn unsubscribe_info(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The last part of the link.")] token: String,
    ) -> Result<Option<UnsubscribeInfo>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let found = unsubscribe::subject(app, &token).await?;
        Ok(found.map(|subject| UnsubscribeInfo::of(app, &subject)))
    }
}

/// Mutations with nothing but an address or a link: each takes no idempotency key, since doing it again changes nothing.
#[derive(Debug, Default)]
pub(super) struct DoorsMutation;

#[Object]
impl DoorsMutation {
    /// Mails a link that confirms what is asked for, at most once in ten minutes and five times a day to one mailbox; the
    /// answer is the same whatever there is known of the address. Until the link is confirmed nothing changes. For everyone.
    #[graphql(guard = "Allowed")]
    async fn consent_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which mailbox, and what for.")] input: ConsentRequestInput,
    ) -> Result<ConsentRequestPayload, ApiError> {
        let purposes =
            input.purposes.into_iter().map(Purpose::from).collect::<std::collections::BTreeSet<_>>();
        let may_be_asked =
            |purpose: &Purpose| matches!(purpose, Purpose::Newsletter | Purpose::Offers | Purpose::Reminders);
        if purposes.is_empty() || !purposes.iter().all(may_be_asked) {
            return Err(ApiError::bad_input("purposes are NEWSLETTER, OFFERS and REMINDERS, one at least"));
        }
        let ask = Ask {
            person: None,
            email: input.email,
            purposes,
            source: ConsentSource::SignUp,
            proof: proof(input.proof)?,
            locale: input.locale.map(|locale| bounded("locale", locale)).transpose()?,
        };
        request::request(ctx.data_unchecked::<App>(), &ask).await?;
        let status = ConsentRequestStatus::CheckMailbox;
        Ok(ConsentRequestPayload { status, user_errors: Vec::new() })
    }

    /// Confirms what a mailed link asks for, as the button of our own page does: for storefronts that have a page of their own.
    /// To be called when somebody presses a button, not when the page is opened. For everyone.
    #[graphql(guard = "Allowed")]
    async fn consent_confirm(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link.")] input: ConsentConfirmInput,
    ) -> Result<ConsentConfirmPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        Ok(match split(request::confirm(app, &input.token).await)? {
            Ok(request) => ConsentConfirmPayload {
                purposes: Some(request.purposes.into_iter().map(Into::into).collect()),
                user_errors: Vec::new(),
            },
            Err(reason) => ConsentConfirmPayload { purposes: None, user_errors: vec![user_error(reason)] },
        })
    }

    /// Says no to what a message was for, as the button of our own page does: for storefronts that have a page of their own.
    /// To be called when somebody presses a button, not when the page is opened. For everyone.
    #[graphql(guard = "Allowed")]
    async fn unsubscribe(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link, and how much is to end.")] input: UnsubscribeInput,
    ) -> Result<UnsubscribePayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let source = ConsentSource::UnsubscribeLink;
        let found = unsubscribe::unsubscribe(app, &input.token, input.all, source).await?;
        let user_errors = match &found {
            Some(_) => Vec::new(),
            None => vec![user_error(ConsentError::LinkInvalid)],
        };
        let unsubscribed = found.map(|subject| UnsubscribeInfo::of(app, &subject));
        Ok(UnsubscribePayload { unsubscribed, user_errors })
    }
}
