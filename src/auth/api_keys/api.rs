//! API keys over GraphQL.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::api_key::{Column, Entity, Model};
use entity::id::ApiKeyId;
use sea_orm::EntityTrait;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::Made;
use super::lifecycle::{self, Create, KeyError, NewKey, Revoke, Rotate};
use crate::app::App;
use crate::auth::viewer::{Scope, Viewer};
use crate::customers::profile::PersonName;
use crate::error::{Fault, Outcome, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Key;
use crate::tx::Tx;

/// The longest that a key may be made for, in days.
const MOST_DAYS: i32 = 3_650;
/// The longest that a rotated key may go on, in minutes: a week.
const MOST_GRACE: i32 = 10_080;

/// Why a key was not made, rotated or revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ApiKeyErrorCode {
    /// No such key.
    NotFound,
    /// It is revoked or has expired.
    KeyEnded,
    /// It was rotated before: its successor is the one to rotate.
    KeyRotated,
    /// A name, scope or number out of its bounds.
    Invalid,
}

/// A key of the shop's servers; its secret is shown once, when it is made.
#[derive(Debug)]
pub struct ApiKey {
    row: Model,
    now: DateTime<Utc>,
}

#[Object]
impl ApiKey {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::ApiKey, self.row.id)
    }

    /// What it is for.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// How it begins, such as `rg_abcd2345`: tells keys apart in lists and logs.
    async fn prefix(&self) -> String {
        format!("rg_{}", self.row.prefix)
    }

    /// What it may do, such as `orders:write`.
    async fn scopes(&self) -> Result<Vec<String>, ApiError> {
        Ok(serde_json::from_value(self.row.scopes.clone())?)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When it ends by itself; never, if null.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.row.expires_at
    }

    /// When it was revoked, or rotated without grace.
    async fn revoked_at(&self) -> Option<DateTime<Utc>> {
        self.row.revoked_at
    }

    /// When it was last used, to the minute; never, if null.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.row.last_used_at
    }

    /// Whether it works now.
    async fn active(&self) -> bool {
        lifecycle::is_in_force(&self.row, self.now)
    }

    /// The key that it was rotated to.
    async fn replaced_by(&self) -> Option<ID> {
        self.row.replaced_by.map(|id| global_id(NodeType::ApiKey, id))
    }
}

/// A key to make.
#[derive(Debug, InputObject)]
pub struct ApiKeyCreateInput {
    /// What it is for, 1 to 200 characters.
    name: String,
    /// What it may do, at least one, such as `orders:write`.
    scopes: Vec<String>,
    /// After how many days it ends, 1 to 3650; never, if left out.
    expires_in_days: Option<i32>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A key to rotate.
#[derive(Debug, InputObject)]
pub struct ApiKeyRotateInput {
    /// Which.
    id: ID,
    /// For how many minutes the old key goes on, 0 to 10080; at 0 it ends at once.
    #[graphql(default = 0)]
    grace_minutes: i32,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A key to revoke.
#[derive(Debug, InputObject)]
pub struct ApiKeyRevokeInput {
    /// Which.
    id: ID,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A key that was made, rotated or revoked, or why it was not.
#[derive(SimpleObject)]
pub struct ApiKeyPayload {
    /// The key; after a rotation the new one.
    api_key: Option<ApiKey>,
    /// The whole new key. It is shown this once: null on a replay and after a revocation.
    secret: Option<String>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<ApiKeyErrorCode>>,
}

impl ApiKeyPayload {
    fn refused(code: ApiKeyErrorCode, field: &str, message: &str) -> Self {
        let field = Some(vec!["input".to_owned(), field.to_owned()]);
        let user_errors = vec![UserError { code, field, message: message.to_owned() }];
        Self { api_key: None, secret: None, replayed: false, user_errors }
    }

