//! Sessions: their next tokens and their end.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use secrecy::SecretString;

use super::SessionTokens;
use super::refusal::{AuthErrorCode, user_error};
use crate::app::App;
use crate::auth::sessions;
use crate::error::split;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::payload::UserError;

/// The newest refresh token of a session.
#[derive(InputObject)]
pub struct SessionRefreshInput {
    /// Used up by this.
    refresh_token: String,
}

/// The next tokens of a session, or why there are none.
#[derive(SimpleObject)]
pub struct SessionRefreshPayload {
    /// The next ones.
    tokens: Option<SessionTokens>,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// A refresh token of a session.
#[derive(InputObject)]
pub struct SessionEndInput {
    /// Of the session to end.
    refresh_token: String,
}

/// The session is over.
#[derive(Debug, SimpleObject)]
pub struct SessionEndPayload {
    /// Always: a token that is unknown or used has no session to end.
    ended: bool,
    /// None so far.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// Renewing and ending sessions.
#[derive(Debug, Default)]
pub struct SessionsMutation;

#[Object]
impl SessionsMutation {
    /// Exchanges a refresh token for the next tokens. A used one that comes back more than ten seconds later ends the session.
    /// For everyone.
    #[graphql(guard = "Allowed")]
    async fn session_refresh(
        &self,
        ctx: &Context<'_>,
        input: SessionRefreshInput,
    ) -> Result<SessionRefreshPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let token = SecretString::from(input.refresh_token);
        match split(app.write(&token, sessions::refresh).await)? {
            Ok(opened) => {
                let tokens = Some(opened.tokens(app)?.into());
                Ok(SessionRefreshPayload { tokens, user_errors: Vec::new() })
            }
            Err(error) => Ok(SessionRefreshPayload { tokens: None, user_errors: vec![user_error(error)] }),
        }
    }

    /// Signs out: ends the session of a refresh token. For everyone.
    #[graphql(guard = "Allowed")]
    async fn session_end(
        &self,
        ctx: &Context<'_>,
        input: SessionEndInput,
    ) -> Result<SessionEndPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let token = SecretString::from(input.refresh_token);
        app.change(&token, sessions::end).await?;
        Ok(SessionEndPayload { ended: true, user_errors: Vec::new() })
    }
}
