//! Making, rotating and revoking keys. A key is rotated once: its successor has the same owner, so that idempotency keys
//! stay its own, and may overlap with it for a while.

use chrono::TimeDelta;
use entity::Instant;
use entity::api_key::{ActiveModel, Column, Entity, Model};
use entity::id::{ApiKeyId, KeyOwnerId};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, Set};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::Made;
use crate::app::App;
use crate::audit::{self, Entry};
use crate::auth::viewer::Scope;
use crate::error::{Fault, Outcome, refuse};
use crate::notices::Notice;
use crate::tx::Tx;

/// Why a key was not rotated or revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// No such key.
    NotFound,
    /// It is revoked or has expired.
    Ended,
    /// It was rotated: its successor is the one to rotate.
    Rotated,
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// After how many days it ends; never, if none.
    pub days: Option<u32>,
}

/// Makes a key for a new owner; answers the whole key, which nothing shows again.
pub async fn create(app: &App, new: &NewKey) -> Result<SecretString, Fault> {
    let made = Made::new()?;
    let create = Create::of(new, made.clone());
    app.change(&create, insert_new).await?;
    Ok(made.key)
}

/// A key to be made, and what was made for it.
#[derive(Debug, Serialize)]
pub(crate) struct Create {
    name: String,
    scopes: Vec<&'static str>,
    days: Option<u32>,
    /// Made before, so that a transaction that is run again has the same; not what tells requests apart.
    #[serde(skip)]
    made: Made,
}

impl Create {
    pub(crate) fn of(new: &NewKey, made: Made) -> Self {
        let scopes = new.scopes.iter().map(|scope| scope.name()).collect();
        Self { name: new.name.clone(), scopes, days: new.days, made }
    }
}

/// Writes a new key down.
async fn insert_new(tx: &Tx, create: &Create) -> Result<ApiKeyId, Fault> {
    let row = ActiveModel {
        id: Set(tx.id()),
        owner_id: Set(tx.id::<KeyOwnerId>()),
        name: Set(create.name.clone()),
        prefix: Set(create.made.prefix.clone()),
        secret_hash: Set(create.made.hash.clone()),
        scopes: Set(serde_json::to_value(&create.scopes)?),
        created_at: Set(tx.now()),
        expires_at: Set(create.days.map(|days| tx.after(TimeDelta::days(days.into())))),
        revoked_at: Set(None),
        last_used_at: Set(None),
        replaced_by: Set(None),
    };
    let row = row.insert(tx.db()).await?;
    record(tx, "api_key.create", row.id, json!({ "after": told(&row) })).await?;
    Ok(row.id)
}

/// The same as an operation; nothing refuses it.
pub(crate) async fn make(tx: &Tx, create: &Create) -> Outcome<ApiKeyId, KeyError> {
    Ok(insert_new(tx, create).await?)
}

/// A key to be rotated, and what was made for its successor.
#[derive(Debug, Serialize)]
pub(crate) struct Rotate {
    pub(crate) key: ApiKeyId,
    /// For so long the old one goes on.
    pub(crate) grace_minutes: u32,
    /// Made before, so that a transaction that is run again has the same; not what tells requests apart.
    #[serde(skip)]
    pub(crate) made: Made,
}

