//! Sessions: their next tokens, their standing and their end.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::id::ChallengeId;
use entity::session::Entity;
use sea_orm::EntityTrait;
use secrecy::SecretString;

use super::refusal::{AuthErrorCode, user_error};
use super::session_list::Session;
use super::{SessionTokens, me, subject};
use crate::app::App;
use crate::auth::own_sessions::{self, Revoke, RevokeOthers};
use crate::auth::viewer::Viewer;
use crate::auth::{AuthError, reauthenticate, sessions};
use crate::error::{refuse, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Key;

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

/// Exactly one of the password and a mailed code with its challenge.
#[derive(InputObject)]
pub struct SessionReauthenticateInput {
    /// The account's own.
    password: Option<String>,
    /// As `signInRequestCode` answered for the address of the account.
    challenge_id: Option<ID>,
    /// Six digits.
    code: Option<String>,
}

/// From when on it counts, or why it does not.
#[derive(Debug, SimpleObject)]
pub struct SessionReauthenticatePayload {
    /// For five minutes from then, credentials may be changed in this session.
    authenticated_at: Option<DateTime<Utc>>,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// Which session to end.
#[derive(InputObject)]
pub struct SessionRevokeInput {
    /// One of `sessions`.
    session_id: ID,
    /// Any text of 1 to 255 visible characters that you have not used for another request.
    idempotency_key: IdempotencyKey,
}

/// The session is over, or why not.
#[derive(Debug, SimpleObject)]
pub struct SessionRevokePayload {
    /// As it is now; null if it was refused, or is forgotten by now.
    session: Option<Session>,
    /// Whether this repeats what an earlier request with the same key did.
    replayed: bool,
    /// Why it was refused.
    user_errors: Vec<UserError<AuthErrorCode>>,
}

/// All sessions but the one that asks.
#[derive(InputObject)]
pub struct SessionsRevokeOthersInput {
    /// Any text of 1 to 255 visible characters that you have not used for another request.
    idempotency_key: IdempotencyKey,
}

/// The other sessions are over.
#[derive(Debug, SimpleObject)]
pub struct SessionsRevokeOthersPayload {
    /// How many were ended.
    ended: Option<i32>,
    /// Whether this repeats what an earlier request with the same key did.
    replayed: bool,
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

    /// Takes the password, or a code that was mailed by `signInRequestCode`, in the session that is: so that credentials
    /// may be changed in it. For the customer.
    #[graphql(guard = "Allowed")]
    async fn session_reauthenticate(
        &self,
        ctx: &Context<'_>,
        input: SessionReauthenticateInput,
    ) -> Result<SessionReauthenticatePayload, ApiError> {
        let (app, me) = (ctx.data_unchecked::<App>(), me(ctx)?);
        let outcome = match (input.password, input.challenge_id, input.code) {
            (Some(password), None, None) => reauthenticate::by_password(app, me, password.into()).await,
            (None, Some(id), Some(code)) => match local_id::<ChallengeId>(&id, NodeType::MailboxChallenge) {
                Some(challenge) => reauthenticate::by_code(app, me, challenge, &code).await,
                None => refuse(AuthError::CodeInvalid),
            },
            _ => return Err(ApiError::bad_input("give the password, or challengeId and code")),
        };
        Ok(match split(outcome)? {
            Ok(at) => SessionReauthenticatePayload { authenticated_at: Some(at), user_errors: Vec::new() },
            Err(error) => {
                let user_errors = vec![user_error(error)];
                SessionReauthenticatePayload { authenticated_at: None, user_errors }
            }
        })
    }

    /// Ends one of the sessions of whoever is signed in, be it this one. For the customer, staff with `staff.self`.
    #[graphql(guard = "Allowed")]
    async fn session_revoke(
        &self,
        ctx: &Context<'_>,
        input: SessionRevokeInput,
    ) -> Result<SessionRevokePayload, ApiError> {
        let (app, me) = (ctx.data_unchecked::<App>(), subject(ctx)?);
        let session = local_id(&input.session_id, NodeType::Session);
        let command = Revoke { audience: me.audience, subject: me.id, session };
        let key = key(ctx, input.idempotency_key, "sessionRevoke");
        Ok(match split(app.write_once(&key, &command, own_sessions::revoke).await)? {
            Ok(once) => {
                let row = Entity::find_by_id(once.value).one(&app.db.read).await?;
                let session = row.map(|row| Session::seen_from(me.session, row));
                SessionRevokePayload { session, replayed: once.replayed, user_errors: Vec::new() }
            }
            Err(error) => {
                let user_errors = vec![user_error(error)];
                SessionRevokePayload { session: None, replayed: false, user_errors }
            }
        })
    }

    /// Ends all sessions of whoever is signed in but this one. For the customer, staff with `staff.self`.
    #[graphql(guard = "Allowed")]
    async fn sessions_revoke_others(
        &self,
        ctx: &Context<'_>,
        input: SessionsRevokeOthersInput,
    ) -> Result<SessionsRevokeOthersPayload, ApiError> {
        let (app, me) = (ctx.data_unchecked::<App>(), subject(ctx)?);
        let command = RevokeOthers { audience: me.audience, subject: me.id, kept: me.session };
        let key = key(ctx, input.idempotency_key, "sessionsRevokeOthers");
        Ok(match split(app.write_once(&key, &command, own_sessions::revoke_others).await)? {
            Ok(once) => {
                let ended = Some(i32::try_from(once.value).unwrap_or(i32::MAX));
                SessionsRevokeOthersPayload { ended, replayed: once.replayed, user_errors: Vec::new() }
            }
            Err(error) => {
                let user_errors = vec![user_error(error)];
                SessionsRevokeOthersPayload { ended: None, replayed: false, user_errors }
            }
        })
    }
}

fn key(ctx: &Context<'_>, key: IdempotencyKey, operation: &'static str) -> Key {
    let viewer = ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous);
    Key { scope: viewer.key_scope(), key: key.0, operation }
}
