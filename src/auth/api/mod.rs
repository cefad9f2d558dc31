//! Registering, signing in and out, and changing credentials over GraphQL. The mutations that try or mail a credential take
//! no idempotency key: the credential that each uses up is the key.

pub mod email;
pub mod password;
pub mod refusal;
pub mod session_list;
pub mod sessions;
pub mod sign_in;
#[cfg(test)]
mod tests;

use async_graphql::{Context, Enum, ID, MergedObject, SimpleObject};
use chrono::{DateTime, Utc};
use entity::id::CustomerId;
use entity::session::Audience;
use secrecy::ExposeSecret;

use super::AuthError;
use super::reauthenticate::SignedIn;
use super::sessions::Tokens;
use super::tokens::Subject;
use super::viewer::Viewer;
use crate::customers::profile::Locale;
use crate::error::{Fault, Outcome, split};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::payload::UserError;
use refusal::{AuthErrorCode, user_error};
pub use session_list::AuthQuery;

/// Changes of credentials and sessions.
#[derive(Debug, Default, MergedObject)]
pub struct AuthMutation(
    sign_in::SignInMutation,
    password::PasswordMutation,
    email::EmailMutation,
    sessions::SessionsMutation,
);

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum MailboxStatus {
    /// Whatever there is to know was mailed.
    CheckMailbox,
}

/// What a client signs in with from now on.
#[derive(SimpleObject)]
pub struct SessionTokens {
    /// For the header `Authorization: Bearer …`.
    access_token: String,
    /// When the access token ends.
    access_token_expires_at: DateTime<Utc>,
    /// For `sessionRefresh`; good once, but for ten seconds in which a second tab may use it too.
    refresh_token: String,
}

impl From<Tokens> for SessionTokens {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token.expose_secret().to_owned(),
            access_token_expires_at: tokens.access_token_expires_at,
            refresh_token: tokens.refresh_token.expose_secret().to_owned(),
        }
    }
}

/// The customer who is signed in; the guard lets nobody else through.
fn me(ctx: &Context<'_>) -> Result<SignedIn, ApiError> {
    match ctx.data_opt::<Viewer>() {
        Some(Viewer::Customer { customer, session, authenticated_at }) => {
            Ok(SignedIn { customer: *customer, session: *session, authenticated_at: *authenticated_at })
        }
        _ => Err(Fault::internal("somebody else does what is for customers").into()),
    }
}

/// Who is signed in where; the guard lets nobody else through.
fn subject(ctx: &Context<'_>) -> Result<Subject, ApiError> {
    match ctx.data_opt::<Viewer>() {
        Some(Viewer::Customer { customer, session, .. }) => {
            Ok(Subject { audience: Audience::Customer, id: customer.0, session: *session })
        }
        Some(Viewer::Staff { staff, session, .. }) => {
            Ok(Subject { audience: Audience::Staff, id: staff.0, session: *session })
        }
        _ => Err(Fault::internal("somebody without a session does what is for sessions").into()),
    }
}

fn customer_id(customer: CustomerId) -> ID {
    global_id(NodeType::Customer, customer)
}

type NewSession = (Option<SessionTokens>, Option<ID>, Vec<UserError<AuthErrorCode>>);

fn signed_in<T>(
    outcome: Outcome<(Tokens, T), AuthError>,
    id: impl FnOnce(T) -> ID,
) -> Result<NewSession, ApiError> {
    Ok(match split(outcome)? {
        Ok((tokens, who)) => (Some(tokens.into()), Some(id(who)), Vec::new()),
        Err(error) => (None, None, vec![user_error(error)]),
    })
}

fn locale(text: Option<String>) -> Result<Option<Locale>, ApiError> {
    let locale = text.map(Locale::try_from).transpose();
    locale.map_err(|problem| ApiError::bad_input(format!("locale {problem}")))
}