/// Makes a successor with the same owner, name and scopes, that lives as long as the old one was made for. The old one
/// ends at once or after the grace.
pub(crate) async fn rotate(tx: &Tx, rotate: &Rotate) -> Outcome<ApiKeyId, KeyError> {
    let Some(old) = Entity::find_by_id(rotate.key).one(tx.db()).await? else {
        return refuse(KeyError::NotFound);
    };
    let id: ApiKeyId = tx.id();
    let mut update = Entity::update_many()
        .col_expr(Column::ReplacedBy, Expr::val(id))
        .filter(Column::Id.eq(old.id).and(Column::ReplacedBy.is_null()))
        .filter(in_force(tx.now()));
    update = if rotate.grace_minutes == 0 {
        update.col_expr(Column::RevokedAt, Expr::val(tx.now()))
    } else {
        let end = tx.after(TimeDelta::minutes(rotate.grace_minutes.into()));
        update
            .col_expr(Column::ExpiresAt, Expr::val(old.expires_at.map_or(end, |own| std::cmp::min(own, end))))
    };
    if update.exec(tx.db()).await?.rows_affected == 0 {
        // What stood in the way may have been committed after the first look.
        let now = Entity::find_by_id(old.id).one(tx.db()).await?;
        let rotated = now.is_some_and(|now| now.replaced_by.is_some());
        return refuse(if rotated { KeyError::Rotated } else { KeyError::Ended });
    }
    let successor = ActiveModel {
        id: Set(id),
        owner_id: Set(old.owner_id),
        name: Set(old.name.clone()),
        prefix: Set(rotate.made.prefix.clone()),
        secret_hash: Set(rotate.made.hash.clone()),
        scopes: Set(old.scopes.clone()),
        created_at: Set(tx.now()),
        expires_at: Set(old.expires_at.map(|end| tx.after(end - old.created_at))),
        revoked_at: Set(None),
        last_used_at: Set(None),
        replaced_by: Set(None),
    };
    let successor = successor.insert(tx.db()).await?;
    tx.tell(Notice::ApiKeysChanged);
    let detail =
        json!({ "graceMinutes": rotate.grace_minutes, "before": told(&old), "after": told(&successor) });
    record(tx, "api_key.rotate", old.id, detail).await?;
    Ok(id)
}

/// A key to be revoked.
#[derive(Debug, Serialize)]
pub(crate) struct Revoke {
    pub(crate) key: ApiKeyId,
}

/// Ends a key at once.
pub(crate) async fn revoke(tx: &Tx, revoke: &Revoke) -> Outcome<ApiKeyId, KeyError> {
    let revoked = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(revoke.key).and(in_force(tx.now())))
        .exec(tx.db())
        .await?;
    let Some(row) = Entity::find_by_id(revoke.key).one(tx.db()).await? else {
        return refuse(KeyError::NotFound);
    };
    if revoked.rows_affected == 0 {
        return refuse(KeyError::Ended);
    }
    tx.tell(Notice::ApiKeysChanged);
    record(tx, "api_key.revoke", row.id, json!({ "before": told(&row) })).await?;
    Ok(row.id)
}

/// The same as rotating over the API, for an operator who knows the visible part; answers the whole new key.
pub async fn rotate_by_prefix(
    app: &App,
    prefix: &str,
    grace_minutes: u32,
) -> Outcome<SecretString, KeyError> {
    let made = Made::new()?;
    let command = Rotate { key: by_prefix(app, prefix).await?, grace_minutes, made: made.clone() };
    app.write(&command, rotate).await?;
    Ok(made.key)
}

/// The same as revoking over the API, for an operator who knows the visible part.
pub async fn revoke_by_prefix(app: &App, prefix: &str) -> Outcome<ApiKeyId, KeyError> {
    let command = Revoke { key: by_prefix(app, prefix).await? };
    app.write(&command, revoke).await
}

async fn by_prefix(app: &App, prefix: &str) -> Outcome<ApiKeyId, KeyError> {
    let prefix = prefix.trim().trim_start_matches("rg_");
    let found = Entity::find().filter(Column::Prefix.eq(prefix)).one(&app.db.read).await?;
    found.map_or_else(|| refuse(KeyError::NotFound), |row| Ok(row.id))
}

/// Every key, the oldest first.
pub async fn list(app: &App) -> Result<Vec<Model>, Fault> {
    Ok(Entity::find().order_by_asc(Column::Id).all(&app.db.read).await?)
}

/// Whether a key works at `now`.
pub fn is_in_force(key: &Model, now: Instant) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end)
}

/// The same as a condition.
fn in_force(now: Instant) -> SimpleExpr {
    Column::RevokedAt.is_null().and(Column::ExpiresAt.is_null().or(Column::ExpiresAt.gt(now)))
}

/// What the audit log keeps of a key.
fn told(row: &Model) -> Json {
    json!({ "id": row.id, "name": row.name, "prefix": row.prefix, "scopes": row.scopes,
        "expiresAt": row.expires_at })
}

async fn record(tx: &Tx, act: &'static str, key: ApiKeyId, detail: Json) -> Result<(), Fault> {
    audit::record(tx, [Entry::of(act, "ApiKey", key.0, detail)]).await
}
