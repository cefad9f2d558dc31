//! Credentials that this instance knows to be good, so that a query need not ask the database who is asking.
//!
//! Invariant: an entry is what the database said at an instant since which every change would have been heard. It is
//! dropped with the notice of a change, does not count while notices may be missed, and never outlives the credential;
//! tokens are verified and keys are hashed at every request all the same.

use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Monotonic};

use entity::Instant;
use moka::sync::Cache;

/// What is remembered of one kind at most: some megabytes.
const MOST: u64 = 50_000;
/// For so long at most, should somebody have changed the database without telling.
const LONGEST: Duration = Duration::from_mins(1);

/// What was read of a credential.
#[derive(Clone, Debug)]
struct Standing<V> {
    value: V,
    /// When it ends; never, if none.
    ends: Option<Instant>,
    /// Not later than it was read.
    read: Monotonic,
}

/// The good credentials of one kind that are known.
pub(crate) struct Remembered<K, V> {
    entries: Cache<K, Standing<V>>,
    /// Counts what was forgotten: an answer that was read before that may be out of date.
    forgotten: AtomicU64,
}

/// Who is known is nothing for a log.
impl<K, V> fmt::Debug for Remembered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").finish_non_exhaustive()
    }
}

impl<K, V> Default for Remembered<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self {
            entries: Cache::builder().max_capacity(MOST).time_to_live(LONGEST).build(),
            forgotten: AtomicU64::default(),
        }
    }
}

/// A reading of a credential that has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    begun: Monotonic,
    forgotten: u64,
}

impl<K, V> Remembered<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// What is known to hold at `now`; `covered` tells whether a change since an instant would have been heard.
    pub(crate) fn get(&self, key: &K, now: Instant, covered: impl FnOnce(Monotonic) -> bool) -> Option<V> {
        let known = self.entries.get(key)?;
        let is_over = known.ends.is_some_and(|end| end <= now);
        (!is_over && covered(known.read)).then_some(known.value)
    }

    /// Before the database is asked.
    pub(crate) fn begin_reading(&self) -> Reading {
        Reading { begun: Monotonic::now(), forgotten: self.forgotten.load(Ordering::SeqCst) }
    }

    /// Remembers the answer, unless anything was forgotten since it was asked for.
    pub(crate) fn remember(&self, reading: Reading, key: &K, value: V, ends: Option<Instant>) {
        let is_current = || self.forgotten.load(Ordering::SeqCst) == reading.forgotten;
        if !is_current() {
            return;
        }
        self.entries.insert(key.clone(), Standing { value, ends, read: reading.begun });
        // Whoever forgets counts first and removes then: one of the two sees the other.
        if !is_current() {
            self.entries.invalidate(key);
        }
    }

    /// Forgets one.
    pub(crate) fn forget(&self, key: &K) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(key);
    }

    /// Forgets those that `is_meant` names. It looks at all that are known, which is rare.
    pub(crate) fn forget_where(&self, is_meant: impl Fn(&V) -> bool) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        for (key, standing) in &self.entries {
            if is_meant(&standing.value) {
                self.entries.invalidate(key.as_ref());
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

    use super::*;

    type Memory = Remembered<u8, &'static str>;

    fn now() -> Instant {
        Instant::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn remember(memory: &Memory, key: u8, whose: &'static str) {
        memory.remember(memory.begin_reading(), &key, whose, Some(now() + TimeDelta::minutes(1)));
    }

    fn known(memory: &Memory) -> Vec<u8> {
        (1..=3).filter(|key| memory.get(key, now(), |_| true).is_some()).collect()
    }

    #[test]
    fn what_is_remembered_counts_until_it_ends_and_while_changes_are_heard() {
        let memory = Memory::default();
        remember(&memory, 1, "Joan");
        let at = |seconds| memory.get(&1, now() + TimeDelta::seconds(seconds), |_| true);
        assert_eq!([at(0), at(59), at(60)], [Some("Joan"), Some("Joan"), None]);
        assert_eq!(memory.get(&1, now(), |_| false), None);
        memory.remember(memory.begin_reading(), &2, "a key without end", None);
        assert!(memory.get(&2, Instant::MAX_UTC, |_| true).is_some());
    }

    #[test]
    fn one_those_of_a_person_or_everything_is_forgotten() {
        let memory = Memory::default();
        for (key, whose) in [(1, "Joan"), (2, "Joan"), (3, "Ada")] {
            remember(&memory, key, whose);
        }
        memory.forget(&1);
        assert_eq!(known(&memory), [2, 3]);
        remember(&memory, 1, "Joan");
        memory.forget_where(|whose| *whose == "Joan");
        assert_eq!(known(&memory), [3]);
        memory.clear();
        assert!(known(&memory).is_empty());
        remember(&memory, 3, "Ada");
        assert_eq!(known(&memory), [3]);
    }

    #[test]
    fn an_answer_from_before_something_was_forgotten_is_not_remembered() {
        let memory = Memory::default();
        let reading = memory.begin_reading();
        memory.forget(&1);
        memory.remember(reading, &1, "Joan", None);
        assert!(known(&memory).is_empty());
    }
}
