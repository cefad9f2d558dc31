//! Registering, signing in and out, and changing credentials over GraphQL. The mutations that try or mail a credential take
//! no idempotency key: the credential that each uses up is the key.

pub mod refusal;
pub mod sessions;
pub mod sign_in;
#[cfg(test)]
mod tests;

use async_graphql::{Enum, ID, MergedObject, SimpleObject};
use chrono::{DateTime, Utc};
use entity::id::CustomerId;
use secrecy::ExposeSecret;

use super::AuthError;
use super::sessions::Tokens;
use crate::customers::profile::Locale;
use crate::error::{Outcome, split};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::payload::UserError;
pub use refusal::AuthErrorCode;
use refusal::user_error;

/// Changes of credentials and sessions.
#[derive(Debug, Default, MergedObject)]
pub struct AuthMutation(sign_in::SignInMutation, sessions::SessionsMutation);

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

fn customer_id(customer: CustomerId) -> ID {
    global_id(NodeType::Customer, customer)
}

type SignedIn = (Option<SessionTokens>, Option<ID>, Vec<UserError<AuthErrorCode>>);

fn signed_in<T>(
    outcome: Outcome<(Tokens, T), AuthError>,
    id: impl FnOnce(T) -> ID,
) -> Result<SignedIn, ApiError> {
    Ok(match split(outcome)? {
        Ok((tokens, who)) => (Some(tokens.into()), Some(id(who)), Vec::new()),
        Err(error) => (None, None, vec![user_error(error)]),
    })
}

fn locale(text: Option<String>) -> Result<Option<Locale>, ApiError> {
    let locale = text.map(Locale::try_from).transpose();
    locale.map_err(|problem| ApiError::bad_input(format!("locale {problem}")))
}
