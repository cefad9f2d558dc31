//! Joining over GraphQL.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::membership::Entity;
use url::Url;

use super::outcome;
use super::payload::{MembershipErrorCode, told};
use super::types::Membership;
use crate::app::App;
use crate::config::Mode;
use crate::customers::api::meant;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::once::{once, written};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::memberships::MembershipError;
use crate::memberships::calls::{self, Answer, Begin};
use crate::memberships::join::{self, Join};

/// Where a membership is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
enum MembershipPayOn {
    /// On a page of whoever takes the money, to which the customer is sent.
    Page,
    /// On the customer's own device, with the elements of whoever takes the money.
    Device,
}

/// A membership to join.
#[derive(Debug, InputObject)]
struct MembershipJoinInput {
    /// Code of the plan.
    plan: String,
    /// Who joins; a customer leaves it out.
    customer_id: Option<ID>,
    /// Where it is paid.
    #[graphql(default_with = "MembershipPayOn::Page")]
    pay_on: MembershipPayOn,
    /// Where the page leads when it is done, within the shop's storefront; for `PAGE`. That somebody comes back grants
    /// nothing: ask for the membership.
    success_url: Option<String>,
    /// Where it leads when it is given up; where it leads when it is done, if left out.
    cancel_url: Option<String>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// What the customer's device confirms with the elements of whoever takes the money.
#[derive(Debug, SimpleObject)]
struct MembershipConfirmation {
    /// For the customer's device only.
    client_secret: String,
    /// A card for later payments is confirmed, and nothing is paid now: a trial begins.
    is_for_later: bool,
}

/// A membership that is being joined, or why not.
#[derive(Debug, SimpleObject)]
struct MembershipJoinPayload {
    /// The membership; `INCOMPLETE` until it is paid or its trial begins, for 23 hours at most.
    membership: Option<Membership>,
    /// Where to send the customer, for `PAGE`; open for a day at most.
    checkout_url: Option<String>,
    /// What the customer's device confirms, for `DEVICE`; null if nothing is left to confirm.
    confirmation: Option<MembershipConfirmation>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done, or was not done yet.
    user_errors: Vec<UserError<MembershipErrorCode>>,
}

/// Joining.
#[derive(Debug, Default)]
pub(super) struct JoinMutation;

#[Object]
impl JoinMutation {
    /// Joins a plan. A membership that was asked for before and is not paid yet is taken up again, or makes room for one
    /// with another plan. For the customer, shop keys with `memberships:write`.
    #[graphql(guard = "Allowed")]
    async fn membership_join(
        &self,
        ctx: &Context<'_>,
        input: MembershipJoinInput,
    ) -> Result<MembershipJoinPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        if app.payments().is_err() {
            return Ok(MembershipJoinPayload::refused(MembershipError::PaymentsUnavailable));
        }
        let Some(customer) = meant(ctx, input.customer_id.as_ref()).await? else {
            let user_errors = vec![told(MembershipError::NotFound, "customerId")];
            return Ok(MembershipJoinPayload { user_errors, ..MembershipJoinPayload::nothing() });
        };
        let begin = match input.way(app) {
            Ok(begin) => begin,
            Err(error) => return Ok(MembershipJoinPayload::refused(error)),
        };
        let command = Join { customer, plan: input.plan, begin };
        match once(ctx, "membershipJoin", input.idempotency_key, &command, join::join).await? {
            Ok(Once { value, replayed }) => {
                let asked = calls::in_time(calls::ask_one(app, value.call)).await;
                let membership = Some(Membership(written::<Entity>(ctx, value.membership).await?));
                Ok(MembershipJoinPayload {
                    membership,
                    replayed,
                    ..MembershipJoinPayload::answered(outcome(asked))
                })
            }
            Err(error) => Ok(MembershipJoinPayload::refused(error)),
        }
    }
}

impl MembershipJoinInput {
    fn way(&self, app: &App) -> Result<Begin, MembershipError> {
        let success = self.success_url.as_deref();
        match (self.pay_on, success) {
            (MembershipPayOn::Device, _) => Ok(Begin::Device),
            (MembershipPayOn::Page, None) => Err(MembershipError::Invalid {
                field: "successUrl",
                problem: "is needed to come back from the page",
            }),
            (MembershipPayOn::Page, Some(success)) => {
                let cancel = self.cancel_url.as_deref().unwrap_or(success);
                check(app, "successUrl", success)?;
                check(app, "cancelUrl", cancel)?;
                Ok(Begin::Page { success_url: success.to_owned(), cancel_url: cancel.to_owned() })
            }
        }
    }
}

/// Nobody is sent elsewhere than to the shop's storefront; where the shop did not say where that is, over HTTPS, or in
/// development as one likes.
pub(super) fn check(app: &App, field: &'static str, url: &str) -> Result<(), MembershipError> {
    let invalid = |problem| Err(MembershipError::Invalid { field, problem });
    let Ok(parsed) = Url::parse(url) else { return invalid("is no address of a page") };
    if url.len() > 2_000 {
        return invalid("must be 2,000 characters at most");
    }
    let storefront = app.settings().storefront_url.as_deref().and_then(|url| Url::parse(url).ok());
    let fits = match storefront {
        Some(storefront) => parsed.origin() == storefront.origin(),
        None if app.config.mode == Mode::Development => matches!(parsed.scheme(), "http" | "https"),
        None => parsed.scheme() == "https",
    };
    if fits { Ok(()) } else { invalid("must be within the shop's storefront") }
}

impl MembershipJoinPayload {
    fn nothing() -> Self {
        Self {
            membership: None,
            checkout_url: None,
            confirmation: None,
            replayed: false,
            user_errors: Vec::new(),
        }
    }

    fn refused(error: MembershipError) -> Self {
        Self { user_errors: vec![told(error, "customerId")], ..Self::nothing() }
    }

    fn answered(outcome: Result<Answer, MembershipError>) -> Self {
        match outcome {
            Ok(Answer::Page(page)) => Self { checkout_url: Some(page.url), ..Self::nothing() },
            Ok(Answer::Device(confirmation)) => {
                let confirmation = confirmation.map(|given| MembershipConfirmation {
                    client_secret: given.client_secret,
                    is_for_later: given.is_for_later,
                });
                Self { confirmation, ..Self::nothing() }
            }
            Ok(Answer::Done | Answer::Declined | Answer::Refused) => Self::nothing(),
            Err(error) => Self::refused(error),
        }
    }
}
