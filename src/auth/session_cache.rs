//! Sessions that this instance knows to be open, so that a query need not ask the database who is asking.
//!
//! Invariant: an entry is what the database said at an instant since which every change would have been heard. It is
//! dropped with the notice of a change, does not count while notices may be missed, and never outlives the session;
//! tokens are verified at every request all the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Monotonic};

use entity::Instant;
use entity::id::SessionId;
use entity::session::Audience;
use moka::sync::Cache;

use super::tokens::Subject;
use super::viewer::Viewer;

/// Sessions that are remembered at most: some megabytes.
const MOST: u64 = 50_000;
/// A session that nobody uses is forgotten after as long as an access token lives.
const IDLE: Duration = Duration::from_mins(15);

/// What was read of a session.
#[derive(Clone, Debug)]
struct Standing {
    subject: Subject,
    viewer: Viewer,
    /// When the session ends.
    ends: Instant,
    /// Not later than it was read.
    read: Monotonic,
}

/// The open sessions that are known.
#[derive(Debug)]
pub(crate) struct SessionCache {
    entries: Cache<SessionId, Standing>,
    /// Counts what was forgotten: an answer that was read before that may be out of date.
    forgotten: AtomicU64,
}

impl Default for SessionCache {
    fn default() -> Self {
        Self {
            entries: Cache::builder().max_capacity(MOST).time_to_idle(IDLE).build(),
            forgotten: AtomicU64::default(),
        }
    }
}

/// A reading of a session that has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    begun: Monotonic,
    forgotten: u64,
}

impl SessionCache {
    /// The viewer of a verified token, if its session is known to be open at `now`; `covered` tells whether a change since
    /// an instant would have been heard.
    pub(crate) fn get(
        &self,
        subject: Subject,
        now: Instant,
        covered: impl FnOnce(Monotonic) -> bool,
    ) -> Option<Viewer> {
        let known = self.entries.get(&subject.session)?;
        (known.subject == subject && now < known.ends && covered(known.read)).then_some(known.viewer)
    }

    /// Before the database is asked.
    pub(crate) fn begin_reading(&self) -> Reading {
        Reading { begun: Monotonic::now(), forgotten: self.forgotten.load(Ordering::SeqCst) }
    }

    /// Remembers the answer, unless anything was forgotten since it was asked for.
    pub(crate) fn remember(&self, reading: Reading, subject: Subject, viewer: Viewer, ends: Instant) {
        let is_current = || self.forgotten.load(Ordering::SeqCst) == reading.forgotten;
        if !is_current() {
            return;
        }
        self.entries.insert(subject.session, Standing { subject, viewer, ends, read: reading.begun });
        // Whoever forgets counts first and removes then: one of the two sees the other.
        if !is_current() {
            self.entries.invalidate(&subject.session);
        }
    }

    /// Forgets one session.
    pub(crate) fn forget(&self, session: SessionId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(&session);
    }

    /// Forgets the sessions of a customer or member of staff. It looks at all that are known, which is rare.
    pub(crate) fn forget_all_of(&self, audience: Audience, subject: uuid::Uuid) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        for (session, standing) in &self.entries {
            if standing.subject.audience == audience && standing.subject.id == subject {
                self.entries.invalidate(session.as_ref());
            }
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use entity::id::CustomerId;
    use uuid::Uuid;

    use super::*;

    fn now() -> Instant {
        Instant::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn subject(person: u128, session: u128) -> Subject {
        let session = SessionId(Uuid::from_u128(session));
        Subject { audience: Audience::Customer, id: Uuid::from_u128(person), session }
    }

    fn viewer(of: Subject) -> Viewer {
        let authenticated_at = Instant::UNIX_EPOCH;
        Viewer::Customer { customer: CustomerId(of.id), session: of.session, authenticated_at }
    }

    fn remember(cache: &SessionCache, of: Subject) {
        cache.remember(cache.begin_reading(), of, viewer(of), now() + TimeDelta::minutes(1));
    }

    fn known(cache: &SessionCache, of: Subject) -> bool {
        cache.get(of, now(), |_| true) == Some(viewer(of))
    }

    #[test]
    fn what_is_remembered_counts_until_the_session_ends_and_while_changes_are_heard() {
        let (cache, joan) = (SessionCache::default(), subject(1, 1));
        remember(&cache, joan);
        let at = |seconds| cache.get(joan, now() + TimeDelta::seconds(seconds), |_| true);
        assert_eq!([at(0), at(59), at(60)], [Some(viewer(joan)), Some(viewer(joan)), None]);
        assert_eq!(cache.get(joan, now(), |_| false), None);
    }

    #[test]
    fn a_token_of_somebody_else_for_a_known_session_is_not_known() {
        let (cache, joan) = (SessionCache::default(), subject(1, 1));
        remember(&cache, joan);
        assert!(!known(&cache, subject(2, 1)));
        let staff = Subject { audience: Audience::Staff, ..joan };
        assert_eq!(cache.get(staff, now(), |_| true), None);
    }

    #[test]
    fn a_session_a_person_or_everything_is_forgotten() {
        let cache = SessionCache::default();
        let (desk, phone, other) = (subject(1, 1), subject(1, 2), subject(2, 3));
        for each in [desk, phone, other] {
            remember(&cache, each);
        }
        cache.forget(desk.session);
        assert_eq!([desk, phone, other].map(|each| known(&cache, each)), [false, true, true]);
        remember(&cache, desk);
        cache.forget_all_of(Audience::Staff, desk.id);
        assert_eq!([desk, phone, other].map(|each| known(&cache, each)), [true; 3]);
        cache.forget_all_of(Audience::Customer, desk.id);
        assert_eq!([desk, phone, other].map(|each| known(&cache, each)), [false, false, true]);
        cache.clear();
        assert!(!known(&cache, other));
        remember(&cache, other);
        assert!(known(&cache, other));
    }

    #[test]
    fn an_answer_from_before_something_was_forgotten_is_not_remembered() {
        let (cache, joan) = (SessionCache::default(), subject(1, 1));
        let reading = cache.begin_reading();
        cache.forget(joan.session);
        cache.remember(reading, joan, viewer(joan), now() + TimeDelta::minutes(1));
        assert!(!known(&cache, joan));
    }
}
