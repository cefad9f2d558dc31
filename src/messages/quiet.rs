//! When it is night: pure, by the shop's clocks, which jump twice a year.

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use entity::Instant;

use super::terms::MessageTerms;

/// Hours that any change of clocks is shorter than.
const LONGEST_GAP: i64 = 26;

impl MessageTerms {
    /// When the night ends that `now` is in; none by day.
    pub(crate) fn night_ends(&self, now: Instant, zone: Tz) -> Option<Instant> {
        let time = now.with_timezone(&zone).time();
        let (from, until) = (self.quiet_from, self.quiet_until);
        let is_night =
            if from <= until { from <= time && time < until } else { time >= from || time < until };
        is_night.then(|| next_local(now, until, zone))
    }
}

/// The first instant after `now` at which the clocks show `time`.
pub(crate) fn next_local(now: Instant, time: NaiveTime, zone: Tz) -> Instant {
    let today = now.with_timezone(&zone).date_naive();
    let mut days = (0..3).filter_map(|days| today.checked_add_days(Days::new(days)));
    days.find_map(|day| Some(at_local(day, time, zone)).filter(|at| *at > now)).unwrap_or(now)
}

/// The instant at which the clocks show `time` on `day`: the first, if they show it twice; if they skip it, when they go on.
pub(crate) fn at_local(day: NaiveDate, time: NaiveTime, zone: Tz) -> Instant {
    let wanted = day.and_time(time);
    let found = (0..=LONGEST_GAP * 4).find_map(|quarters| {
        let shown = wanted.checked_add_signed(TimeDelta::minutes(15 * quarters))?;
        zone.from_local_datetime(&shown).earliest()
    });
    found.map_or_else(|| wanted.and_utc(), |at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Tz = Tz::Europe__Amsterdam;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn night(now: &str) -> Option<Instant> {
        MessageTerms::default().night_ends(at(now), ZONE)
    }

    #[test]
    fn the_night_is_from_nine_to_eight_by_the_clocks_of_the_shop() {
        assert_eq!(night("2026-01-15T19:59:59Z"), None);
        assert_eq!(night("2026-01-15T20:00:00Z"), Some(at("2026-01-16T07:00:00Z")));
        assert_eq!(night("2026-01-16T06:59:59Z"), Some(at("2026-01-16T07:00:00Z")));
        assert_eq!(night("2026-01-16T07:00:00Z"), None);
    }

    #[test]
    fn the_night_in_which_the_clocks_jump_ends_when_they_show_eight() {
        // 29 March 2026: two o'clock is three. 25 October 2026: three o'clock is two.
        assert_eq!(night("2026-03-28T20:30:00Z"), Some(at("2026-03-29T06:00:00Z")));
        assert_eq!(night("2026-03-29T05:59:59Z"), Some(at("2026-03-29T06:00:00Z")));
        assert_eq!(night("2026-03-29T06:00:00Z"), None);
        assert_eq!(night("2026-10-24T19:00:00Z"), Some(at("2026-10-25T07:00:00Z")));
        assert_eq!(night("2026-10-25T06:59:59Z"), Some(at("2026-10-25T07:00:00Z")));
        assert_eq!(night("2026-10-25T07:00:00Z"), None);
    }

    #[test]
    fn a_time_that_the_clocks_skip_or_show_twice_is_one_instant() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let time = NaiveTime::from_hms_opt(2, 30, 0).unwrap();
        assert_eq!(at_local(day("2026-03-29"), time, ZONE), at("2026-03-29T01:00:00Z"));
        assert_eq!(at_local(day("2026-10-25"), time, ZONE), at("2026-10-25T00:30:00Z"));
    }

    #[test]
    fn quiet_hours_may_be_by_day_or_none() {
        let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let by_day = MessageTerms { quiet_from: hour(12), quiet_until: hour(14), ..MessageTerms::default() };
        assert_eq!(by_day.night_ends(at("2026-01-15T11:30:00Z"), ZONE), Some(at("2026-01-15T13:00:00Z")));
        assert_eq!(by_day.night_ends(at("2026-01-15T13:00:00Z"), ZONE), None);
        let none = MessageTerms { quiet_from: hour(8), ..MessageTerms::default() };
        assert_eq!(none.night_ends(at("2026-01-15T02:00:00Z"), ZONE), None);
    }
}
