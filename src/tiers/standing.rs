//! Which tier somebody has, from what counted on which day. Pure.
//!
//! What counted carries a tier until some day: in a calendar year it carries it to the end of the next year, in a rolling
//! window until so much of it is twelve months old that the rest is not enough. A higher tier is had at once. A lower one
//! comes when the time of the higher is over, with its grace, or at once if what carried it was taken back.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, Months, NaiveDate};
use chrono_tz::Tz;
use entity::Instant;

use super::programme::{Downgrade, TierProgramme, Window};
use crate::points::rules::start_of_day;

/// What counted, by day, or from the first day of a year or of all time where days do not matter.
pub(super) type Counted = BTreeMap<NaiveDate, i64>;

/// A tier by its place from the lowest, and when it ends; without end if none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) rank: usize,
    pub(super) until: Option<Instant>,
}

/// Where a customer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// What they have.
    pub(super) tier: Option<Term>,
    /// What staff gave them at least.
    pub(super) kept: Option<Term>,
    /// What they have at least on the way down.
    pub(super) step: Option<Term>,
}

/// Now, and the shop's calendar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    pub(super) now: Instant,
    pub(super) zone: Tz,
}

impl Calendar {
    pub(super) fn today(self) -> NaiveDate {
        self.now.with_timezone(&self.zone).date_naive()
    }

    fn start(self, day: NaiveDate) -> Option<Instant> {
        start_of_day(self.zone, day)
    }
}

impl Term {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Higher first, then longer.
    pub(super) fn better(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let worth = |term: &Self| (term.rank, term.until.unwrap_or(Instant::MAX_UTC));
        one.into_iter().chain(other).max_by_key(worth)
    }
}

impl Standing {
    /// Where somebody stands now who stood like this before.
    pub(super) fn next(&self, programme: &TierProgramme, counted: &Counted, calendar: Calendar) -> Self {
        let Self { kept, step, .. } = self.alive(calendar.now);
        let due = Term::better(carried(programme, counted, calendar), Term::better(kept, step));
        let due = Self { tier: due, kept, step };
        let Some(held) = self.tier.filter(|held| Some(held.rank) > due.rank()) else { return due };
        if !held.is_over(calendar.now) {
            return due;
        }
        if held.until.and_then(|until| with_grace(programme, until)).is_some_and(|end| calendar.now < end) {
            return Self { tier: Some(held), ..due };
        }
        due.at_least_a_step_below(held.rank, programme, calendar)
    }

    /// Without what is over of what keeps a tier.
    pub(super) fn alive(self, now: Instant) -> Self {
        let lives = |term: &Term| !term.is_over(now);
        Self { kept: self.kept.filter(lives), step: self.step.filter(lives), ..self }
    }

    fn rank(&self) -> Option<usize> {
        self.tier.map(|term| term.rank)
    }

    /// Where tiers go down one by one, the next lower than `rank` is had for a period.
    fn at_least_a_step_below(self, rank: usize, programme: &TierProgramme, calendar: Calendar) -> Self {
        let below = rank.checked_sub(1).filter(|below| Some(*below) >= self.rank());
        let until = end_of_period(programme.window, calendar);
        match (programme.downgrade, below, until) {
            (Downgrade::OneStep, Some(rank), Some(until)) => {
                let step = Some(Term { rank, until: Some(until) });
                Self { tier: Term::better(self.tier, step), step, ..self }
            }
            _ => self,
        }
    }
}

/// When a tier that ends at `until` is lost.
pub(super) fn with_grace(programme: &TierProgramme, until: Instant) -> Option<Instant> {
    until.checked_add_days(Days::new(programme.grace_days.into()))
}

/// The day from which on what counts is summed up.
pub(super) fn window_start(window: Window, today: NaiveDate) -> NaiveDate {
    match window {
        Window::CalendarYear => first_of(today.year()),
        // The day after the same day a year ago; what was on a leap day leaves with 28 February.
        Window::Rolling12Months => {
            let mut day = today.checked_sub_months(Months::new(12)).unwrap_or(NaiveDate::MIN);
            while leaves(day) <= today {
                day = day.succ_opt().unwrap_or(NaiveDate::MAX);
            }
            day
        }
        Window::Lifetime => NaiveDate::MIN,
    }
}

