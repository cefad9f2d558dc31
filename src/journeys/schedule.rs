//! When steps are due: pure.

use chrono::{Days, NaiveTime, TimeDelta, Timelike};
use chrono_tz::Tz;
use entity::Instant;

use super::definition::{Step, Wait};
use crate::messages::quiet::{at_local, next_local};

/// How somebody bought until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rhythm {
    /// Orders that were paid and not cancelled.
    pub(crate) orders: i64,
    /// When the first was placed.
    pub(crate) first: Instant,
    /// When the last was placed.
    pub(crate) last: Instant,
}

impl Rhythm {
    /// Days until another order, as the customer went on until now: the mean, in per cent, within bounds.
    fn days(self, percent: u32, least: u32, most: u32) -> u32 {
        if self.orders < 2 {
            return most;
        }
        let span = (self.last - self.first).num_hours() / 24;
        let days = span * i64::from(percent) / ((self.orders - 1) * 100);
        u32::try_from(days).unwrap_or(most).clamp(least, most)
    }
}

/// When `step` is due that waits from `from`: a whole minute.
pub(crate) fn due(from: Instant, step: &Step, rhythm: Option<Rhythm>, zone: Tz) -> Instant {
    let at = match step.wait {
        Wait::Minutes(0) if step.at.is_none() => return from,
        Wait::Minutes(minutes) => {
            let waited = from.checked_add_signed(TimeDelta::minutes(minutes.into())).unwrap_or(from);
            step.at.map_or(waited, |time| on_or_after(waited, time, zone))
        }
        Wait::Days(days) => on_day(from, days, step.at, zone),
        Wait::Rhythm { percent, least, most } => {
            let days = rhythm.map_or(most, |rhythm| rhythm.days(percent, least, most));
            on_day(from, days, step.at, zone)
        }
    };
    whole_minute(at)
}

fn on_day(from: Instant, days: u32, time: Option<NaiveTime>, zone: Tz) -> Instant {
    let local = from.with_timezone(&zone);
    let day = local.date_naive();
    let day = day.checked_add_days(Days::new(days.into())).unwrap_or(day);
    let at = at_local(day, time.unwrap_or_else(|| local.time()), zone);
    match time {
        Some(time) if at < from => next_local(from, time, zone),
        _ => at,
    }
}

fn on_or_after(at: Instant, time: NaiveTime, zone: Tz) -> Instant {
    next_local(at - TimeDelta::microseconds(1), time, zone)
}

/// The whole minute at or after `at`: what is due in one minute is due at once.
pub(crate) fn whole_minute(at: Instant) -> Instant {
    let begun = at.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap_or(at);
    if begun == at { at } else { begun.checked_add_signed(TimeDelta::minutes(1)).unwrap_or(at) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ZONE: Tz = Tz::Europe__Amsterdam;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn step(wait: Wait, time: Option<&str>) -> Step {
        let at = time.map(|time| time.parse().unwrap());
        Step { wait, at, template: String::new(), channels: Vec::new(), coupon: None, survey: None }
    }

    fn due_at(from: &str, wait: Wait, time: Option<&str>) -> Instant {
        due(at(from), &step(wait, time), None, ZONE)
    }

    #[test]
    fn days_are_of_the_calendar_and_the_time_is_of_the_shops_clocks() {
        let ten = Some("10:00:00");
        assert_eq!(due_at("2026-01-15T12:00:30Z", Wait::Days(7), ten), at("2026-01-22T09:00:00Z"));
        assert_eq!(due_at("2026-01-15T23:30:00Z", Wait::Days(7), ten), at("2026-01-23T09:00:00Z"));
        assert_eq!(due_at("2026-03-25T12:00:00Z", Wait::Days(7), ten), at("2026-04-01T08:00:00Z"));
        assert_eq!(due_at("2026-03-28T12:00:00Z", Wait::Days(1), None), at("2026-03-29T11:00:00Z"));
        assert_eq!(due_at("2026-01-15T12:00:00Z", Wait::Days(0), ten), at("2026-01-16T09:00:00Z"));
        assert_eq!(due_at("2026-01-15T08:00:00Z", Wait::Days(0), ten), at("2026-01-15T09:00:00Z"));
    }

    #[test]
    fn what_does_not_wait_is_due_at_once_and_what_waits_in_a_whole_minute() {
        assert_eq!(due_at("2026-01-15T12:00:30Z", Wait::Minutes(0), None), at("2026-01-15T12:00:30Z"));
        assert_eq!(due_at("2026-01-15T12:00:30Z", Wait::Minutes(240), None), at("2026-01-15T16:01:00Z"));
        let noon = Some("12:00:00");
        assert_eq!(due_at("2026-01-15T10:30:00Z", Wait::Minutes(30), noon), at("2026-01-15T11:00:00Z"));
        assert_eq!(due_at("2026-01-15T10:30:00Z", Wait::Minutes(31), noon), at("2026-01-16T11:00:00Z"));
    }

    #[test]
    fn who_buys_every_thirty_days_is_missed_after_sixty() {
        let rhythm = |orders, first, last| Rhythm { orders, first: at(first), last: at(last) };
        let monthly = rhythm(4, "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z");
        assert_eq!(monthly.days(200, 30, 365), 60);
        assert_eq!(monthly.days(200, 90, 365), 90);
        assert_eq!(monthly.days(1_000, 30, 200), 200);
        assert_eq!(rhythm(1, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z").days(200, 30, 120), 120);
    }

    proptest! {
        #[test]
        fn nothing_is_due_before_what_it_waits_from(
            seconds in 1_700_000_000_i64..1_900_000_000,
            days in 0_u32..800,
            hour in proptest::option::of(0_u32..24),
        ) {
            let from = Instant::from_timestamp(seconds, 0).unwrap();
            let time = hour.map(|hour| format!("{hour:02}:00:00"));
            for wait in [Wait::Days(days), Wait::Minutes(days)] {
                let due = due(from, &step(wait, time.as_deref()), None, ZONE);
                // The clocks may have been put back by an hour since.
                prop_assert!(due >= from - TimeDelta::hours(1), "{from} {due}");
                prop_assert!(due <= from + TimeDelta::days(i64::from(days) + 2), "{from} {due}");
            }
        }
    }
}
