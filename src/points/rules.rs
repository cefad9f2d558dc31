//! The arithmetic of the programme: what a line earns, what points are worth, when they end. Pure.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveTime, TimeZone};
use chrono_tz::Tz;
use entity::Instant;

use super::programme::{Expiry, Period, Programme};
use crate::money::{Currency, Rate};

/// The name of the base rule of a currency, as entries keep it.
pub(crate) fn base_rule(currency: Currency) -> String {
    format!("base:{}", currency.code())
}

/// What of a line earns.
#[derive(Clone, Copy, Debug)]
pub struct Basis {
    /// What its amounts are in.
    pub currency: Currency,
    /// Minor units after discount.
    pub line_total: i64,
    /// Minor units of it that points pay.
    pub redeemed_value: i64,
    /// Ten-thousandths of tax inside the total.
    pub tax_rate: Option<i32>,
}

/// What a line earns: `factors`, in ten-thousandths, × whole units of (line total − what points pay of it), without its tax
/// if the shop says so, rounded down once.
pub fn line_points(programme: &Programme, basis: Basis, factors: &[i64]) -> i32 {
    let paid = i128::from((basis.line_total - basis.redeemed_value).max(0));
    let scale = i128::from(Rate::SCALE);
    // paid ÷ (1 + tax) with tax in ten-thousandths; one division, so that it rounds once.
    let (numerator, denominator) = match basis.tax_rate {
        Some(tax) if !programme.earn_on_tax => (paid * scale, scale + i128::from(tax)),
        _ => (paid, 1),
    };
    let units = i128::from(basis.currency.minor_per_unit());
    let (numerator, denominator) =
        factors.iter().fold((numerator, denominator * units), |(up, down), factor| {
            (up * i128::from(*factor), down * scale)
        });
    i32::try_from(numerator / denominator).unwrap_or(i32::MAX)
}

/// What `points` pay, in minor units, rounded down.
pub(crate) fn value_of(points: i64, currency: Currency, points_per_unit: u32) -> i64 {
    points * currency.minor_per_unit() / i64::from(points_per_unit)
}