/// The day from which on something that counted can matter.
pub(super) fn looked_back_to(window: Window, today: NaiveDate) -> NaiveDate {
    match window {
        Window::CalendarYear => first_of(today.year() - 1),
        Window::Rolling12Months | Window::Lifetime => window_start(window, today),
    }
}

/// What counts now.
pub(super) fn sum(window: Window, counted: &Counted, today: NaiveDate) -> i64 {
    counted.range(window_start(window, today)..).map(|(_, amount)| amount).sum()
}

/// What is still to come for a tier that ends on `until` not to end then; none if nothing can change that end.
pub(super) fn missing_to_keep(
    programme: &TierProgramme,
    counted: &Counted,
    held: Term,
    zone: Tz,
) -> Option<i64> {
    let until = held.until?.with_timezone(&zone).date_naive();
    let still = match programme.window {
        Window::CalendarYear => of_year(counted, until.year() - 1),
        Window::Rolling12Months => sum(programme.window, counted, until),
        Window::Lifetime => return None,
    };
    let threshold = programme.tiers.get(held.rank)?.threshold;
    Some(threshold - still).filter(|missing| *missing > 0)
}

/// The highest tier that what counted carries today, and until when.
fn carried(programme: &TierProgramme, counted: &Counted, calendar: Calendar) -> Option<Term> {
    let today = calendar.today();
    let highest = |amount: i64| programme.tiers.iter().rposition(|tier| tier.threshold <= amount);
    match programme.window {
        Window::Lifetime => highest(counted.values().sum()).map(|rank| Term { rank, until: None }),
        Window::CalendarYear => {
            let of = |year: i32| {
                let rank = highest(of_year(counted, year))?;
                Some(Term { rank, until: calendar.start(first_of(year + 2)) })
            };
            Term::better(of(today.year()), of(today.year() - 1))
        }
        Window::Rolling12Months => {
            let rank = highest(sum(programme.window, counted, today))?;
            let end = last_day_of(programme.tiers[rank].threshold, counted, today);
            Some(Term { rank, until: end.and_then(|end| calendar.start(end)) })
        }
    }
}

/// The first day on which less than `threshold` is left of what counts in a rolling window today.
fn last_day_of(threshold: i64, counted: &Counted, today: NaiveDate) -> Option<NaiveDate> {
    let mut left = sum(Window::Rolling12Months, counted, today);
    for (day, amount) in counted.range(window_start(Window::Rolling12Months, today)..) {
        left -= amount;
        if left < threshold {
            return Some(leaves(*day));
        }
    }
    None
}

/// The first day on which what was on `day` is twelve months old.
fn leaves(day: NaiveDate) -> NaiveDate {
    day.checked_add_months(Months::new(12)).unwrap_or(NaiveDate::MAX)
}

fn of_year(counted: &Counted, year: i32) -> i64 {
    counted.range(first_of(year)..first_of(year + 1)).map(|(_, amount)| amount).sum()
}

fn first_of(year: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or(NaiveDate::MAX)
}