    fn of(error: KeyError) -> Self {
        let (code, message) = match error {
            KeyError::NotFound => (ApiKeyErrorCode::NotFound, "There is no such key."),
            KeyError::Ended => (ApiKeyErrorCode::KeyEnded, "This key is revoked or has expired."),
            KeyError::Rotated => (
                ApiKeyErrorCode::KeyRotated,
                "This key was rotated before; rotate the one that took its place.",
            ),
        };
        Self::refused(code, "id", message)
    }
}

/// Queries about API keys.
#[derive(Debug, Default)]
pub struct ApiKeysQuery;

#[Object]
impl ApiKeysQuery {
    /// The keys of the shop's servers, the newest first. For staff with `api_keys.manage`.
    #[graphql(guard = "Allowed")]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<ApiKey>, ApiError> {
        let now = ctx.data_unchecked::<App>().clock.now();
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, Entity::find(), Column::Id, arguments, |row| (row.id.0, ApiKey { row, now })).await
    }
}

/// Mutations of API keys.
#[derive(Debug, Default)]
pub struct ApiKeysMutation;

#[Object]
impl ApiKeysMutation {
    /// Makes a key for a server of the shop, and shows it once. For staff with `api_keys.manage` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn api_key_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it may do, and for how long.")] input: ApiKeyCreateInput,
    ) -> Result<ApiKeyPayload, ApiError> {
        let Ok(name) = PersonName::try_from(input.name) else {
            let message = "Give a name of 1 to 200 characters in one line.";
            return Ok(ApiKeyPayload::refused(ApiKeyErrorCode::Invalid, "name", message));
        };
        let Some(scopes) = scopes(&input.scopes) else {
            let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
            let message = format!("Give at least one of {}.", known.join(", "));
            return Ok(ApiKeyPayload::refused(ApiKeyErrorCode::Invalid, "scopes", &message));
        };
        let days = input.expires_in_days;
        if days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
            let message = "A key ends after 1 to 3650 days.";
            return Ok(ApiKeyPayload::refused(ApiKeyErrorCode::Invalid, "expiresInDays", message));
        }
        let new = NewKey { name: name.into(), scopes, days: days.map(u32::try_from).transpose()? };
        let made = Made::new()?;
        let command = Create::of(&new, made.clone());
        once(ctx, "apiKeyCreate", input.idempotency_key, &command, lifecycle::make, Some(made)).await
    }

    /// Makes a new key with the owner, the name, the scopes and the lifetime of an old one, and shows it once. The old one
    /// goes on for the grace; idempotency keys are those of the owner and stay good. For staff with `api_keys.manage` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn api_key_rotate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and for how long the old one goes on.")] input: ApiKeyRotateInput,
    ) -> Result<ApiKeyPayload, ApiError> {
        if !(0..=MOST_GRACE).contains(&input.grace_minutes) {
            let message = "A grace has 0 to 10080 minutes.";
            return Ok(ApiKeyPayload::refused(ApiKeyErrorCode::Invalid, "graceMinutes", message));
        }
        let Some(key) = local_id::<ApiKeyId>(&input.id, NodeType::ApiKey) else {
            return Ok(ApiKeyPayload::of(KeyError::NotFound));
        };
        let made = Made::new()?;
        let command = Rotate { key, grace_minutes: u32::try_from(input.grace_minutes)?, made: made.clone() };
        once(ctx, "apiKeyRotate", input.idempotency_key, &command, lifecycle::rotate, Some(made)).await
    }

    /// Ends a key at once. For staff with `api_keys.manage` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn api_key_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ApiKeyRevokeInput,
    ) -> Result<ApiKeyPayload, ApiError> {
        let Some(key) = local_id::<ApiKeyId>(&input.id, NodeType::ApiKey) else {
            return Ok(ApiKeyPayload::of(KeyError::NotFound));
        };
        once(ctx, "apiKeyRevoke", input.idempotency_key, &Revoke { key }, lifecycle::revoke, None).await
    }
}

/// The scopes of these names; none if one is unknown or there is not one.
fn scopes(names: &[String]) -> Option<Vec<Scope>> {
    let mut scopes = names.iter().map(|name| Scope::parse(name)).collect::<Option<Vec<_>>>()?;
    scopes.sort_unstable();
    scopes.dedup();
    (!scopes.is_empty()).then_some(scopes)
}

/// Does `work` once for the caller's key, and reads the key as it is now.
async fn once<C: Serialize>(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    command: &C,
    work: impl AsyncFn(&Tx, &C) -> Outcome<ApiKeyId, KeyError>,
    made: Option<Made>,
) -> Result<ApiKeyPayload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let key = Key { scope: ctx.data_unchecked::<Viewer>().key_scope(), key: key.0, operation };
    match split(app.write_once(&key, command, work).await)? {
        Err(reason) => Ok(ApiKeyPayload::of(reason)),
        Ok(once) => {
            let found = Entity::find_by_id(once.value).one(&app.db.read).await?;
            let row = found.ok_or_else(|| Fault::internal("a key that was written is gone"))?;
            let shown = made.filter(|_| !once.replayed).map(|made| made.key.expose_secret().to_owned());
            Ok(ApiKeyPayload {
                api_key: Some(ApiKey { row, now: app.clock.now() }),
                secret: shown,
                replayed: once.replayed,
                user_errors: Vec::new(),
            })
        }
    }
}
