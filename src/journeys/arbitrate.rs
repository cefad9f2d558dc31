//! Who goes first: one budget for each person over all journeys. Pure.

use std::cmp::Reverse;

use chrono::TimeDelta;
use chrono_tz::Tz;
use entity::Instant;
use entity::consent::Purpose;
use entity::id::RunId;
use entity::message::Reason;

use super::schedule::whole_minute;
use crate::messages::class::{Class, Kind};
use crate::messages::terms::MessageTerms;

/// A message that may be sent now, but for what else there is for the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Whose way through which journey.
    pub(crate) run: RunId,
    /// What right it needs.
    pub(crate) purpose: Option<Purpose>,
    /// The higher goes first.
    pub(crate) priority: u32,
    /// When it was due before it was put off.
    pub(crate) first_due_at: Instant,
    /// For how long it may be put off.
    pub(crate) give_up: TimeDelta,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes.
    Send,
    /// It is put off until then.
    Defer(Instant, Reason),
    /// It is given up.
    Drop(Reason),
}

/// A message that was sent to the person, other than what is transactional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) purpose: Purpose,
}

/// By what it is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) terms: &'a MessageTerms,
    pub(crate) zone: Tz,
    pub(crate) now: Instant,
}

impl Judge<'_> {
    /// Judges all that is due for one person, to whom `sent` was sent in the last days.
    pub(crate) fn judge(&self, mut sent: Vec<Sent>, mut due: Vec<Candidate>) -> Vec<(RunId, Verdict)> {
        due.sort_by_key(|one| (one.purpose.is_some(), Reverse(one.priority), one.first_due_at, one.run));
        let before = sent.len();
        let mut verdicts = Vec::with_capacity(due.len());
        for candidate in due {
            let verdict = self.one(&sent, before, &candidate);
            if let (Verdict::Send, Some(purpose)) = (verdict, candidate.purpose) {
                sent.push(Sent { at: self.now, purpose });
            }
            verdicts.push((candidate.run, verdict));
        }
        verdicts
    }

    /// Of `sent`, the first `before` were sent before; the others go now.
    fn one(&self, sent: &[Sent], before: usize, candidate: &Candidate) -> Verdict {
        let Some(purpose) = candidate.purpose else { return Verdict::Send };
        let useless = candidate.first_due_at + candidate.give_up;
        if self.now > useless {
            return Verdict::Drop(Reason::TooLate);
        }
        let put_off = self.night().or_else(|| self.spacing(sent, purpose)).or_else(|| {
            let free = self.budget_frees(sent)?;
            let outranked = self.budget_frees(&sent[..before]).is_none();
            Some((free, if outranked { Reason::Outranked } else { Reason::Budget }))
        });
        match put_off {
            None => Verdict::Send,
            Some((until, reason)) if whole_minute(until) > useless => Verdict::Drop(reason),
            Some((until, reason)) => Verdict::Defer(whole_minute(until), reason),
        }
    }

    fn night(&self) -> Option<(Instant, Reason)> {
        Some((self.terms.night_ends(self.now, self.zone)?, Reason::QuietHours))
    }

    fn spacing(&self, sent: &[Sent], purpose: Purpose) -> Option<(Instant, Reason)> {
        let is_care = |purpose| Class::of(Some(purpose)) == Class::Service(Kind::Care);
        let last = sent.iter().filter(|sent| is_care(sent.purpose)).map(|sent| sent.at).max()?;
        let free = last + TimeDelta::days(self.terms.care_spacing_days.into());
        (is_care(purpose) && self.now < free).then_some((free, Reason::CareSpacing))
    }

    /// When there is room for another message; none if there is.
    fn budget_frees(&self, sent: &[Sent]) -> Option<Instant> {
        let day = self.frees(sent, TimeDelta::days(1), self.terms.per_day);
        day.max(self.frees(sent, TimeDelta::days(7), self.terms.per_week))
    }

    /// When fewer than `most` were sent in the last `span`; none if that is so.
    fn frees(&self, sent: &[Sent], span: TimeDelta, most: u32) -> Option<Instant> {
        let mut recent: Vec<Instant> =
            sent.iter().map(|sent| sent.at).filter(|at| *at + span > self.now).collect();
        recent.sort_unstable_by_key(|at| Reverse(*at));
        // Once the one is out of it before which there are `most - 1` younger ones.
        let last = usize::try_from(most).ok()?.checked_sub(1)?;
        recent.get(last).map(|at| *at + span)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const NOON: &str = "2026-01-15T12:00:00Z";

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn candidate(run: u128, purpose: Option<Purpose>, priority: u32) -> Candidate {
        let give_up = TimeDelta::days(10);
        Candidate { run: RunId(Uuid::from_u128(run)), purpose, priority, first_due_at: at(NOON), give_up }
    }

    fn judged(now: &str, sent: &[(&str, Purpose)], due: Vec<Candidate>) -> Vec<(u128, Verdict)> {
        let terms = MessageTerms::default();
        let judge = Judge { terms: &terms, zone: Tz::Europe__Amsterdam, now: at(now) };
        let sent = sent.iter().map(|(when, purpose)| Sent { at: at(when), purpose: *purpose }).collect();
        let verdicts = judge.judge(sent, due);
        verdicts.into_iter().map(|(run, verdict)| (run.0.as_u128(), verdict)).collect()
    }

    #[test]
    fn of_two_that_are_due_the_higher_priority_goes_and_the_other_is_put_off_for_a_day() {
        let (low, high) = (candidate(1, Some(Purpose::Offers), 1), candidate(2, Some(Purpose::Programme), 2));
        assert_eq!(
            judged(NOON, &[], vec![low, high]),
            [(2, Verdict::Send), (1, Verdict::Defer(at("2026-01-16T12:00:00Z"), Reason::Outranked))]
        );
    }

    #[test]
    fn what_is_transactional_goes_at_night_and_beside_everything_else() {
        let night = "2026-01-15T23:00:00Z";
        let due =
            vec![candidate(1, Some(Purpose::Offers), 900), candidate(2, None, 0), candidate(3, None, 0)];
        assert_eq!(
            judged(night, &[("2026-01-15T11:00:00Z", Purpose::Offers)], due),
            [
                (2, Verdict::Send),
                (3, Verdict::Send),
                (1, Verdict::Defer(at("2026-01-16T07:00:00Z"), Reason::QuietHours))
            ]
        );
    }

    #[test]
    fn three_a_week_and_one_a_day_are_sent() {
        let sent = [
            ("2026-01-09T09:00:00Z", Purpose::Offers),
            ("2026-01-11T09:00:00Z", Purpose::Reminders),
            ("2026-01-13T09:00:00Z", Purpose::Offers),
        ];
        let offer = || vec![candidate(1, Some(Purpose::Offers), 1)];
        let budget = |until| [(1, Verdict::Defer(at(until), Reason::Budget))];
        assert_eq!(judged(NOON, &sent, offer()), budget("2026-01-16T09:00:00Z"));
        assert_eq!(judged(NOON, &sent[1..], offer()), [(1, Verdict::Send)]);
        let yesterday = [("2026-01-14T12:30:20Z", Purpose::Offers)];
        assert_eq!(judged(NOON, &yesterday, offer()), budget("2026-01-15T12:31:00Z"));
    }

    #[test]
    fn messages_of_care_are_fourteen_days_apart_and_others_are_not() {
        let sent = [("2026-01-06T12:00:00Z", Purpose::Care)];
        let due = |purpose| vec![candidate(1, Some(purpose), 1)];
        let later = Verdict::Defer(at("2026-01-20T12:00:00Z"), Reason::CareSpacing);
        assert_eq!(judged(NOON, &sent, due(Purpose::Care)), [(1, later)]);
        assert_eq!(judged(NOON, &sent, due(Purpose::Programme)), [(1, Verdict::Send)]);
    }

    #[test]
    fn what_is_put_off_until_it_is_of_no_use_is_given_up_with_its_reason() {
        let short = Candidate { give_up: TimeDelta::hours(12), ..candidate(1, Some(Purpose::Offers), 1) };
        let sent = [("2026-01-15T09:00:00Z", Purpose::Offers)];
        assert_eq!(judged(NOON, &sent, vec![short]), [(1, Verdict::Drop(Reason::Budget))]);
        assert_eq!(judged("2026-01-16T12:00:00Z", &[], vec![short]), [(1, Verdict::Drop(Reason::TooLate))]);
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_the_budget_whatever_is_due_and_whenever(
            ticks in proptest::collection::vec((1_i64..600, 0_u32..4, 0_u32..1_000), 1..120),
        ) {
            let terms = MessageTerms::default();
            let (mut now, mut sent, mut waiting) = (at(NOON), Vec::<Sent>::new(), Vec::<Candidate>::new());
            for (index, (minutes, kind, priority)) in ticks.into_iter().enumerate() {
                now += TimeDelta::minutes(minutes);
                let purpose =
                    [Purpose::Offers, Purpose::Care, Purpose::Programme, Purpose::Reminders][usize::try_from(kind).unwrap()];
                waiting.push(Candidate {
                    first_due_at: now,
                    ..candidate(u128::try_from(index).unwrap(), Some(purpose), priority)
                });
                let judge = Judge { terms: &terms, zone: Tz::Europe__Amsterdam, now };
                for (run, verdict) in judge.judge(sent.clone(), waiting.clone()) {
                    let at = waiting.iter().position(|one| one.run == run).unwrap();
                    match verdict {
                        Verdict::Send => {
                            let purpose = waiting.remove(at).purpose.unwrap();
                            sent.push(Sent { at: now, purpose });
                        }
                        Verdict::Drop(_) => {
                            waiting.remove(at);
                        }
                        Verdict::Defer(until, _) => prop_assert!(until > now),
                    }
                }
            }
            for one in &sent {
                let within = |span| sent.iter().filter(|other| other.at <= one.at && other.at + span > one.at).count();
                prop_assert!(within(TimeDelta::days(1)) <= 1);
                prop_assert!(within(TimeDelta::days(7)) <= 3);
                prop_assert!(terms.night_ends(one.at, Tz::Europe__Amsterdam).is_none());
            }
        }
    }
}
