//! The line to the other instances: one connection that listens, and how far it can be relied on.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant as Monotonic};

use super::Notice;
use crate::app::App;
use crate::clock::IdGen;
use crate::db::listener::{self, Listener, Lost};
use crate::error::Fault;

/// Carries that jobs are due: often, and only where there is a worker.
pub(super) const JOBS: &str = "regulars_jobs";
/// Carries everything else.
pub(super) const CHANGES: &str = "regulars_changes";
/// Carries what an instance says to itself, to know that it hears.
const HELLO: &str = "regulars_hello";

/// How often the line is checked.
const CHECK_EVERY: Duration = Duration::from_millis(250);
/// For so long after a check began the line is relied on: less than the second within which changes are in effect.
const RELIABLE: Duration = Duration::from_millis(900);
/// A connection that does not answer for so long is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before the next try to connect.
const PAUSE: Duration = Duration::from_millis(500);

/// What is known of the line.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: RwLock<Option<Up>>,
}

/// A line on which everything is heard.
#[derive(Clone, Copy, Debug)]
struct Up {
    /// When the last check that was answered began: all that was told before has been heard.
    checked: Monotonic,
}

impl Line {
    fn up(&self) -> Option<Up> {
        let up = *self.state.read().unwrap_or_else(PoisonError::into_inner);
        up.filter(|up| up.checked.elapsed() < RELIABLE)
    }

    /// Whether everything that others tell is heard.
    pub(super) fn is_up(&self) -> bool {
        self.up().is_some()
    }

    fn set(&self, up: Option<Up>) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = up;
    }
}

/// Hears what other instances tell, until it is aborted; that jobs are due only if this instance `works` them off.
pub(crate) async fn listen(app: App, works: bool) {
    if !app.db.is_postgres() {
        return;
    }
    let channels: &[&'static str] = if works { &[CHANGES, HELLO, JOBS] } else { &[CHANGES, HELLO] };
    loop {
        let Err(lost) = hold(&app, channels).await;
        app.notices.line.set(None);
        app.hear_of_gap();
        tracing::warn!(%lost, "lost the notices of other instances; looking for changes meanwhile");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Connects and hears, until the connection is lost.
async fn hold(app: &App, channels: &[&'static str]) -> Result<std::convert::Infallible, Lost> {
    let mut listener = Listener::connect(&app.db, channels, PATIENCE).await?;
    greet(app, &mut listener).await?;
    let mut checked = Monotonic::now();
    // What was told before is lost.
    app.hear_of_gap();
    loop {
        app.notices.line.set(Some(Up { checked }));
        let due = checked + CHECK_EVERY;
        // Not the timer alone: with ever more to hear it would never come to it.
        while Monotonic::now() < due {
            if let Some(told) = listener.next(due).await? {
                hear(app, &told.payload);
            }
        }
        let began = Monotonic::now();
        for told in listener.check(PATIENCE).await? {
            hear(app, &told.payload);
        }
        checked = began;
    }
}

/// Waits until this instance hears itself: a pooler between it and the database may take `LISTEN` and forget it.
async fn greet(app: &App, listener: &mut Listener) -> Result<(), Lost> {
    let greeting = IdGen::Random.uuid(app.clock.now()).to_string();
    listener::tell(&app.db, HELLO, &greeting).await?;
    let patience = Monotonic::now() + PATIENCE;
    while Monotonic::now() < patience {
        if let Some(told) = listener.next(patience).await?
            && told.payload == greeting
        {
            return Ok(());
        }
    }
    Err(Lost::Deaf)
}

fn hear(app: &App, payload: &str) {
    match serde_json::from_str::<Notice>(payload) {
        Ok(notice) => app.hear(notice),
        // Greetings, and what newer versions tell each other.
        Err(_other) => tracing::trace!("heard what is no notice"),
    }
}

/// As it goes over the line.
pub(crate) fn written(notice: &Notice) -> Result<(&'static str, String), Fault> {
    Ok((notice.channel(), serde_json::to_string(notice)?))
}
