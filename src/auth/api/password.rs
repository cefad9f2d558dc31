//! Passwords: forgotten ones and those to be changed.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::id::ChallengeId;

use super::refusal::{AuthErrorCode, in_field, user_error};
use super::{MailboxStatus, SessionTokens, customer_id, locale, me, signed_in};
use crate::app::App;
use crate::auth::passwords::Password;
use crate::auth::{AuthError, password_change, password_reset};
use crate::customers::email::EmailAddress;
use crate::error::{refuse, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::payload::UserError;

/// Whose password is forgotten.
#[derive(InputObject)]
pub struct PasswordResetRequestInput {
    /// The mailbox of the account.
    email: EmailAddress,
    /// For the mail: BCP 47, such as `nl-BE`.
    locale: Option<String>,
}

/// The same for known and unknown addresses.
#[derive(Debug, SimpleObject)]
pub struct PasswordResetRequestPayload {
    /// What comes next.
    status: MailboxStatus,
    /// For `passwordReset`, with the mailed code.
    challenge_id: ID,
    /// None so far.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// A code that was mailed, and the password to be.
#[derive(InputObject)]
pub struct PasswordResetInput {
    /// As `passwordResetRequest` answered.
    challenge_id: ID,
    /// Six digits.
    code: String,
    /// 8 to 128 characters.
    password: String,
}

/// A new session of a customer, or why there is none.
#[derive(SimpleObject)]
pub struct PasswordResetPayload {
    /// Of the new session, which is the only one.
    tokens: Option<SessionTokens>,
    /// Who signed in.
    customer_id: Option<ID>,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// The password that is and the one to be.
#[derive(InputObject)]
pub struct PasswordChangeInput {
    /// To be left out only by accounts that have none: those must have given a code within five minutes.
    current_password: Option<String>,
    /// 8 to 128 characters.
    new_password: String,
}

/// The password is another, or why not.
#[derive(Debug, SimpleObject)]
pub struct PasswordChangePayload {
    /// Whether it was changed.
    changed: bool,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// Setting passwords.
#[derive(Debug, Default)]
pub struct PasswordMutation;

#[Object]
impl PasswordMutation {
    /// Mails a code that sets a new password; to an address without an account, while anybody may register, one that
    /// makes the account. For everyone.
    #[graphql(guard = "Allowed")]
    async fn password_reset_request(
        &self,
        ctx: &Context<'_>,
        input: PasswordResetRequestInput,
    ) -> Result<PasswordResetRequestPayload, ApiError> {
        let locale = locale(input.locale)?;
        let challenge = password_reset::request(ctx.data_unchecked::<App>(), input.email, locale).await?;
        Ok(PasswordResetRequestPayload {
            status: MailboxStatus::CheckMailbox,
            challenge_id: global_id(NodeType::MailboxChallenge, challenge),
            user_errors: Vec::new(),
        })
    }

    /// Sets a password with a mailed code, ends every session of the account and signs in. For everyone.
    #[graphql(guard = "Allowed")]
    async fn password_reset(
        &self,
        ctx: &Context<'_>,
        input: PasswordResetInput,
    ) -> Result<PasswordResetPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let challenge = local_id::<ChallengeId>(&input.challenge_id, NodeType::MailboxChallenge);
        let outcome = match (Password::parse(input.password.into()), challenge) {
            (Err(problem), _) => refuse(AuthError::Password(problem)),
            (Ok(_), None) => refuse(AuthError::CodeInvalid),
            (Ok(password), Some(challenge)) => {
                password_reset::reset(app, challenge, &input.code, password).await
            }
        };
        let (tokens, customer_id, user_errors) = signed_in(outcome, customer_id)?;
        Ok(PasswordResetPayload { tokens, customer_id, user_errors })
    }

    /// Changes the password, or sets the first one; other sessions end. For the customer.
    #[graphql(guard = "Allowed")]
    async fn password_change(
        &self,
        ctx: &Context<'_>,
        input: PasswordChangeInput,
    ) -> Result<PasswordChangePayload, ApiError> {
        let (app, me) = (ctx.data_unchecked::<App>(), me(ctx)?);
        let current = input.current_password.map(Into::into);
        let outcome = match Password::parse(input.new_password.into()) {
            Ok(new) => password_change::change(app, me, current, new).await,
            Err(problem) => refuse(AuthError::Password(problem)),
        };
        Ok(match split(outcome)? {
            Ok(()) => PasswordChangePayload { changed: true, user_errors: Vec::new() },
            Err(error) => {
                let user_error = match error {
                    AuthError::Password(_) => in_field(error, "newPassword"),
                    AuthError::PasswordWrong => in_field(error, "currentPassword"),
                    _other => user_error(error),
                };
                PasswordChangePayload { changed: false, user_errors: vec![user_error] }
            }
        })
    }
}
