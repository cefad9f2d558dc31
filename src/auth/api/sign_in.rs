//! Registering and signing in.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::id::{ChallengeId, StaffId};

use super::refusal::{AuthErrorCode, user_error};
use super::{MailboxStatus, SessionTokens, customer_id, locale, signed_in};
use crate::app::App;
use crate::auth::mailbox::{self, Register};
use crate::auth::passwords::Password;
use crate::auth::{AuthError, proof, sign_in};
use crate::customers::email::EmailAddress;
use crate::customers::profile::PersonName;
use crate::error::split;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::payload::UserError;

/// Who wants an account.
#[derive(InputObject)]
pub struct CustomerRegisterInput {
    /// The mailbox to prove.
    email: EmailAddress,
    /// 8 to 128 characters; without one, mailed codes are the way to sign in.
    password: Option<String>,
    /// 1 to 200 characters.
    name: Option<String>,
    /// For mails: BCP 47, such as `nl-BE`.
    locale: Option<String>,
}

/// The same for known and unknown addresses.
#[derive(Debug, SimpleObject)]
pub struct CustomerRegisterPayload {
    /// What comes next; null if the password cannot be set, or nobody registers.
    status: Option<MailboxStatus>,
    /// For `mailboxProve`, with the mailed code.
    challenge_id: Option<ID>,
    /// Why it was refused: the password or the shop's policy, never the address.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// Where a code is to be mailed.
#[derive(InputObject)]
pub struct SignInRequestCodeInput {
    /// The mailbox of the account.
    email: EmailAddress,
    /// For the mail: BCP 47, such as `nl-BE`.
    locale: Option<String>,
}

/// The same for known and unknown addresses.
#[derive(Debug, SimpleObject)]
pub struct SignInRequestCodePayload {
    /// What comes next.
    status: MailboxStatus,
    /// For `mailboxProve`, with the mailed code.
    challenge_id: ID,
    /// None so far.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// A code that was mailed.
#[derive(InputObject)]
pub struct MailboxProveInput {
    /// As `customerRegister`, `accountCreateFromOrder` or `signInRequestCode` answered.
    challenge_id: ID,
    /// Six digits.
    code: String,
}

/// A new session of a customer, or why there is none.
#[derive(SimpleObject)]
pub struct MailboxProvePayload {
    /// Of the new session.
    tokens: Option<SessionTokens>,
    /// Who signed in.
    customer_id: Option<ID>,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// An address and its password.
#[derive(InputObject)]
pub struct SignInWithPasswordInput {
    /// The mailbox of the account.
    email: EmailAddress,
    /// Its password.
    password: String,
}

/// A new session of a customer, or why there is none.
#[derive(SimpleObject)]
pub struct SignInWithPasswordPayload {
    /// Of the new session.
    tokens: Option<SessionTokens>,
    /// Who signed in.
    customer_id: Option<ID>,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// A staff address and its password.
#[derive(InputObject)]
pub struct StaffSignInInput {
    /// Of the member of staff.
    email: EmailAddress,
    /// Its password.
    password: String,
    /// Six digits, or a recovery code: only for a member whose second factor is in force.
    totp_code: Option<String>,
}

/// A new session of a member of staff, or why there is none.
#[derive(SimpleObject)]
pub struct StaffSignInPayload {
    /// Of the new session.
    tokens: Option<SessionTokens>,
    /// Who signed in.
    staff_id: Option<ID>,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// Registering and signing in.
#[derive(Debug, Default)]
pub struct SignInMutation;

#[Object]
impl SignInMutation {
    /// Mails a code that makes the account, or that signs in if there is one. For everyone.
    #[graphql(guard = "Allowed")]
    async fn customer_register(
        &self,
        ctx: &Context<'_>,
        input: CustomerRegisterInput,
    ) -> Result<CustomerRegisterPayload, ApiError> {
        let (name, locale) = (person_name(input.name)?, locale(input.locale)?);
        let password = input.password.map(|text| Password::parse(text.into())).transpose();
        let password = match password {
            Ok(password) => password,
            Err(problem) => {
                let user_errors = vec![user_error(AuthError::Password(problem))];
                return Ok(CustomerRegisterPayload { status: None, challenge_id: None, user_errors });
            }
        };
        let register = Register { email: input.email, password, name, locale };
        Ok(match split(mailbox::register(ctx.data_unchecked::<App>(), register).await)? {
            Ok(challenge) => CustomerRegisterPayload {
                status: Some(MailboxStatus::CheckMailbox),
                challenge_id: Some(global_id(NodeType::MailboxChallenge, challenge)),
                user_errors: Vec::new(),
            },
            Err(reason) => {
                let user_errors = vec![user_error(reason)];
                CustomerRegisterPayload { status: None, challenge_id: None, user_errors }
            }
        })
    }

    /// Mails a code that signs in, if the address has an account. For everyone.
    #[graphql(guard = "Allowed")]
    async fn sign_in_request_code(
        &self,
        ctx: &Context<'_>,
        input: SignInRequestCodeInput,
    ) -> Result<SignInRequestCodePayload, ApiError> {
        let locale = locale(input.locale)?;
        let challenge = mailbox::request_code(ctx.data_unchecked::<App>(), input.email, locale).await?;
        Ok(SignInRequestCodePayload {
            status: MailboxStatus::CheckMailbox,
            challenge_id: global_id(NodeType::MailboxChallenge, challenge),
            user_errors: Vec::new(),
        })
    }

    /// Proves a mailbox with the mailed code, makes the account if there is none, and signs in. For everyone.
    #[graphql(guard = "Allowed")]
    async fn mailbox_prove(
        &self,
        ctx: &Context<'_>,
        input: MailboxProveInput,
    ) -> Result<MailboxProvePayload, ApiError> {
        let outcome = match local_id::<ChallengeId>(&input.challenge_id, NodeType::MailboxChallenge) {
            Some(challenge) => proof::prove(ctx.data_unchecked::<App>(), challenge, &input.code).await,
            None => crate::error::refuse(AuthError::CodeInvalid),
        };
        let (tokens, customer_id, user_errors) = signed_in(outcome, customer_id)?;
        Ok(MailboxProvePayload { tokens, customer_id, user_errors })
    }

    /// Signs a customer in. For everyone.
    #[graphql(guard = "Allowed")]
    async fn sign_in_with_password(
        &self,
        ctx: &Context<'_>,
        input: SignInWithPasswordInput,
    ) -> Result<SignInWithPasswordPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let outcome = sign_in::customer(app, &input.email, input.password.into()).await;
        let (tokens, customer_id, user_errors) = signed_in(outcome, customer_id)?;
        Ok(SignInWithPasswordPayload { tokens, customer_id, user_errors })
    }

    /// Signs a member of staff in. A second factor that is in force is asked for only after the right password, and its
    /// code is good once. For everyone.
    #[graphql(guard = "Allowed")]
    async fn staff_sign_in(
        &self,
        ctx: &Context<'_>,
        input: StaffSignInInput,
    ) -> Result<StaffSignInPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let outcome = sign_in::staff(app, &input.email, input.password.into(), input.totp_code).await;
        let id = |staff: StaffId| global_id(NodeType::Staff, staff);
        let (tokens, staff_id, user_errors) = signed_in(outcome, id)?;
        Ok(StaffSignInPayload { tokens, staff_id, user_errors })
    }
}

fn person_name(text: Option<String>) -> Result<Option<PersonName>, ApiError> {
    let name = text.map(PersonName::try_from).transpose();
    name.map_err(|problem| ApiError::bad_input(format!("name {problem}")))
}
