//! What this instance knows of one limit: who did how much in this window and in the one before. In bounded memory,
//! whoever asks from how many addresses.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::window::{Counted, Window};

/// How many are counted in one window. With more, those who did least are forgotten: whoever has that many addresses is
/// not stopped by counting each, and whoever hammers from one stays counted.
pub(super) const MOST_SUBJECTS: usize = 100_000;
/// A caller is told to other instances from this share of the limit on: most never get there and cost the database
/// nothing.
const TOLD_FROM: u32 = 10;

/// The counts of one limit on this instance.
#[derive(Debug)]
pub(super) struct Counts {
    /// Whether there are other instances to tell.
    is_shared: bool,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    began: i64,
    current: HashMap<u128, Known>,
    previous: HashMap<u128, i64>,
    /// Who is to be told to other instances.
    due: Vec<u128>,
    /// What was counted since the last exchange, in a window that is over.
    late: HashMap<u128, i64>,
}

/// What is known of one subject in this window.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Of all instances as of the last exchange, this one included.
    told: i64,
    /// Of this one since.
    untold: i64,
    is_due: bool,
}

impl Known {
    fn count(self) -> i64 {
        self.told.saturating_add(self.untold)
    }
}

impl Counts {
    /// Of nobody yet.
    pub(super) fn new(is_shared: bool) -> Self {
        Self { is_shared, table: Mutex::default() }
    }

    /// Counts one more if it fits; else how many milliseconds to wait, and nothing is counted: who goes on asking does
    /// not wait longer for it.
    pub(super) fn admit(&self, window: Window, subject: u128, now: i64) -> Result<(), i64> {
        let mut table = self.at(window, now);
        table.fits(window, subject, now)?;
        table.make_room();
        let known = table.current.entry(subject).or_default();
        known.untold += 1;
        if self.is_shared
            && !known.is_due
            && known.count().saturating_mul(TOLD_FROM.into()) >= window.most.into()
        {
            known.is_due = true;
            table.due.push(subject);
        }
        Ok(())
    }

    /// The same without counting.
    pub(super) fn check(&self, window: Window, subject: u128, now: i64) -> Result<(), i64> {
        self.at(window, now).fits(window, subject, now)
    }

    /// What other instances are to be told; it counts as told from now on, whether they hear it or not.
    pub(super) fn take_untold(&self, window: Window, now: i64) -> Vec<(u128, i64)> {
        let mut table = self.at(window, now);
        let mut untold = std::mem::take(&mut table.late);
        for subject in std::mem::take(&mut table.due) {
            if let Some(known) = table.current.get_mut(&subject) {
                known.is_due = false;
                *untold.entry(subject).or_default() += known.untold;
                known.told = known.count();
                known.untold = 0;
            }
        }
        untold.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Takes over what all instances counted, as of `now`.
    pub(super) fn learn(&self, window: Window, subject: u128, counted: Counted, now: i64) {
        let mut table = self.at(window, now);
        table.make_room();
        let known = table.current.entry(subject).or_default();
        known.told = known.told.max(counted.count);
        if counted.previous > 0 && table.previous.len() < 2 * MOST_SUBJECTS {
            table.previous.insert(subject, counted.previous);
        }
    }

    /// The table as of `now`: a window that is over becomes the one before.
    fn at(&self, window: Window, now: i64) -> MutexGuard<'_, Table> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let began = window.start_of(now);
        // A clock that is set back does not bring a window back.
        if began > table.began {
            let is_next = began - table.began == window.length;
            table.turn(began, is_next);
        }
        table
    }
}

impl Table {
    fn turn(&mut self, began: i64, is_next: bool) {
        let over = std::mem::take(&mut self.current);
        for subject in std::mem::take(&mut self.due) {
            if let Some(known) = over.get(&subject) {
                *self.late.entry(subject).or_default() += known.untold;
            }
        }
        let counts = over.into_iter().filter(|_| is_next);
        self.previous = counts.map(|(subject, known)| (subject, known.count())).collect();
        self.began = began;
        // Without an exchange, as when the database is away, what is late only grows: it is of no use by then.
        if self.late.len() > MOST_SUBJECTS {
            self.late.clear();
        }
    }

