//! Birthdays: the one day of the calendar that not every year has. Pure.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// When somebody born on 29 February has a birthday in a year without that day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LeapDayBirthday {
    /// On 28 February.
    #[default]
    #[serde(rename = "FEBRUARY_28")]
    February28,
    /// On 1 March.
    #[serde(rename = "MARCH_1")]
    March1,
}

/// The day somebody was born, from 1900 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Birthday(NaiveDate);

/// Before 1900, or later than today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be from 1900-01-01 to today")]
pub struct NotABirthday;

impl Birthday {
    /// Takes a day that is not later than `today`.
    pub fn new(born: NaiveDate, today: NaiveDate) -> Result<Self, NotABirthday> {
        if born.year() >= 1900 && born <= today { Ok(Self(born)) } else { Err(NotABirthday) }
    }

    /// The day itself.
    pub fn born(self) -> NaiveDate {
        self.0
    }
}

/// The birthday in `year` of somebody born on `born`; none only at the end of the calendar.
pub fn birthday_in(born: NaiveDate, year: i32, leap_day: LeapDayBirthday) -> Option<NaiveDate> {
    born.with_year(year).or_else(|| {
        let (month, day) = match leap_day {
            LeapDayBirthday::February28 => (2, 28),
            LeapDayBirthday::March1 => (3, 1),
        };
        NaiveDate::from_ymd_opt(year, month, day)
    })
}

/// The first birthday on or after `today`.
pub fn next_birthday(born: NaiveDate, today: NaiveDate, leap_day: LeapDayBirthday) -> Option<NaiveDate> {
    let years = [today.year(), today.year() + 1];
    years.into_iter().filter_map(|year| birthday_in(born, year, leap_day)).find(|day| *day >= today)
}

/// The days of birth that have their birthday on `day`: an index finds who was born on them.
pub(crate) fn born_for(day: NaiveDate, leap_day: LeapDayBirthday) -> impl Iterator<Item = NaiveDate> {
    let leap = move |born: i32| NaiveDate::from_ymd_opt(born, 2, 29);
    let same = move |born: i32| day.with_year(born);
    let candidates = (1900..=day.year())
        .flat_map(move |born| [same(born), leap(born).filter(|leap| Some(*leap) != same(born))]);
    candidates.flatten().filter(move |born| birthday_in(*born, day.year(), leap_day) == Some(day))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn any_day() -> impl Strategy<Value = NaiveDate> {
        (0..73_000_i64).prop_map(|days| day("1900-01-01") + chrono::TimeDelta::days(days))
    }

    #[test]
    fn a_leap_day_is_a_birthday_in_every_year() {
        use LeapDayBirthday::{February28, March1};
        let born = day("2004-02-29");
        for (year, leap_day, expected) in [
            (2024, February28, "2024-02-29"),
            (2024, March1, "2024-02-29"),
            (2025, February28, "2025-02-28"),
            (2025, March1, "2025-03-01"),
            (2100, February28, "2100-02-28"),
        ] {
            assert_eq!(birthday_in(born, year, leap_day), Some(day(expected)), "{year} {leap_day:?}");
        }
        assert_eq!(next_birthday(born, day("2025-03-01"), March1), Some(day("2025-03-01")));
        assert_eq!(next_birthday(born, day("2025-03-01"), February28), Some(day("2026-02-28")));
    }

    #[test]
    fn nobody_is_born_tomorrow_or_long_ago() {
        let today = day("2026-01-15");
        assert_eq!(Birthday::new(today, today).map(Birthday::born), Ok(today));
        for wrong in ["2026-01-16", "1899-12-31"] {
            assert_eq!(Birthday::new(day(wrong), today), Err(NotABirthday), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn the_next_birthday_is_within_a_year_and_on_the_day_or_beside_a_leap_day(
            born in any_day(), today in any_day(), march in any::<bool>()
        ) {
            let leap_day = if march { LeapDayBirthday::March1 } else { LeapDayBirthday::February28 };
            let next = next_birthday(born, today, leap_day).unwrap();
            prop_assert!(next >= today && (next - today).num_days() <= 366);
            let same = (next.month(), next.day()) == (born.month(), born.day());
            let beside = (born.month(), born.day()) == (2, 29) && !next.leap_year()
                && (next.month(), next.day()) == if march { (3, 1) } else { (2, 28) };
            prop_assert!(same || beside, "{born} gave {next}");
            // There is exactly one a year, and none was passed over.
            let before = birthday_in(born, next.year() - 1, leap_day).unwrap();
            prop_assert!(before < today && before < next);
        }
    }

    #[test]
    fn somebody_born_on_a_leap_day_is_found_on_one_day_of_every_year() {
        use LeapDayBirthday::{February28, March1};
        let has =
            |on: &str, born: &str, leap_day| born_for(day(on), leap_day).any(|found| found == day(born));
        assert!(has("2027-02-28", "2000-02-29", February28));
        assert!(has("2028-02-29", "2000-02-29", February28));
        assert!(!has("2028-02-28", "2000-02-29", February28));
        assert!(has("2027-02-28", "1999-02-28", February28) && has("2028-02-28", "1999-02-28", February28));
        assert!(has("2027-03-01", "2000-02-29", March1) && !has("2027-02-28", "2000-02-29", March1));
    }
}
