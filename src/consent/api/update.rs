//! `consentUpdate`: what somebody wants to be sent.

use std::collections::BTreeSet;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::consent::ConsentSource as StoredSource;

use super::types::{
    Consent, ConsentOptIn, ConsentProof, ConsentPurpose, ConsentSource, MessageChannel, consents_of,
};
use super::{ConsentErrorCode, proof, user_error, viewer};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::consent::update::{self, Choice, Update, Whose};
use crate::customers::api::{bounded, changeable};
use crate::customers::email::EmailAddress;
use crate::graphql::access::{Allowed, AllowedAs};
use crate::graphql::fault::ApiError;
use crate::graphql::once::once;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::orders::rules::comparable;

/// A yes or a no.
#[derive(Debug, InputObject)]
pub(super) struct ConsentChoiceInput {
    /// What for.
    purpose: ConsentPurpose,
    /// By which way.
    channel: MessageChannel,
    /// Yes or no.
    granted: bool,
}

/// What somebody wants to be sent. Customers say it themselves, and leave out all but `consents` and the key.
#[derive(Debug, InputObject)]
pub(super) struct ConsentUpdateInput {
    /// Who; customers may leave out their own.
    customer_id: Option<ID>,
    /// Whoever has this mailbox, in place of `customerId`; one that nobody has makes a guest.
    email: Option<EmailAddress>,
    /// Each purpose on each channel once, at least one.
    consents: Vec<ConsentChoiceInput>,
    /// Where it was said: `CHECKOUT`, `PREFERENCES`, `SIGN_UP`, `STAFF` or `IMPORT`. Servers of the shop must say; of staff it
    /// is `STAFF` if left out; of customers it is `PREFERENCES`. What is an `IMPORT` is mailed nothing.
    source: Option<ConsentSource>,
    /// `DOUBLE` if a yes by mail was confirmed in the mailbox already; then `proof` must show it.
    opt_in: Option<ConsentOptIn>,
    /// What shows it; 20 at most.
    proof: Option<Vec<ConsentProof>>,
    /// When it was said, not in the future; now if left out. The latest word stands, in whatever order words are told.
    at: Option<Instant>,
    /// Of a mail that asks to confirm: BCP 47, such as `nl-BE`; that of the customer if left out.
    locale: Option<String>,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// What stands then, or why nothing was changed.
#[derive(Debug, SimpleObject)]
pub(super) struct ConsentUpdatePayload {
    /// For each purpose on each channel; null if nothing was done.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    consents: Option<Vec<Consent>>,
    /// Whether an earlier request with this idempotency key did it.
    replayed: bool,
    /// Why nothing was done; empty if it was.
    user_errors: Vec<UserError<ConsentErrorCode>>,
}

/// Saying yes and no.
#[derive(Debug, Default)]
pub(super) struct UpdateMutation;

#[Object]
impl UpdateMutation {
    /// Writes down what somebody wants to be sent, and what not. A yes to `NEWSLETTER`, `OFFERS` or `REMINDERS` by mail is to
    /// be confirmed in the mailbox if the shop has it so: it is `REQUESTED`, and a link is mailed, unless signed-in customers
    /// say it of the mailbox that they proved, or `optIn` says that it was confirmed. A yes never weakens a confirmed one.
    /// For the customer, shop keys with `customers:write`, staff with `customers.write`.
    #[graphql(guard = "Allowed")]
    async fn consent_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and what.")] input: ConsentUpdateInput,
    ) -> Result<ConsentUpdatePayload, ApiError> {
        let key = input.idempotency_key.clone();
        let command = command(ctx, input)?;
        Ok(match once(ctx, "consentUpdate", key, &command, update::update).await? {
            Ok(done) => ConsentUpdatePayload {
                consents: Some(consents_of(ctx, done.value).await?),
                replayed: done.replayed,
                user_errors: Vec::new(),
            },
            Err(reason) => ConsentUpdatePayload {
                consents: None,
                replayed: false,
                user_errors: vec![user_error(reason)],
            },
        })
    }
}

fn command(ctx: &Context<'_>, input: ConsentUpdateInput) -> Result<Update, ApiError> {
    let viewer = viewer(ctx);
    let by_themself = matches!(viewer, Viewer::Customer { .. });
    if by_themself {
        only_choices(&input)?;
    }
    let source = source(viewer, input.source)?;
    let at = input.at.map(comparable);
    if at.is_some_and(|at| at > ctx.data_unchecked::<App>().clock.now()) {
        return Err(ApiError::bad_input("at must not be in the future"));
    }
    let whose = match (input.customer_id.as_ref(), input.email) {
        (Some(_), Some(_)) => return Err(ApiError::bad_input("give customerId or email, not both")),
        (None, None) if !by_themself => return Err(ApiError::bad_input("give customerId or email")),
        (None, Some(email)) => Whose::Mailbox(email),
        (given, None) => Whose::Customer(changeable(viewer, given)),
    };
    Ok(Update {
        whose,
        by_themself,
        choices: choices(input.consents)?,
        source,
        stated: input.opt_in.map(Into::into),
        proof: proof(input.proof)?,
        at,
        locale: input.locale.map(|locale| bounded("locale", locale)).transpose()?,
    })
}

/// Customers speak for themselves, now, and show nothing for it.
fn only_choices(input: &ConsentUpdateInput) -> Result<(), ApiError> {
    let given = [
        ("email", input.email.is_some()),
        ("optIn", input.opt_in.is_some()),
        ("proof", input.proof.is_some()),
        ("at", input.at.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((field, _)) => Err(ApiError::bad_input(format!("{field} is for servers of the shop and staff"))),
        None => Ok(()),
    }
}

fn source(viewer: &Viewer, given: Option<ConsentSource>) -> Result<StoredSource, ApiError> {
    match (viewer, given) {
        (Viewer::Customer { .. } | Viewer::Anonymous, _) => Ok(StoredSource::Preferences),
        (Viewer::Staff { .. }, None) => Ok(StoredSource::Staff),
        (Viewer::Shop { .. }, None) => Err(ApiError::bad_input("source must say where it was said")),
        (
            _,
            Some(
                ConsentSource::Confirmation
                | ConsentSource::UnsubscribeLink
                | ConsentSource::OneClick
                | ConsentSource::Complaint,
            ),
        ) => Err(ApiError::bad_input("source is CHECKOUT, PREFERENCES, SIGN_UP, STAFF or IMPORT")),
        (_, Some(source)) => Ok(source.into()),
    }
}

fn choices(given: Vec<ConsentChoiceInput>) -> Result<Vec<Choice>, ApiError> {
    if given.is_empty() {
        return Err(ApiError::bad_input("consents must have one at least"));
    }
    let mut seen = BTreeSet::new();
    let mut choices = Vec::new();
    for ConsentChoiceInput { purpose, channel, granted } in given {
        let choice = Choice { purpose: purpose.into(), channel: channel.into(), granted };
        if !seen.insert((choice.purpose, choice.channel)) {
            return Err(ApiError::bad_input("consents has a purpose on a channel twice"));
        }
        choices.push(choice);
    }
    Ok(choices)
}
