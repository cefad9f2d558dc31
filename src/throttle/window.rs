//! A sliding window, as pure arithmetic.
//!
//! Time is cut into windows of one length. What somebody may still do follows from two numbers: what was counted in this
//! window, and what was counted in the one before, of which only the share that still lies within one length of now
//! weighs. So nobody gets twice the limit around the turn of a window, as plain windows would give.

/// How much may be done in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Milliseconds; above 0.
    pub(super) length: i64,
    /// Within any such length, as estimated; at least 1.
    pub(super) most: u32,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// In this window.
    pub(super) count: i64,
    /// In the one before.
    pub(super) previous: i64,
}

impl Window {
    /// When the window of `now` began, in milliseconds since 1970.
    pub(super) fn start_of(self, now: i64) -> i64 {
        now - now.rem_euclid(self.length)
    }

    /// Milliseconds of the window before that still weigh.
    pub(super) fn weight(self, now: i64) -> i64 {
        self.length - now.rem_euclid(self.length)
    }

    /// What was counted up to the window that began at `began`, as of `now`. A window that is still to come, by the clock
    /// of another instance, counts as the one that is on.
    pub(super) fn seen_from(self, counted: Counted, began: i64, now: i64) -> Counted {
        match self.start_of(now) - began {
            ..=0 => counted,
            age if age == self.length => Counted { count: 0, previous: counted.count },
            _older => Counted::default(),
        }
    }

    /// How many milliseconds after `now` one more may be done, if nothing else is done meanwhile; 0 if now.
    pub(super) fn wait(self, counted: Counted, now: i64) -> i64 {
        let Counted { count, previous } = counted;
        let most = i64::from(self.most);
        let remaining = self.weight(now);
        if count < most {
            return (remaining - self.lightest(most - count - 1, previous)).max(0);
        }
        // Not in this window any more: in the next one this one is the one before.
        remaining + self.length - self.lightest(most - 1, count)
    }

    /// The largest weight at which `previous` takes no more than `room`.
    fn lightest(self, room: i64, previous: i64) -> i64 {
        if previous == 0 {
            return self.length;
        }
        (room.saturating_mul(self.length) / previous).min(self.length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Counted, Window};

    const MINUTE: Window = Window { length: 60_000, most: 10 };

    fn wait(count: i64, previous: i64, now: i64) -> i64 {
        MINUTE.wait(Counted { count, previous }, now)
    }

    #[test]
    fn below_the_limit_nobody_waits() {
        assert_eq!(wait(0, 0, 0), 0);
        assert_eq!(wait(9, 0, 59_999), 0);
        assert_eq!(wait(4, 10, 30_000), 0);
    }

    #[test]
    fn the_window_before_fades() {
        // Half of ten is five, and six are more than the five that are left.
        assert_eq!(wait(5, 10, 30_000), 6_000);
        assert_eq!(wait(5, 10, 36_000), 0);
        // A full window before leaves nothing at its end.
        assert_eq!(wait(0, 10, 0), 6_000);
    }

    #[test]
    fn a_full_window_waits_into_the_next() {
        assert_eq!(wait(10, 0, 0), 66_000);
        assert_eq!(wait(10, 0, 59_000), 7_000);
        let one = Window { length: 60_000, most: 1 };
        assert_eq!(one.wait(Counted { count: 1, previous: 0 }, 15_000), 105_000);
    }

    #[test]
    fn windows_begin_at_multiples_of_their_length() {
        assert_eq!((MINUTE.start_of(60_000), MINUTE.start_of(119_999)), (60_000, 60_000));
        assert_eq!(MINUTE.start_of(-1), -60_000);
    }

    #[test]
    fn what_was_counted_ages() {
        let counted = Counted { count: 3, previous: 7 };
        assert_eq!(MINUTE.seen_from(counted, 60_000, 61_000), counted);
        assert_eq!(MINUTE.seen_from(counted, 120_000, 61_000), counted);
        assert_eq!(MINUTE.seen_from(counted, 0, 61_000), Counted { count: 0, previous: 3 });
        assert_eq!(MINUTE.seen_from(counted, 0, 121_000), Counted::default());
    }

    proptest! {
        /// After the wait one more fits, and a millisecond before it does not.
        #[test]
        fn the_wait_is_exact(most in 1_u32..50, count in 0_i64..80, previous in 0_i64..80, at in 0_i64..60_000) {
            let window = Window { length: 60_000, most };
            let fits = |now: i64| {
                let (count, previous) = match now / 60_000 {
                    0 => (count, previous),
                    1 => (0, count),
                    _later => (0, 0),
                };
                previous * window.weight(now) + (count + 1) * 60_000 <= i64::from(most) * 60_000
            };
            let wait = window.wait(Counted { count, previous }, at);
            prop_assert!(fits(at + wait), "{wait}");
            prop_assert!(wait == 0 || !fits(at + wait - 1), "{wait}");
        }
    }
}
