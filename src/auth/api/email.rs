//! Another address for an account.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::id::ChallengeId;

use super::refusal::{AuthErrorCode, user_error};
use super::{MailboxStatus, me};
use crate::app::App;
use crate::auth::{AuthError, email_change};
use crate::customers::api::{Customer, shown};
use crate::customers::email::EmailAddress;
use crate::error::{refuse, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::payload::UserError;

/// The address to be.
#[derive(InputObject)]
pub struct EmailChangeRequestInput {
    /// The mailbox to prove.
    new_email: EmailAddress,
    /// The account's own; to be left out if it, or a code, was given within five minutes.
    password: Option<String>,
}

/// The same for addresses that are somebody's and addresses that are not.
#[derive(Debug, SimpleObject)]
pub struct EmailChangeRequestPayload {
    /// What comes next; null if it was refused.
    status: Option<MailboxStatus>,
    /// For `emailChangeConfirm`, with the code that was mailed to the new address.
    challenge_id: Option<ID>,
    /// Why it was refused: only who asks matters, never the new address.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// A code that was mailed to the new address.
#[derive(InputObject)]
pub struct EmailChangeConfirmInput {
    /// As `emailChangeRequest` answered.
    challenge_id: ID,
    /// Six digits.
    code: String,
}

/// The customer with the new address, or why it has the old one.
#[derive(Debug, SimpleObject)]
pub struct EmailChangeConfirmPayload {
    /// With the new address.
    customer: Option<Customer>,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// Changing addresses.
#[derive(Debug, Default)]
pub struct EmailMutation;

#[Object]
impl EmailMutation {
    /// Mails a code to a new address for the account. For the customer.
    #[graphql(guard = "Allowed")]
    async fn email_change_request(
        &self,
        ctx: &Context<'_>,
        input: EmailChangeRequestInput,
    ) -> Result<EmailChangeRequestPayload, ApiError> {
        let (app, me) = (ctx.data_unchecked::<App>(), me(ctx)?);
        let password = input.password.map(Into::into);
        Ok(match split(email_change::request(app, me, input.new_email, password).await)? {
            Ok(challenge) => EmailChangeRequestPayload {
                status: Some(MailboxStatus::CheckMailbox),
                challenge_id: Some(global_id(NodeType::MailboxChallenge, challenge)),
                user_errors: Vec::new(),
            },
            Err(error) => {
                let user_errors = vec![user_error(error)];
                EmailChangeRequestPayload { status: None, challenge_id: None, user_errors }
            }
        })
    }

    /// Makes the new address the one of the account with the code that was mailed to it; other sessions end, the old
    /// address is told, and what was ordered with the new one as a guest joins the account. For the customer.
    #[graphql(guard = "Allowed")]
    async fn email_change_confirm(
        &self,
        ctx: &Context<'_>,
        input: EmailChangeConfirmInput,
    ) -> Result<EmailChangeConfirmPayload, ApiError> {
        let (app, me) = (ctx.data_unchecked::<App>(), me(ctx)?);
        let outcome = match local_id::<ChallengeId>(&input.challenge_id, NodeType::MailboxChallenge) {
            Some(challenge) => email_change::confirm(app, me, challenge, &input.code).await,
            None => refuse(AuthError::CodeInvalid),
        };
        Ok(match split(outcome)? {
            Ok(customer) => {
                let customer = shown(ctx, customer).await?;
                EmailChangeConfirmPayload { customer, user_errors: Vec::new() }
            }
            Err(error) => EmailChangeConfirmPayload { customer: None, user_errors: vec![user_error(error)] },
        })
    }
}
