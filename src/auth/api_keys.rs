//! API keys: what the shop's servers call with. A key is shown once; its prefix finds it, a hash of the whole proves it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use entity::Instant;
use entity::api_key::{ActiveModel, Column, Entity};
use entity::id::{ApiKeyId, KeyOwnerId};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, Set};
use secrecy::{ExposeSecret, SecretString};

use super::viewer::{Scope, Viewer};
use super::{Unauthenticated, secret};
use crate::app::App;
use crate::error::Fault;
use crate::tx::Tx;

/// Characters of the part that is shown in lists.
const PREFIX: usize = 8;
/// Characters of the secret part: 256 bits.
const SECRET: usize = 43;
/// `last_used_at` is written at most so often.
const NOTE_EVERY: TimeDelta = TimeDelta::minutes(1);
/// What a prefix is made of; 32 of them, so that each takes five bits evenly.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// When this instance last noted the use of each key.
#[derive(Debug, Default)]
pub struct Uses(Mutex<HashMap<ApiKeyId, Instant>>);

impl Uses {
    /// Whether the use at `now` is to be noted; if so, it counts as noted.
    fn is_due(&self, key: ApiKeyId, noted: Option<Instant>, now: Instant) -> bool {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = std::cmp::max(uses.get(&key).copied(), noted);
        let due = last.is_none_or(|last| now - last >= NOTE_EVERY);
        if due {
            uses.insert(key, now);
        }
        due
    }
}

/// Whether this has the shape of a key: `rg_`, eight characters, `_`, forty-three characters.
pub(crate) fn is_shaped(credentials: &str) -> bool {
    prefix_of(credentials).is_some()
}

fn prefix_of(credentials: &str) -> Option<&str> {
    let (prefix, secret) = credentials.strip_prefix("rg_")?.split_at_checked(PREFIX)?;
    (secret.len() == SECRET + 1 && secret.starts_with('_')).then_some(prefix)
}

/// Whose key this is, if it is in force.
pub(crate) async fn viewer(app: &App, credentials: &str) -> Result<Viewer, Unauthenticated> {
    let prefix = prefix_of(credentials).ok_or(Unauthenticated::Rejected)?;
    let found = Entity::find().filter(Column::Prefix.eq(prefix)).one(&app.db.read).await?;
    let row = found.ok_or(Unauthenticated::Rejected)?;
    let now = app.clock.now();
    let in_force = row.revoked_at.is_none() && row.expires_at.is_none_or(|end| now < end);
    if !secret::same(&row.secret_hash, &secret::hash(credentials)) || !in_force {
        return Err(Unauthenticated::Rejected);
    }
    let names: Vec<String> = serde_json::from_value(row.scopes)?;
    let scopes = names.iter().filter_map(|name| Scope::parse(name)).collect();
    if app.key_uses.is_due(row.id, row.last_used_at, now) {
        tokio::spawn(note_use(app.clone(), row.id, now));
    }
    Ok(Viewer::Shop { key: row.id, owner: row.owner_id, scopes })
}

/// Beside the request, which neither waits for it nor fails with it.
async fn note_use(app: App, key: ApiKeyId, now: Instant) {
    if let Err(fault) = app.change(&(key, now), write_use).await {
        tracing::warn!(?fault, "could not note the use of an API key");
    }
}

async fn write_use(tx: &Tx, (key, now): &(ApiKeyId, Instant)) -> Result<(), Fault> {
    let older = Column::LastUsedAt.is_null().or(Column::LastUsedAt.lt(*now));
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::val(*now))
        .filter(Column::Id.eq(*key).and(older))
        .exec(tx.db())
        .await?;
    Ok(())
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
    let letters = secret::random::<PREFIX>()?.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    let prefix = String::from_iter(letters);
    let key = SecretString::from(format!("rg_{prefix}_{}", secret::token()?.expose_secret()));
    let hash = secret::hash(key.expose_secret());
    app.change(&(new, &prefix, hash), insert).await?;
    Ok(key)
}

async fn insert(tx: &Tx, (new, prefix, hash): &(&NewKey, &String, Vec<u8>)) -> Result<(), Fault> {
    let names: Vec<&str> = new.scopes.iter().map(|scope| scope.name()).collect();
    let row = ActiveModel {
        id: Set(tx.id()),
        owner_id: Set(tx.id::<KeyOwnerId>()),
        name: Set(new.name.clone()),
        prefix: Set((*prefix).clone()),
        secret_hash: Set(hash.clone()),
        scopes: Set(serde_json::to_value(names)?),
        created_at: Set(tx.now()),
        expires_at: Set(new.days.map(|days| tx.after(TimeDelta::days(days.into())))),
        revoked_at: Set(None),
        last_used_at: Set(None),
    };
    row.insert(tx.db()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_shape_is_a_key() {
        let secret = "a".repeat(SECRET);
        assert_eq!(prefix_of(&format!("rg_abcd2345_{secret}")), Some("abcd2345"));
        for other in [
            format!("rg_abcd234_{secret}"),
            format!("rg_abcd2345_{secret}a"),
            format!("rg_abcd2345{secret}"),
            format!("sk_abcd2345_{secret}"),
            "rg_".to_owned(),
            "rg_ééééé_".to_owned(),
        ] {
            assert_eq!(prefix_of(&other), None, "{other}");
        }
    }

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let uses = Uses::default();
        let key = ApiKeyId(uuid::Uuid::from_u128(1));
        let start = Instant::from_timestamp(1_800_000_000, 0).unwrap();
        let due = |seconds| uses.is_due(key, None, start + TimeDelta::seconds(seconds));
        assert_eq!([due(0), due(1), due(59), due(60), due(61)], [true, false, false, true, false]);
        let noted_elsewhere = Some(start + TimeDelta::seconds(100));
        assert!(!uses.is_due(key, noted_elsewhere, start + TimeDelta::seconds(130)));
    }
}
