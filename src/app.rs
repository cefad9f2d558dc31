//! The application: everything an operation needs, built once for production and tests alike.

use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

use entity::id::{CustomerId, SessionId};
use entity::{api_key, customer, points_entry};
use tokio::task::JoinSet;

use crate::auth::api_keys::{self, Uses};
use crate::auth::keys::{self, Keys};
use crate::auth::passwords::Passwords;
use crate::auth::remembered::Remembered;
use crate::auth::tokens::Subject;
use crate::auth::viewer::Viewer;
use crate::billing::payments::{PaymentError, Payments};
use crate::billing::sandbox::Sandbox;
use crate::billing::setup::{self, Till};
use crate::clock::{self, Clock, IdGen};
use crate::config::Config;
use crate::customers;
use crate::db::{self, Db};
use crate::messages::hook::Hook;
use crate::messages::mailer::Mailer;
use crate::messages::templates::built_in;
use crate::messages::words::Words;
use crate::notices::{self, Notices};
use crate::points::ledger::{Submission, Submitted, submit_round};
use crate::points::lookups::{self, AccountRows, Span, WithNewest};
use crate::rounds::{Lookup, Rounds};
use crate::settings::{self, ShopSettings};
use crate::throttle::Throttle;
use crate::tiers::{self, TierOf, TierRows};

/// A handle to the application; cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// What the application is made of.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The shop's clock.
    pub clock: Clock,
    /// Where ids come from.
    pub ids: IdGen,
    /// What this process was started with.
    pub config: Config,
    /// The keys of the server.
    pub keys: Keys,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Sessions that are known to be open, and whose.
    pub(crate) known_sessions: Remembered<SessionId, (Subject, Viewer)>,
    /// API keys that are known to be in force, by the hash of the whole key.
    pub(crate) known_keys: Remembered<Vec<u8>, api_keys::Known>,
    /// When the use of an API key was noted last.
    pub key_uses: Uses,
    /// Who asked how often.
    pub throttle: Throttle,
    /// Sends mail.
    pub mailer: Mailer,
    /// Tells messages to phones and devices, if the shop said where.
    pub hook: Option<Hook>,
    /// What instances tell each other.
    pub notices: Notices,
    /// What mails say.
    pub words: Words,
    /// What requests do together.
    pub(crate) shared: Shared,
    /// Who takes the money for memberships; nobody, if the shop did not say.
    till: Till,
    settings: RwLock<Arc<ShopSettings>>,
}

/// What requests that come at the same time do together.
#[derive(Debug)]
pub(crate) struct Shared {
    /// By what is shown of them.
    pub(crate) api_keys: Lookup<App, String, api_key::Model>,
    pub(crate) customers: Lookup<App, CustomerId, customer::Model>,
    pub(crate) accounts: Lookup<App, WithNewest, AccountRows>,
    pub(crate) entries: Lookup<App, Span, Vec<points_entry::Model>>,
    pub(crate) tiers: Lookup<App, TierOf, TierRows>,
    pub(crate) postings: Rounds<App, Submission, Submitted>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            api_keys: Lookup::of(api_keys::by_prefix),
            customers: Lookup::of(customers::by_id),
            accounts: Lookup::of(lookups::accounts),
            entries: Lookup::of(lookups::entries),
            tiers: Lookup::of(tiers::tier_rows),
            postings: Rounds::of(|app, batch| Box::pin(submit_round(app, batch))),
        }
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Connects, migrates and loads what `config` names.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        Self::build_with(config, Clock::system(), IdGen::Random).await
    }

    /// The same with a clock and ids of the caller's.
    pub async fn build_with(config: Config, clock: Clock, ids: IdGen) -> anyhow::Result<Self> {
        // For every client of TLS that asks for it; the second time it is there already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let db = Db::connect(&config.database).await?;
        db::migrate(&db).await?;
        clock.agree(&db).await.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
        let settings = settings::load(&db.read).await.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
        built_in::check()?;
        let till = setup::till(&config, &db, &clock)?;
        let parts = Parts {
            notices: Notices::new(db.is_postgres()),
            throttle: Throttle::new(config.rate_limits, db.is_postgres()),
            db,
            clock,
            ids,
            keys: Keys::default(),
            passwords: Passwords::new(config.password_hashes),
            known_sessions: Remembered::default(),
            known_keys: Remembered::default(),
            key_uses: Uses::default(),
            mailer: Mailer::new(&config)?,
            hook: config.message_hook.as_ref().map(Hook::new).transpose()?,
            words: Words::embedded()?,
            shared: Shared::default(),
            till,
            config,
            settings: RwLock::new(Arc::new(settings)),
        };
        let app = Self(Arc::new(parts));
        keys::prepare(&app).await.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
        Ok(app)
    }

    /// Who takes the money for memberships.
    pub(crate) fn payments(&self) -> Result<&dyn Payments, PaymentError> {
        let nobody = || PaymentError::Unavailable {
            problem: "nobody is set up to take payments".to_owned(),
            retry_after: None,
        };
        self.till.payments.as_deref().ok_or_else(nobody)
    }

    /// The sandbox, if payments are made there.
    pub(crate) fn sandbox(&self) -> Option<&Sandbox> {
        self.till.sandbox.as_ref()
    }

    /// The shop's settings in force on this instance.
    pub fn settings(&self) -> Arc<ShopSettings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over settings that are newer than those in force.
    pub(crate) fn use_settings(&self, newer: ShopSettings) {
        let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        // Of two that look at once, the one with the older answer may come last.
        if newer.version > settings.version {
            *settings = Arc::new(newer);
        }
    }

    /// Takes over what other instances change, until the answer is dropped; wakes the worker for their jobs if this
    /// instance `works`.
    pub fn keep_current(&self, works: bool) -> JoinSet<()> {
        let mut keeping = JoinSet::new();
        keeping.spawn(notices::listen(self.clone(), works));
        keeping.spawn(settings::follow(self.clone()));
        keeping.spawn(keys::follow(self.clone()));
        keeping.spawn(clock::follow(self.clone()));
        keeping.spawn(self.db.clone().tidy());
        keeping
    }
}
