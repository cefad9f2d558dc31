//! Keys of the server: what signs access tokens, derives mailed codes and hashes what is only compared. They live in the
//! database, so that every instance has the same; the first instance that needs one makes it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant as Monotonic};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use entity::Instant;
use entity::id::ServerKeyId;
use entity::server_key::{ActiveModel, Column, Entity, KeyPurpose, Model};
use entity::session::Audience;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, EncodingKey};
use sea_orm::{ActiveModelTrait, EntityTrait, Iterable, QueryOrder, Set};

use super::{published, secret};
use crate::app::App;
use crate::db::dialect;
use crate::error::Fault;
use crate::notices::{self, Notice};
use crate::tx::Tx;

/// How often an unknown key id may make an instance look for newer keys.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The keys that this instance knows.
#[derive(Default)]
pub struct Keys {
    ring: RwLock<Arc<Ring>>,
    looked: Mutex<Option<Monotonic>>,
    /// One reads at a time: of two, the one with the older answer may come last.
    reading: tokio::sync::Mutex<()>,
}

/// The keys as of one reading.
#[derive(Default)]
pub(crate) struct Ring {
    /// What it was made of.
    rows: Vec<(ServerKeyId, Option<Instant>)>,
    verifying: HashMap<ServerKeyId, Verifying>,
    signing: HashMap<Audience, Signing>,
    code: Option<hmac::Key>,
    link: Option<hmac::Key>,
    comparison: Option<hmac::Key>,
    published: JwkSet,
}

/// What signs tokens for one audience.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) id: ServerKeyId,
    pub(crate) key: EncodingKey,
}

/// What verifies tokens for one audience, and for no other.
#[derive(Clone)]
pub(crate) struct Verifying {
    pub(crate) audience: Audience,
    pub(crate) key: DecodingKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take_over(&self, rows: &[Model]) -> Result<(), Fault> {
        if self.ring().rows == Ring::names(rows) {
            return Ok(());
        }
        let ring = Arc::new(Ring::of(rows)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }

    /// What verifies tokens that name `id`, as far as this instance knows.
    pub(crate) fn known(&self, id: ServerKeyId) -> Option<Verifying> {
        self.ring().verifying.get(&id).cloned()
    }

    /// What signs tokens for `audience` now.
    pub(crate) fn signing(&self, audience: Audience) -> Result<Signing, Fault> {
        let found = self.ring().signing.get(&audience).cloned();
        found.ok_or_else(|| Fault::internal("no key signs for this audience"))
    }

    /// What mailed codes are derived with.
    pub(crate) fn code(&self) -> Result<hmac::Key, Fault> {
        self.ring().code.clone().ok_or_else(|| Fault::internal("no key derives codes"))
    }

    /// What long tokens are derived with.
    pub(crate) fn link(&self) -> Result<hmac::Key, Fault> {
        self.ring().link.clone().ok_or_else(|| Fault::internal("no key derives link tokens"))
    }

    /// What hashes what people are compared by.
    pub(crate) fn comparison(&self) -> Result<hmac::Key, Fault> {
        self.ring().comparison.clone().ok_or_else(|| Fault::internal("no key hashes comparisons"))
    }

    /// What verifies tokens, for others to do so: a JSON Web Key Set.
    pub(crate) fn published(&self) -> JwkSet {
        self.ring().published.clone()
    }

    /// Whether the last look for newer keys is long enough ago; if so, this is the next one.
    fn may_look(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if due {
            *looked = Some(Monotonic::now());
        }
        due
    }
}

impl Ring {
    fn names(rows: &[Model]) -> Vec<(ServerKeyId, Option<Instant>)> {
        rows.iter().map(|row| (row.id, row.retired_at)).collect()
    }