    fn fits(&self, window: Window, subject: u128, now: i64) -> Result<(), i64> {
        let counted = Counted {
            count: self.current.get(&subject).map_or(0, |known| known.count()),
            previous: self.previous.get(&subject).copied().unwrap_or_default(),
        };
        // Between the window of a clock that was set back and the one that is on, the latter counts.
        match window.wait(counted, now.max(self.began)) {
            0 => Ok(()),
            wait => Err(wait),
        }
    }

    /// Forgets those who did least, should there be too many.
    fn make_room(&mut self) {
        let mut least = 1;
        while self.current.len() >= MOST_SUBJECTS {
            self.current.retain(|_, known| known.count() > least);
            least *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Window = Window { length: 60_000, most: 20 };

    fn admitted(counts: &Counts, subject: u128, now: i64, tries: usize) -> usize {
        (0..tries).filter(|_| counts.admit(MINUTE, subject, now).is_ok()).count()
    }

    #[test]
    fn each_subject_has_the_limit_and_gets_it_again() {
        let counts = Counts::new(true);
        assert_eq!(admitted(&counts, 1, 0, 30), 20);
        assert_eq!(admitted(&counts, 2, 0, 30), 20);
        assert_eq!(counts.admit(MINUTE, 1, 0), Err(63_000));
        assert_eq!(admitted(&counts, 1, 62_999, 30), 0);
        assert_eq!(admitted(&counts, 1, 63_000, 30), 1);
        assert_eq!(admitted(&counts, 1, 200_000, 30), 20);
    }

    #[test]
    fn what_is_refused_is_not_counted() {
        let counts = Counts::new(true);
        admitted(&counts, 1, 0, 1_000);
        assert_eq!(counts.check(MINUTE, 1, 0), Err(63_000));
    }

    #[test]
    fn a_clock_that_is_set_back_gives_nothing_back() {
        let counts = Counts::new(true);
        assert_eq!(admitted(&counts, 1, 120_000, 30), 20);
        assert_eq!(admitted(&counts, 1, 30_000, 30), 0);
    }

    #[test]
    fn instances_are_told_of_those_who_do_much() {
        let counts = Counts::new(true);
        admitted(&counts, 1, 0, 1);
        admitted(&counts, 2, 0, 5);
        assert_eq!(counts.take_untold(MINUTE, 0), [(2, 5)]);
        assert_eq!(counts.take_untold(MINUTE, 0), []);
        admitted(&counts, 1, 0, 1);
        assert_eq!(counts.take_untold(MINUTE, 0), [(1, 2)]);
        admitted(&counts, 2, 0, 3);
        // The window turns before the exchange.
        assert_eq!(counts.take_untold(MINUTE, 60_000), [(2, 3)]);
    }

    #[test]
    fn what_others_counted_counts_here() {
        let counts = Counts::new(true);
        admitted(&counts, 1, 0, 5);
        counts.take_untold(MINUTE, 0);
        admitted(&counts, 1, 0, 1);
        counts.learn(MINUTE, 1, Counted { count: 18, previous: 0 }, 0);
        assert_eq!(admitted(&counts, 1, 0, 30), 1);
        counts.learn(MINUTE, 2, Counted { count: 0, previous: 20 }, 180_000);
        assert_eq!(admitted(&counts, 2, 180_000, 30), 0);
        assert_eq!(admitted(&counts, 2, 183_000, 30), 1);
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten_before_the_one_who_hammers() {
        let counts = Counts::new(true);
        admitted(&counts, 7, 0, 20);
        for subject in 1_000..1_000 + 3 * u128::try_from(MOST_SUBJECTS).unwrap() {
            counts.admit(MINUTE, subject, 0).unwrap();
        }
        let table = counts.at(MINUTE, 0);
        assert!(table.current.len() <= MOST_SUBJECTS, "{}", table.current.len());
        drop(table);
        assert_eq!(admitted(&counts, 7, 0, 5), 0);
    }
}
