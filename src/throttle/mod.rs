//! Rate limits: how often an address, an account, an API key or whoever tries credentials may ask.
//!
//! Invariant: what is refused is refused before it costs anything, a password hash above all, and a limit treats known and
//! unknown mailboxes alike.
//!
//! There are two kinds, by what they protect.
//!
//! **Ordinary requests** are counted on each instance and cost no statement. The instances of a `PostgreSQL` exchange their
//! counts every half second in one statement ([`share`]), for those callers only who have used a tenth of their limit on an
//! instance. So the limit holds for a caller who spreads over instances, but not to the request: with N instances it can
//! be exceeded by what N − 1 of them admit within one exchange, and by a tenth for each instance on which the caller did
//! less. A burst that is over within half a second may get the limit from each instance once. While the database is away
//! each instance goes on with its own counts: limits fail open, but not away.
//!
//! **Credentials** are rare and worth guessing. On `PostgreSQL` every try is one statement that counts and decides at once
//! over all instances, so these limits are exact; on `SQLite`, where there is one instance, memory is as exact. A caller who
//! is refused costs no more statements until the wait is over. While the database is away they fail closed: `UNAVAILABLE`.
//!
//! On `SQLite`, and for what was not exchanged, counts end with the process. Windows slide (see [`window`]). An address is
//! the client's as trusted proxies tell it (see [`crate::client`]); a mailbox and whatever else reaches the database is a
//! keyed hash there.

mod counts;
mod exchange;
mod limit;
mod window;

use entity::rate_limit;
use sea_orm::EntityTrait;
use uuid::Uuid;

use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::client::Client;
use crate::config::RateLimits;
use crate::db::rate_limits::{self, Span};
use crate::error::{Fault, FaultKind};
pub use exchange::{exchange, share};
use limit::{AllCounts, Limit};
use window::{Counted, Window};

/// Who asked how often, as far as this instance knows.
#[derive(Debug)]
pub struct Throttle {
    limits: RateLimits,
    is_shared: bool,
    counts: AllCounts,
}

impl Throttle {
    /// Nobody asked yet; shared if other instances may count too.
    pub fn new(limits: RateLimits, is_shared: bool) -> Self {
        Self { limits, is_shared, counts: AllCounts::new(is_shared) }
    }
}

/// What an operation on credentials tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// A password or a code, which can be guessed, or a mail to be sent.
    Guess,
    /// A refresh token, which cannot be guessed: limited generously.
    Refresh,
}

/// Counts a request for who sends it: an account or an API key, wherever from, or else an address.
/// [`FaultKind::RateLimited`] if that is too many.
pub fn request(app: &App, viewer: &Viewer, client: &Client) -> Result<(), Fault> {
    let (limit, subject) = match viewer {
        Viewer::Anonymous => (Limit::Address, client.network()),
        Viewer::Customer { customer, .. } => (Limit::Account, customer.0.as_u128()),
        Viewer::Staff { staff, .. } => (Limit::Account, staff.0.as_u128()),
        Viewer::Shop { key, .. } => (Limit::ApiKey, key.0.as_u128()),
    };
    admit(app, limit, subject)
}

/// Counts a request for an account: [`FaultKind::RateLimited`] if that is too many.
pub(crate) fn account(app: &App, id: Uuid) -> Result<(), Fault> {
    admit(app, Limit::Account, id.as_u128())
}

/// [`FaultKind::RateLimited`] if so many credentials of this client were rejected that no more are looked up.
pub fn before_authentication(app: &App, client: &Client) -> Result<(), Fault> {
    let Some(window) = Limit::Rejections.window(&app.throttle.limits) else {
        return Ok(());
    };
    let counts = app.throttle.counts.of(Limit::Rejections);
    counts.check(window, client.network(), now(app)).map_err(|wait| refused(Limit::Rejections, wait))
}

/// Counts that credentials of this client were rejected.
pub fn after_rejection(app: &App, client: &Client) {
    // The request is refused anyhow; the next one is not looked up if this one was one too many.
    let _ = admit(app, Limit::Rejections, client.network());
}

/// Counts a try of credentials for the address it comes from: [`FaultKind::RateLimited`] if that is too many. Servers of
/// the shop sign in many people from one address; their API key is counted instead.
pub async fn attempt(app: &App, what: Attempt, viewer: &Viewer, client: &Client) -> Result<(), Fault> {
    let limit = match (viewer, what) {
        (Viewer::Shop { .. }, _) => return Ok(()),
        (_, Attempt::Guess) => Limit::Credentials,
        (_, Attempt::Refresh) => Limit::Refreshes,
    };
    admit_exactly(app, limit, client.network()).await
}