fn end_of_period(window: Window, calendar: Calendar) -> Option<Instant> {
    match window {
        Window::CalendarYear => calendar.start(first_of(calendar.today().year() + 1)),
        Window::Rolling12Months => calendar.start(leaves(calendar.today())),
        Window::Lifetime => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::tiers::programme::{Basis, Tier};

    fn programme(window: Window) -> TierProgramme {
        let tier = |code: &str, threshold| Tier {
            code: code.to_owned(),
            name: code.to_owned(),
            threshold,
            benefits: Vec::new(),
            early_access: false,
        };
        TierProgramme {
            tiers: vec![tier("silver", 100), tier("gold", 500), tier("platinum", 1_000)],
            window,
            basis: Basis::Points,
            grace_days: 10,
            ..TierProgramme::default()
        }
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// Midnight in the shop's zone at the start of a day.
    fn start(text: &str) -> Instant {
        start_of_day(Tz::Europe__Amsterdam, day(text)).unwrap()
    }

    fn on(text: &str) -> Calendar {
        Calendar { now: start(text), zone: Tz::Europe__Amsterdam }
    }

    fn counted(days: &[(&str, i64)]) -> Counted {
        days.iter().map(|(text, amount)| (day(text), *amount)).collect()
    }

    fn held(rank: usize, until: &str) -> Standing {
        Standing { tier: Some(Term { rank, until: Some(start(until)) }), ..Standing::default() }
    }

    fn told(standing: Standing) -> Option<(usize, Option<Instant>)> {
        standing.tier.map(|term| (term.rank, term.until))
    }

    #[test]
    fn what_is_reached_in_a_year_is_had_until_the_end_of_the_next() {
        let programme = programme(Window::CalendarYear);
        let bought = counted(&[("2026-03-01", 300), ("2026-11-30", 200)]);
        let reached = Standing::default().next(&programme, &bought, on("2026-12-01"));
        assert_eq!(told(reached), Some((1, Some(start("2028-01-01")))));
        let before = counted(&[("2026-03-01", 300)]);
        let silver = Standing::default().next(&programme, &before, on("2026-11-30"));
        assert_eq!(told(silver), Some((0, Some(start("2028-01-01")))));
    }

    #[test]
    fn a_tier_that_ends_lives_through_its_grace_and_then_goes_by_what_counts() {
        let programme = programme(Window::CalendarYear);
        let bought = counted(&[("2026-11-30", 500), ("2027-05-01", 150)]);
        let gold = held(1, "2028-01-01");
        assert_eq!(told(gold.next(&programme, &bought, on("2028-01-10"))), told(gold));
        let silver = gold.next(&programme, &bought, on("2028-01-11"));
        assert_eq!(told(silver), Some((0, Some(start("2029-01-01")))));
        let again = counted(&[("2026-11-30", 500), ("2028-01-05", 500)]);
        assert_eq!(
            told(gold.next(&programme, &again, on("2028-01-06"))),
            Some((1, Some(start("2030-01-01"))))
        );
    }

    #[test]
    fn step_by_step_the_next_lower_tier_is_had_for_a_period() {
        let programme = TierProgramme { downgrade: Downgrade::OneStep, ..programme(Window::CalendarYear) };
        let nothing = Counted::new();
        let platinum = held(2, "2028-01-01");
        let gold = platinum.next(&programme, &nothing, on("2028-01-11"));
        assert_eq!(told(gold), Some((1, Some(start("2029-01-01")))));
        assert_eq!(told(gold.next(&programme, &nothing, on("2029-01-05"))), told(gold), "grace");
        let silver = gold.next(&programme, &nothing, on("2029-01-11"));
        assert_eq!(told(silver), Some((0, Some(start("2030-01-01")))));
        assert_eq!(told(silver.next(&programme, &nothing, on("2030-01-11"))), None);
    }

    #[test]
    fn who_counts_for_the_next_lower_tier_has_it_for_as_long_as_who_does_not() {
        let programme = TierProgramme { downgrade: Downgrade::OneStep, ..programme(Window::Rolling12Months) };
        let platinum = held(2, "2027-03-01");
        // 600 are left on 11 March, of which 300 leave three days later: by what counts gold would end then.
        let bought = counted(&[("2026-03-14", 300), ("2026-09-01", 300)]);
        let gold = platinum.next(&programme, &bought, on("2027-03-11"));
        assert_eq!(told(gold), Some((1, Some(start("2028-03-11")))));
    }

    #[test]
    fn what_is_taken_back_takes_its_tier_at_once() {
        let programme = programme(Window::CalendarYear);
        let gold = held(1, "2028-01-01");
        let returned = counted(&[("2026-11-30", 499)]);
        assert_eq!(
            told(gold.next(&programme, &returned, on("2026-12-24"))),
            Some((0, Some(start("2028-01-01"))))
        );
        assert_eq!(told(gold.next(&programme, &Counted::new(), on("2026-12-24"))), None);
    }

    #[test]
    fn a_rolling_tier_ends_on_the_day_that_too_little_of_it_is_left() {
        let programme = programme(Window::Rolling12Months);
        let bought = counted(&[("2026-02-10", 60), ("2026-05-20", 40), ("2026-09-01", 70)]);
        // 170 - 60 = 110 is still enough on 10 February; 110 - 40 = 70 is not on 20 May.
        let silver = Standing::default().next(&programme, &bought, on("2026-09-02"));
        assert_eq!(told(silver), Some((0, Some(start("2027-05-20")))));
        assert_eq!(sum(Window::Rolling12Months, &bought, day("2027-02-09")), 170);
        assert_eq!(sum(Window::Rolling12Months, &bought, day("2027-02-10")), 110);
        assert_eq!(
            missing_to_keep(&programme, &bought, silver.tier.unwrap(), Tz::Europe__Amsterdam),
            Some(30)
        );
    }

    #[test]
    fn what_was_on_a_leap_day_leaves_with_28_february() {
        let bought = counted(&[("2028-02-28", 1), ("2028-02-29", 2), ("2028-03-01", 4)]);
        let on = |text: &str| sum(Window::Rolling12Months, &bought, day(text));
        assert_eq!((on("2029-02-27"), on("2029-02-28"), on("2029-03-01")), (7, 4, 0));
    }

    #[test]
    fn what_staff_give_is_the_least_and_ends_like_any_other() {
        let programme = programme(Window::CalendarYear);
        let kept = Some(Term { rank: 2, until: Some(start("2027-06-01")) });
        let given = Standing { kept, ..Standing::default() };
        let platinum = given.next(&programme, &counted(&[("2026-12-01", 100)]), on("2026-12-02"));
        assert_eq!(told(platinum), Some((2, Some(start("2027-06-01")))));
        let after = platinum.next(&programme, &counted(&[("2026-12-01", 100)]), on("2027-06-11"));
        assert_eq!((told(after), after.kept), (Some((0, Some(start("2028-01-01")))), None));
    }

    #[test]
    fn a_lifetime_tier_has_no_end() {
        let programme = programme(Window::Lifetime);
        let gold = Standing::default().next(&programme, &counted(&[("2019-12-01", 600)]), on("2026-12-02"));
        assert_eq!(told(gold), Some((1, None)));
        assert_eq!(told(gold.next(&programme, &counted(&[("2019-12-01", 99)]), on("2026-12-03"))), None);
    }

    fn some_window() -> impl Strategy<Value = Window> {
        prop_oneof![Just(Window::CalendarYear), Just(Window::Rolling12Months), Just(Window::Lifetime)]
    }

    proptest! {
        /// Looking daily and looking once after a long time come to the same, and nothing is lost before its end.
        #[test]
        fn a_tier_lasts_exactly_until_its_end(
            window in some_window(),
            bought in prop::collection::btree_map(0_u64..700, 1_i64..600, 0..8),
            looked in 0_u64..700,
        ) {
            let programme = TierProgramme { grace_days: 0, ..programme(window) };
            let first = day("2026-01-01");
            let at = |days: u64| {
                let day = first.checked_add_days(Days::new(days)).unwrap();
                Calendar { now: Tz::UTC.from_utc_datetime(&day.and_hms_opt(0, 0, 0).unwrap()).to_utc(), zone: Tz::UTC }
            };
            let so_far: Counted = bought
                .iter()
                .filter(|(days, _)| **days <= looked)
                .map(|(days, amount)| (at(*days).today(), *amount))
                .collect();
            let fresh = |days: u64| Standing::default().next(&programme, &so_far, at(days)).tier;
            let now = fresh(looked);
            let mut daily = Standing { tier: now, ..Standing::default() };
            for later in looked..looked + 800 {
                daily = daily.next(&programme, &so_far, at(later));
                prop_assert_eq!(daily.tier, fresh(later));
                let lives = now.is_some_and(|term| !term.is_over(at(later).now));
                if lives {
                    prop_assert_eq!(daily.tier.map(|term| term.rank), now.map(|term| term.rank));
                }
            }
        }
    }
}
