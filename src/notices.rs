//! What instances of the server tell each other: jobs are due, a session ended, settings or keys changed.
//!
//! A notice is told with the change that causes it and heard once that is committed: on this instance at once, on the
//! others through `PostgreSQL`. It may be heard twice, and only says what to look at again. Where nothing can be heard, as
//! from another process on a `SQLite` file or while the connection is lost, whoever remembers something looks again
//! within half a second.

mod line;

use std::time::{Duration, Instant as Monotonic};

use entity::id::SessionId;
use entity::session::Audience;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, broadcast};
use uuid::Uuid;

use crate::app::App;
use crate::auth::tokens::Subject;
use line::Line;
pub(crate) use line::{listen, written};

/// How old may be what is remembered where nothing is heard, and how often others are asked then.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Notices that a slow subscriber may be behind before it is told that it missed some.
const BEHIND: usize = 1_024;

/// What somebody may have to look at again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Notice {
    /// A job is due at once.
    JobsDue,
    /// There is a newer version of the shop's settings.
    SettingsChanged,
    /// Keys of the server were made, retired or deleted.
    KeysChanged,
    /// An API key was rotated or revoked.
    ApiKeysChanged,
    /// A session was revoked.
    SessionEnded(SessionId),
    /// All sessions of a customer or member of staff were revoked, or the person was disabled or has another role.
    StandingChanged {
        /// Customer or staff.
        audience: Audience,
        /// The customer or staff id.
        subject: Uuid,
    },
}

impl Notice {
    /// The channel of `PostgreSQL` that carries it.
    pub(crate) fn channel(&self) -> &'static str {
        match self {
            Self::JobsDue => line::JOBS,
            Self::SettingsChanged
            | Self::KeysChanged
            | Self::ApiKeysChanged
            | Self::SessionEnded(_)
            | Self::StandingChanged { .. } => line::CHANGES,
        }
    }
}

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// This.
    Notice(Notice),
    /// Something may have been missed: look at everything again.
    Gap,
}

/// The notices of this instance.
#[derive(Debug)]
pub struct Notices {
    /// A job is due.
    pub(crate) jobs: Notify,
    settings: Notify,
    keys: Notify,
    heard: broadcast::Sender<Heard>,
    line: Line,
}

impl Notices {
    /// Without a line to other instances; `shared` if there may be others.
    pub(crate) fn new(shared: bool) -> Self {
        Self {
            jobs: Notify::new(),
            settings: Notify::new(),
            keys: Notify::new(),
            heard: broadcast::Sender::new(BEHIND),
            line: Line::new(shared),
        }
    }

    /// Hears what follows from now on, but for jobs: the worker alone wants those.
    pub fn subscribe(&self) -> Subscriber {
        Subscriber(self.heard.subscribe())
    }

    /// Whether everything that other instances tell is heard. While it is not, as always on a `SQLite` file, nobody tells a
    /// subscriber what others change.
    pub fn hears_others(&self) -> bool {
        self.line.is_up()
    }

    /// Whether a change of what was read at `read` would have been heard, within a second of it.
    pub(crate) fn cover(&self, read: Monotonic) -> bool {
        self.line.covers(read)
    }

    /// Waits until the settings may have changed: told so, or not sure to be told.
    pub(crate) async fn settings_changed(&self) {
        self.told(&self.settings).await;
    }

    /// Waits until the keys may have changed: told so, or not sure to be told.
    pub(crate) async fn keys_changed(&self) {
        self.told(&self.keys).await;
    }

    async fn told(&self, wake: &Notify) {
        loop {
            tokio::select! {
                () = wake.notified() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {
                    if !self.hears_others() {
                        return;
                    }
                }
            }
        }
    }

    fn publish(&self, heard: Heard) {
        // An error says that nobody subscribed.
        let _ = self.heard.send(heard);
    }
}

/// Hears notices one by one.
#[derive(Debug)]
pub struct Subscriber(broadcast::Receiver<Heard>);

impl Subscriber {
    /// The next; none once the application is gone.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(heard) => Some(heard),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Heard::Gap),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl App {
    /// Acts on a notice whose change is committed, wherever it was made.
    pub(crate) fn hear(&self, notice: Notice) {
        match &notice {
            Notice::JobsDue => return self.notices.jobs.notify_one(),
            Notice::SettingsChanged => self.notices.settings.notify_one(),
            Notice::KeysChanged => self.notices.keys.notify_one(),
            Notice::ApiKeysChanged => self.known_keys.clear(),
            Notice::SessionEnded(session) => self.known_sessions.forget(session),
            Notice::StandingChanged { audience, subject } => {
                let is_theirs = |known: &Subject| known.audience == *audience && known.id == *subject;
                self.known_sessions.forget_where(|(known, _)| is_theirs(known));
            }
        }
        self.notices.publish(Heard::Notice(notice));
    }

    /// Looks at everything again: notices may have been missed.
    fn hear_of_gap(&self) {
        self.known_sessions.clear();
        self.known_keys.clear();
        self.notices.jobs.notify_one();
        self.notices.settings.notify_one();
        self.notices.keys.notify_one();
        self.notices.publish(Heard::Gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_too_far_behind_hears_of_the_gap_and_then_goes_on() {
        let notices = Notices::new(false);
        let mut subscriber = notices.subscribe();
        for _ in 0..=BEHIND {
            notices.publish(Heard::Notice(Notice::KeysChanged));
        }
        assert_eq!(subscriber.next().await, Some(Heard::Gap));
        assert_eq!(subscriber.next().await, Some(Heard::Notice(Notice::KeysChanged)));
    }

    #[tokio::test]
    async fn a_subscriber_ends_with_the_application() {
        let notices = Notices::new(false);
        let mut subscriber = notices.subscribe();
        drop(notices);
        assert_eq!(subscriber.next().await, None);
    }

    #[test]
    fn a_notice_is_the_same_after_the_way_to_another_instance() {
        let subject = Uuid::from_u128(7);
        for notice in [
            Notice::JobsDue,
            Notice::SettingsChanged,
            Notice::KeysChanged,
            Notice::ApiKeysChanged,
            Notice::SessionEnded(SessionId(subject)),
            Notice::StandingChanged { audience: Audience::Staff, subject },
        ] {
            let payload = serde_json::to_string(&notice).unwrap();
            assert_eq!(serde_json::from_str::<Notice>(&payload).unwrap(), notice);
            // PostgreSQL carries less than 8000 bytes.
            assert!(payload.len() < 200, "{payload}");
        }
    }
}