/// [`FaultKind::RateLimited`] if this client tried so many codes that were no coupon's that no more are looked up. Staff and
/// servers of the shop, who ask for many people, are not limited.
pub(crate) fn before_code(app: &App, viewer: &Viewer, client: &Client) -> Result<(), Fault> {
    match Limit::Codes.window(&app.throttle.limits).filter(|_| may_guess(viewer)) {
        Some(window) => {
            let counts = app.throttle.counts.of(Limit::Codes);
            counts.check(window, client.network(), now(app)).map_err(|wait| refused(Limit::Codes, wait))
        }
        None => Ok(()),
    }
}

/// Counts a code that was no coupon's: [`FaultKind::RateLimited`] if that is one too many.
pub(crate) async fn after_wrong_code(app: &App, viewer: &Viewer, client: &Client) -> Result<(), Fault> {
    if may_guess(viewer) { admit_exactly(app, Limit::Codes, client.network()).await } else { Ok(()) }
}

fn may_guess(viewer: &Viewer) -> bool {
    match viewer {
        Viewer::Anonymous | Viewer::Customer { .. } => true,
        Viewer::Shop { .. } | Viewer::Staff { .. } => false,
    }
}

/// What is tried for an account. Each is counted apart: whoever uses up one shuts none of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// A customer's password.
    Password,
    /// A password of the shop's staff.
    StaffPassword,
    /// Mailing a code.
    Mail,
    /// The password of whoever is signed in already, in one session.
    OwnPassword,
    /// A code by which a customer says to have been brought.
    ReferralCode,
    /// Mailing a confirmation of what somebody wants to be sent.
    Consent,
}

/// Counts a try for a mailbox, or for whatever else names an account, known or not: [`FaultKind::RateLimited`] if that is
/// too many. To be called outside of transactions, before anything is looked up or hashed.
pub async fn credential(app: &App, tried: Tried, account: &str) -> Result<(), Fault> {
    let subject = limit::of_mailbox(&app.keys.code()?, &format!("{tried:?}\u{1f}{account}"));
    admit_exactly(app, Limit::Mailbox, subject).await
}

fn admit(app: &App, limit: Limit, subject: u128) -> Result<(), Fault> {
    let Some(window) = limit.window(&app.throttle.limits) else {
        return Ok(());
    };
    let admitted = app.throttle.counts.of(limit).admit(window, subject, now(app));
    admitted.map_err(|wait| refused(limit, wait))
}

async fn admit_exactly(app: &App, limit: Limit, subject: u128) -> Result<(), Fault> {
    if !app.throttle.is_shared {
        return admit(app, limit, subject);
    }
    let Some(window) = limit.window(&app.throttle.limits) else {
        return Ok(());
    };
    let (now, counts) = (now(app), app.throttle.counts.of(limit));
    // Counts only rise while a window lasts: what is too much by what is known here is too much by all.
    counts.check(window, subject, now).map_err(|wait| refused(limit, wait))?;
    let key = limit.key(&app.keys.code()?, subject);
    let span = Span { began: window.start_of(now), length: window.length };
    let allowed = (window.weight(now), window.most);
    if let Some(row) = rate_limits::count_one(&app.db.write, key, span, allowed).await? {
        counts.learn(window, subject, counted(window, &row, now), now);
        return Ok(());
    }
    let row = rate_limit::Entity::find_by_id(key.to_vec()).one(&app.db.write).await?;
    let counted = row.map(|row| counted(window, &row, now)).unwrap_or_default();
    counts.learn(window, subject, counted, now);
    Err(refused(limit, window.wait(counted, now)))
}

fn counted(window: Window, row: &rate_limit::Model, now: i64) -> Counted {
    window.seen_from(Counted { count: row.count, previous: row.previous }, row.began_ms, now)
}

fn now(app: &App) -> i64 {
    app.clock.now().timestamp_millis()
}

fn refused(limit: Limit, wait: i64) -> Fault {
    metrics::counter!("regulars_rate_limited_total", "limit" => limit.name()).increment(1);
    let seconds = u32::try_from(wait.max(1)).unwrap_or(u32::MAX).div_ceil(1_000);
    Fault::of(FaultKind::RateLimited { retry_after_seconds: seconds })
}