    /// `rows` from the oldest to the newest: the newest that is not retired signs.
    fn of(rows: &[Model]) -> Result<Self, Fault> {
        let mut ring = Self { rows: Self::names(rows), ..Self::default() };
        for row in rows {
            let audience = match row.purpose {
                KeyPurpose::CustomerToken => Audience::Customer,
                KeyPurpose::StaffToken => Audience::Staff,
                KeyPurpose::MailboxCode => {
                    if row.retired_at.is_none() {
                        ring.code = Some(hmac::Key::new(hmac::HMAC_SHA256, &row.material));
                    }
                    continue;
                }
                KeyPurpose::LinkToken => {
                    if row.retired_at.is_none() {
                        ring.link = Some(hmac::Key::new(hmac::HMAC_SHA256, &row.material));
                    }
                    continue;
                }
                KeyPurpose::Comparison => {
                    if row.retired_at.is_none() {
                        ring.comparison = Some(hmac::Key::new(hmac::HMAC_SHA256, &row.material));
                    }
                    continue;
                }
            };
            let pair = Ed25519KeyPair::from_pkcs8(&row.material)?;
            ring.published.keys.push(published::key(row.id, pair.public_key().as_ref()));
            let key = DecodingKey::from_ed_der(pair.public_key().as_ref());
            ring.verifying.insert(row.id, Verifying { audience, key });
            if row.retired_at.is_none() {
                let key = EncodingKey::from_ed_der(&row.material);
                ring.signing.insert(audience, Signing { id: row.id, key });
            }
        }
        Ok(ring)
    }
}

/// Loads the keys, after making those that are missing. Instances that start at once wait for each other.
pub(crate) async fn prepare(app: &App) -> Result<(), Fault> {
    let rows = app.change(&(), make_missing).await?;
    app.keys.take_over(&rows)
}

async fn make_missing(tx: &Tx, (): &()) -> Result<Vec<Model>, Fault> {
    lock(tx).await?;
    let mut rows = oldest_first().all(tx.db()).await?;
    for purpose in KeyPurpose::iter() {
        if !rows.iter().any(|row| row.purpose == purpose && row.retired_at.is_none()) {
            rows.push(make(tx, purpose).await?);
        }
    }
    Ok(rows)
}

/// Waits until no other changes the keys, until the transaction ends.
pub(super) async fn lock(tx: &Tx) -> Result<(), Fault> {
    Ok(dialect::lock(tx.db(), "server_keys").await?)
}

/// Makes a key and tells every instance.
pub(super) async fn make(tx: &Tx, purpose: KeyPurpose) -> Result<Model, Fault> {
    let material = match purpose {
        KeyPurpose::CustomerToken | KeyPurpose::StaffToken => {
            Ed25519KeyPair::generate()?.to_pkcs8()?.as_ref().to_vec()
        }
        KeyPurpose::MailboxCode | KeyPurpose::LinkToken | KeyPurpose::Comparison => {
            secret::random::<32>()?.to_vec()
        }
    };
    let row = ActiveModel {
        id: Set(tx.id()),
        purpose: Set(purpose),
        material: Set(material),
        created_at: Set(tx.now()),
        retired_at: Set(None),
    };
    tx.tell(Notice::KeysChanged);
    Ok(row.insert(tx.db()).await?)
}

fn oldest_first() -> sea_orm::Select<Entity> {
    Entity::find().order_by_asc(Column::CreatedAt).order_by_asc(Column::Id)
}

/// What verifies tokens that name the unknown key `id`: looks for newer keys, at most once a second.
pub(crate) async fn looked_up(app: &App, id: ServerKeyId) -> Result<Option<Verifying>, Fault> {
    if app.keys.may_look() {
        refresh(app).await?;
    }
    Ok(app.keys.known(id))
}

/// Takes over the keys as they are now.
pub(crate) async fn refresh(app: &App) -> Result<(), Fault> {
    let _alone = app.keys.reading.lock().await;
    app.keys.take_over(&oldest_first().all(&app.db.read).await?)
}

/// Keeps the keys of this instance current, until it stops.
pub(crate) async fn follow(app: App) {
    loop {
        app.notices.keys_changed().await;
        while let Err(fault) = refresh(&app).await {
            tracing::warn!(?fault, "could not look for newer keys");
            tokio::time::sleep(notices::LOOK_EVERY).await;
        }
    }
}
