//! The line to the other instances: one connection that listens, and how far it can be relied on.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant as Monotonic};

use super::{LOOK_EVERY, Notice};
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
#[derive(Debug)]
pub(super) struct Line {
    shared: bool,
    state: RwLock<Option<Up>>,
}

/// A line on which everything is heard.
#[derive(Clone, Copy, Debug)]
struct Up {
    since: Monotonic,
    /// When the last check that was answered began: all that was told before has been heard.
    checked: Monotonic,
}

impl Line {
    pub(super) fn new(shared: bool) -> Self {
        Self { shared, state: RwLock::new(None) }
    }

    fn up(&self) -> Option<Up> {
        let up = *self.state.read().unwrap_or_else(PoisonError::into_inner);
        up.filter(|up| up.checked.elapsed() < RELIABLE)
    }

    /// Whether everything that others tell is heard.
    pub(super) fn is_up(&self) -> bool {
        self.up().is_some()
    }

    /// Whether a change of what was read at `read` would have been heard. A file has no line, but only the command line
    /// could change it beside this process.
    pub(super) fn covers(&self, read: Monotonic) -> bool {
        if self.shared { self.up().is_some_and(|up| up.since <= read) } else { read.elapsed() < LOOK_EVERY }
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
    let since = Monotonic::now();
    let mut checked = since;
    // What was told before is lost.
    app.hear_of_gap();
    loop {
        app.notices.line.set(Some(Up { since, checked }));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(millis: u64) -> Monotonic {
        Monotonic::now().checked_sub(Duration::from_millis(millis)).unwrap()
    }

    #[test]
    fn where_nothing_is_heard_what_was_read_counts_for_half_a_second() {
        let line = Line::new(false);
        assert!(line.covers(Monotonic::now()));
        assert!(!line.covers(ago(500)));
        assert!(!line.is_up());
    }

    #[test]
    fn a_line_covers_what_was_read_since_it_is_up_and_while_it_answers() {
        let line = Line::new(true);
        assert!(!line.covers(Monotonic::now()), "covered without a line");
        line.set(Some(Up { since: ago(60_000), checked: ago(100) }));
        assert!(line.covers(ago(59_000)) && line.is_up());
        assert!(!line.covers(ago(61_000)), "a change may have been missed before");
        line.set(Some(Up { since: ago(60_000), checked: ago(900) }));
        assert!(!line.covers(ago(59_000)) && !line.is_up(), "relied on although it did not answer");
        line.set(None);
        assert!(!line.covers(Monotonic::now()));
    }
}
