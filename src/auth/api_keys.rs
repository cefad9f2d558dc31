//! API keys: what the shop's servers call with. A key is shown once; its prefix finds it, a hash of the whole proves it.

pub mod api;
mod lifecycle;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use entity::Instant;
use entity::api_key::{Column, Entity, Model};
use entity::id::ApiKeyId;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};
use secrecy::{ExposeSecret, SecretString};

use super::viewer::{Scope, Viewer};
use super::{Authenticated, Credential, Unauthenticated, secret};
use crate::app::App;
use crate::db::dialect::is_among_texts;
use crate::error::Fault;
use crate::tx::Tx;
pub use lifecycle::{KeyError, NewKey, create, is_in_force, list, revoke_by_prefix, rotate_by_prefix};

/// Characters of the part that is shown in lists.
const PREFIX: usize = 8;
/// Characters of the secret part: 256 bits.
const SECRET: usize = 43;
/// `last_used_at` is written at most so often.
const NOTE_EVERY: TimeDelta = TimeDelta::minutes(1);
/// For so long a key that was right is known to be no guess.
const KNOWN_FOR: TimeDelta = TimeDelta::minutes(1);

/// The keys that were right on this instance, by the hash of the whole key: a prefix alone is shown in lists.
#[derive(Debug, Default)]
pub struct Uses(Mutex<HashMap<Vec<u8>, Use>>);

/// A use of a key that was right.
#[derive(Clone, Copy, Debug)]
struct Use {
    last: Instant,
    /// When one was last noted in the database.
    noted: Instant,
}

impl Uses {
    /// Keeps that a key was right at `now`. Answers whether that is to be noted, having been noted last at `noted`; if so,
    /// it counts as noted.
    fn was_right(&self, hash: &[u8], noted: Option<Instant>, now: Instant) -> bool {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = std::cmp::max(uses.get(hash).map(|of| of.noted), noted);
        let due = last.is_none_or(|last| now - last >= NOTE_EVERY);
        let noted = last.filter(|_| !due).unwrap_or(now);
        uses.insert(hash.to_vec(), Use { last: now, noted });
        due
    }

    /// Whether a key was right within the last minute.
    fn is_known(&self, hash: &[u8], now: Instant) -> bool {
        let uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uses.get(hash).is_some_and(|of| now - of.last < KNOWN_FOR)
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

/// What finds a key and proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    prefix: String,
    hash: Vec<u8>,
}

/// A key that was found to be in force: whose, and when a use of it was last noted.
pub(crate) type Known = (Viewer, Option<Instant>);

/// Whose key this is, if it is in force, as far as is known; `stranger` is what a key gets that was not right here of late.
pub(crate) async fn viewer(
    app: &App,
    credentials: &str,
    stranger: Result<(), Fault>,
) -> Result<Authenticated, Unauthenticated> {
    let prefix = prefix_of(credentials).ok_or(Unauthenticated::Rejected)?;
    let (hash, now) = (secret::hash(credentials), app.clock.now());
    if let Some((viewer, noted)) = app.known_keys.get(&hash, now, |read| app.notices.cover(read)) {
        was_right(app, &viewer, &hash, noted, now);
        let proof = Proof { prefix: prefix.to_owned(), hash };
        return Ok(Authenticated { viewer, remembered: Some(Credential::ApiKey(proof)) });
    }
    if !app.key_uses.is_known(&hash, now) {
        stranger?;
    }
    Ok(look_up(app, Proof { prefix: prefix.to_owned(), hash }).await?.into())
}

/// Asks the database for a key, and remembers the answer. What this reads changes together with
/// [`Notice::ApiKeysChanged`](crate::notices::Notice::ApiKeysChanged).
pub(super) async fn look_up(app: &App, Proof { prefix, hash }: Proof) -> Result<Viewer, Unauthenticated> {
    let (reading, now) = (app.known_keys.begin_reading(), app.clock.now());
    let found = app.shared.api_keys.one(app, prefix).await?;
    let good = found.filter(|row| secret::same(&row.secret_hash, &hash) && is_in_force(row, now));
    let Some(row) = good else {
        // A guess is not among those that are remembered, and disturbs none of them.
        if app.key_uses.is_known(&hash, now) {
            app.known_keys.forget(&hash);
        }
        return Err(Unauthenticated::Rejected);
    };
    let names: Vec<String> = serde_json::from_value(row.scopes)?;
    let scopes = names.iter().filter_map(|name| Scope::parse(name)).collect();
    let viewer = Viewer::Shop { key: row.id, owner: row.owner_id, scopes };
    was_right(app, &viewer, &hash, row.last_used_at, now);
    app.known_keys.remember(reading, &hash, (viewer.clone(), row.last_used_at), row.expires_at);
    Ok(viewer)
}

/// Keeps that a key was used, and notes it now and then.
fn was_right(app: &App, viewer: &Viewer, hash: &[u8], noted: Option<Instant>, now: Instant) {
    if let Viewer::Shop { key, .. } = viewer
        && app.key_uses.was_right(hash, noted, now)
    {
        tokio::spawn(note_use(app.clone(), *key, now));
    }
}

/// Keys by what is shown of them.
pub(crate) async fn by_prefix(app: App, prefixes: Vec<String>) -> Result<HashMap<String, Model>, Fault> {
    let db = &app.db.lookups;
    let among = is_among_texts(db.get_database_backend(), "prefix", prefixes);
    let rows = Entity::find().filter(among).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.prefix.clone(), row)).collect())
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

/// A key with its secret, which nothing shows again.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Finds it.
    prefix: String,
    /// Proves it.
    hash: Vec<u8>,
    /// The whole key.
    pub(crate) key: SecretString,
}

impl Made {
    /// With a prefix and a secret that nobody can guess.
    pub(crate) fn new() -> Result<Self, Fault> {
        let prefix = secret::letters::<PREFIX>()?;
        let key = SecretString::from(format!("rg_{prefix}_{}", secret::token()?.expose_secret()));
        let hash = secret::hash(key.expose_secret());
        Ok(Self { prefix, hash, key })
    }
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
        let key = || vec![1];
        let start = Instant::from_timestamp(1_800_000_000, 0).unwrap();
        let due = |seconds| uses.was_right(&key(), None, start + TimeDelta::seconds(seconds));
        assert_eq!([due(0), due(1), due(59), due(60), due(61)], [true, false, false, true, false]);
        let noted_elsewhere = Some(start + TimeDelta::seconds(100));
        assert!(!uses.was_right(&key(), noted_elsewhere, start + TimeDelta::seconds(130)));
    }

    #[test]
    fn a_key_that_was_right_is_known_for_a_minute() {
        let uses = Uses::default();
        let start = Instant::from_timestamp(1_800_000_000, 0).unwrap();
        let at = |seconds| start + TimeDelta::seconds(seconds);
        uses.was_right(&[1], None, at(0));
        uses.was_right(&[1], None, at(50));
        assert_eq!([50, 109, 110].map(|seconds| uses.is_known(&[1], at(seconds))), [true, true, false]);
        assert!(!uses.is_known(&[2], at(50)));
    }
}