/// The same for points of many accounts.
pub(crate) fn total_value(points: i64, currency: Currency, points_per_unit: u32) -> i64 {
    let value = i128::from(points) * i128::from(currency.minor_per_unit()) / i128::from(points_per_unit);
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The part of an order's `value` that points may pay, in minor units, rounded down.
pub(crate) fn capped_value(programme: &Programme, value: i64) -> i64 {
    let share = i128::from(value) * i128::from(programme.redemption_cap_percent) / 100;
    i64::try_from(share).unwrap_or(value)
}

/// The most points that may pay an order of `value` minor units: the cap's share of it, rounded down.
pub(crate) fn most_points_for(
    programme: &Programme,
    value: i64,
    currency: Currency,
    points_per_unit: u32,
) -> i64 {
    let share =
        i128::from(value) * i128::from(programme.redemption_cap_percent) * i128::from(points_per_unit);
    let most = share / (100 * i128::from(currency.minor_per_unit()));
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// Down to a multiple of the programme's step.
pub(crate) fn floor_to_multiple(points: i64, programme: &Programme) -> i64 {
    points - points % i64::from(programme.redemption_multiple)
}

/// The part of `whole` that falls on `returned` of `bought` pieces, rounded down: cumulative, so that any sequence of
/// partial returns sums to the whole.
pub(crate) fn returned_share(whole: i32, returned: i32, bought: i32) -> i32 {
    let share = i64::from(whole) * i64::from(returned) / i64::from(bought.max(1));
    i32::try_from(share).unwrap_or(whole)
}

/// When points activated at `opened` end, if they have an end of their own. Months are calendar months in the shop's
/// time zone, clamped to the month's end (31 January + 1 month is 28 or 29 February), and the whole last day still
/// counts.
pub(crate) fn expires_at(programme: &Programme, zone: Tz, opened: Instant) -> Option<Instant> {
    match programme.expiry {
        Expiry::Never | Expiry::MonthsWithoutActivity(_) => None,
        Expiry::Months(months) => end_of_day(zone, months_after(zone, opened, months)?),
        Expiry::MonthsToEndOf(months, period) => {
            end_of_day(zone, last_day(period, months_after(zone, opened, months)?)?)
        }
    }
}

/// When an account whose member was last active at `active` runs out: by the same calendar.
pub(crate) fn inactive_at(months: u32, zone: Tz, active: Instant) -> Option<Instant> {
    end_of_day(zone, months_after(zone, active, months)?)
}

fn months_after(zone: Tz, at: Instant, months: u32) -> Option<NaiveDate> {
    at.with_timezone(&zone).date_naive().checked_add_months(Months::new(months))
}

/// The last day of the period that `day` is in.
fn last_day(period: Period, day: NaiveDate) -> Option<NaiveDate> {
    let month = match period {
        Period::Month => day.month(),
        Period::Quarter => day.month().div_ceil(3) * 3,
        Period::Year => 12,
    };
    let first = NaiveDate::from_ymd_opt(day.year(), month, 1)?;
    first.checked_add_months(Months::new(1))?.pred_opt()
}

/// Midnight at the end of a day.
fn end_of_day(zone: Tz, day: NaiveDate) -> Option<Instant> {
    start_of_day(zone, day.checked_add_days(Days::new(1))?)
}

/// The first instant of a day in a time zone; where clocks skip midnight, an hour later.
pub(crate) fn start_of_day(zone: Tz, day: NaiveDate) -> Option<Instant> {
    let midnight = day.and_time(NaiveTime::MIN);
    let start = zone
        .from_local_datetime(&midnight)
        .earliest()
        .or_else(|| zone.from_local_datetime(&(midnight + chrono::TimeDelta::hours(1))).earliest())?;
    Some(start.to_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ZONE: Tz = Tz::Europe__Amsterdam;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    /// What a line earns at the programme's rate.
    fn at_base(
        programme: &Programme,
        code: &str,
        line_total: i64,
        redeemed_value: i64,
        tax_rate: Option<i32>,
    ) -> i32 {
        let basis = Basis { currency: currency(code), line_total, redeemed_value, tax_rate };
        line_points(programme, basis, &[programme.base_rate(currency(code)).ten_thousandths()])
    }

    fn instant(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn months(months: u32) -> Programme {
        Programme { expiry: Expiry::Months(months), ..Programme::default() }
    }

    #[test]
    fn a_line_earns_its_rate_per_whole_unit_rounded_down_once() {
        let plain = Programme::default();
        assert_eq!(at_base(&plain, "EUR", 1177, 0, None), 11);
        assert_eq!(at_base(&plain, "JPY", 1177, 0, None), 1177);
        assert_eq!(at_base(&plain, "BHD", 1999, 0, None), 1);
        let rich = Programme { default_rate: "1.5".parse().unwrap(), ..Programme::default() };
        // 1.5 × 11.77 = 17.655
        assert_eq!(at_base(&rich, "EUR", 1177, 0, None), 17);
    }

    #[test]
    fn the_part_paid_with_points_earns_nothing() {
        assert_eq!(at_base(&Programme::default(), "EUR", 5000, 2000, None), 30);
        assert_eq!(at_base(&Programme::default(), "EUR", 5000, 5000, None), 0);
    }

    #[test]
    fn a_shop_may_leave_tax_out() {
        let without_tax = Programme { earn_on_tax: false, ..Programme::default() };
        // 121.00 with 21 % inside is 100.00 without.
        assert_eq!(at_base(&without_tax, "EUR", 12_100, 0, Some(2_100)), 100);
        assert_eq!(at_base(&without_tax, "EUR", 12_099, 0, Some(2_100)), 99);
    }

    #[test]
    fn months_are_clamped_to_the_end_of_the_month_and_its_last_day_counts() {
        let expires = |opened| expires_at(&months(1), ZONE, instant(opened)).unwrap();
        // 31 January + 1 month = 28 February, until midnight in Amsterdam (UTC+1).
        assert_eq!(expires("2026-01-31T12:00:00Z"), instant("2026-02-28T23:00:00Z"));
        assert_eq!(expires("2028-01-31T12:00:00Z"), instant("2028-02-29T23:00:00Z"));
        // 23:30 UTC on 14 July is 15 July in Amsterdam (UTC+2).
        assert_eq!(expires("2026-07-14T23:30:00Z"), instant("2026-08-15T22:00:00Z"));
        assert_eq!(expires_at(&Programme::default(), ZONE, instant("2026-01-31T12:00:00Z")), None);
    }

    #[test]
    fn an_end_is_rounded_up_to_the_end_of_a_month_quarter_or_year() {
        let expires = |months, period, zone, opened| {
            let expiry = Expiry::MonthsToEndOf(months, period);
            expires_at(&Programme { expiry, ..Programme::default() }, zone, instant(opened)).unwrap()
        };
        let (noon, leap) = ("2026-01-31T12:00:00Z", "2028-01-31T12:00:00Z");
        // 31 January + 1 month = 28 (or 29) February; the quarter ends with 31 March, by when Amsterdam is at UTC+2.
        assert_eq!(expires(1, Period::Month, ZONE, noon), instant("2026-02-28T23:00:00Z"));
        assert_eq!(expires(1, Period::Month, ZONE, leap), instant("2028-02-29T23:00:00Z"));
        assert_eq!(expires(1, Period::Quarter, ZONE, noon), instant("2026-03-31T22:00:00Z"));
        assert_eq!(expires(1, Period::Quarter, ZONE, leap), instant("2028-03-31T22:00:00Z"));
        assert_eq!(expires(1, Period::Year, ZONE, noon), instant("2026-12-31T23:00:00Z"));
        // 31 December + 12 months is the last day of its year already; one day later is one of the next.
        assert_eq!(expires(12, Period::Year, ZONE, "2026-12-31T12:00:00Z"), instant("2027-12-31T23:00:00Z"));
        assert_eq!(expires(12, Period::Year, ZONE, "2026-12-31T23:00:00Z"), instant("2028-12-31T23:00:00Z"));
        // 30 November + 3 months = 28 February: the quarter is that of the next year.
        assert_eq!(
            expires(3, Period::Quarter, ZONE, "2026-11-30T12:00:00Z"),
            instant("2027-03-31T22:00:00Z")
        );
        // New York is behind: 03:00 UTC on 1 April is 31 March there, and 30 April (clamped) ends at 04:00 UTC.
        let new_york = Tz::America__New_York;
        assert_eq!(
            expires(1, Period::Month, new_york, "2026-04-01T03:00:00Z"),
            instant("2026-05-01T04:00:00Z")
        );
        // In Beirut the day after 28 March 2026 begins at 01:00: clocks skip its midnight.
        let beirut = Tz::Asia__Beirut;
        let expiry = Expiry::Months(1);
        let end = expires_at(
            &Programme { expiry, ..Programme::default() },
            beirut,
            instant("2026-02-28T12:00:00Z"),
        );
        assert_eq!(end, Some(instant("2026-03-28T22:00:00Z")));
    }

    #[test]
    fn an_account_runs_out_months_after_the_last_activity_at_the_end_of_that_day() {
        assert_eq!(
            inactive_at(1, ZONE, instant("2026-01-31T12:00:00Z")),
            Some(instant("2026-02-28T23:00:00Z"))
        );
        assert_eq!(
            inactive_at(12, ZONE, instant("2028-02-29T12:00:00Z")),
            Some(instant("2029-02-28T23:00:00Z"))
        );
        let programme = Programme { expiry: Expiry::MonthsWithoutActivity(1), ..Programme::default() };
        assert_eq!(expires_at(&programme, ZONE, instant("2026-01-31T12:00:00Z")), None);
    }

    #[test]
    fn a_cap_is_a_share_of_the_order_in_points() {
        let half = Programme { redemption_cap_percent: 50, ..Programme::default() };
        // Half of € 25.01 is 12.505, at 100 points a euro 1250 points and a half.
        assert_eq!(most_points_for(&half, 2501, currency("EUR"), 100), 1250);
        assert_eq!(value_of(1250, currency("EUR"), 100), 1250);
        assert_eq!(value_of(150, currency("JPY"), 100), 1);
    }

    proptest! {
        #[test]
        fn partial_returns_sum_to_the_whole(whole in 0..i32::MAX, bought in 1..1000_i32, cuts in proptest::collection::vec(0..1000_i32, 0..6)) {
            let mut steps: Vec<i32> = cuts.into_iter().map(|cut| cut % (bought + 1)).collect();
            steps.sort_unstable();
            steps.push(bought);
            let mut before = 0;
            let mut sum = 0;
            for returned in steps {
                let share = returned_share(whole, returned, bought) - returned_share(whole, before, bought);
                prop_assert!(share >= 0);
                sum += share;
                before = returned;
            }
            prop_assert_eq!(sum, whole);
        }
    }
}
