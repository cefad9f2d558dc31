//! Ten lives of memberships: whatever order their facts come in, and however often, they end alike.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta};
use entity::Instant;
use entity::membership::{EndedWhy, MembershipState};
use entity::membership_charge::ChargeStatus;
use proptest::prelude::*;

use super::state::{Covered, Fact, Facts};
use MembershipState::{Active, Cancelled, Expired, Incomplete, PastDue, Paused, Trialing};

const GRACE: TimeDelta = TimeDelta::days(7);

/// So many days after the membership was asked for.
fn day(days: i64) -> Instant {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + days)
}

fn charge(invoice: &str, from: i64, until: i64, status: ChargeStatus) -> Fact {
    let covered = Covered { from: day(from), until: day(until), status };
    Fact::Charge { invoice: invoice.to_owned(), covered }
}

fn paid(invoice: &str, from: i64, until: i64) -> Fact {
    charge(invoice, from, until, ChargeStatus::Paid)
}

fn failed(invoice: &str, from: i64, until: i64) -> Fact {
    charge(invoice, from, until, ChargeStatus::Failed)
}

fn trial(until: i64) -> Fact {
    Fact::Trial { until: day(until) }
}

fn cancels(seq: i64, at: Option<i64>) -> Fact {
    Fact::Cancels { seq, at: at.map(day) }
}

fn ended(at: i64, why: EndedWhy) -> Fact {
    Fact::Ended { at: day(at), why }
}

/// A life: its name, what is learnt, and where it stands on some days: state, and the day until which it is entitled.
struct Story {
    name: &'static str,
    facts: Vec<Fact>,
    stands: Vec<(i64, MembershipState, Option<i64>)>,
}

fn stories() -> Vec<Story> {
    stories_of_changes().into_iter().chain(stories_of_ends()).collect()
}

fn stories_of_changes() -> Vec<Story> {
    let story = |name, facts, stands| Story { name, facts, stands };
    vec![
        story(
            "a trial, paid, a card that failed, recovered",
            vec![trial(14), failed("1", 14, 44), paid("1", 14, 44), failed("2", 44, 75), paid("2", 44, 75)],
            vec![
                (3, Trialing, Some(82)),
                (20, Active, Some(82)),
                (74, Active, Some(82)),
                (76, PastDue, Some(82)),
            ],
        ),
        story(
            "cancelled while on trial",
            vec![trial(14), cancels(1, Some(14)), ended(14, EndedWhy::Member)],
            vec![(20, Cancelled, Some(14)), (400, Cancelled, Some(14))],
        ),
        story(
            "another plan in the middle of a month",
            vec![
                paid("1", 0, 30),
                charge("up", 12, 30, ChargeStatus::Open),
                paid("up", 12, 30),
                paid("2", 30, 61),
            ],
            vec![
                (13, Active, Some(68)),
                (60, Active, Some(68)),
                (62, PastDue, Some(68)),
                (68, Expired, Some(68)),
            ],
        ),
        story(
            "paused for two months",
            vec![
                paid("1", 0, 30),
                Fact::Paused { seq: 1, from: day(10), until: Some(day(40)) },
                Fact::Resumed { pause: 1, seq: 2, until: day(70) },
                paid("2", 90, 120),
            ],
            vec![
                (50, Paused, Some(10)),
                (75, Active, Some(127)),
                (119, Active, Some(127)),
                (130, Expired, Some(127)),
            ],
        ),
        story(
            "given back within fourteen days",
            vec![paid("1", 0, 30), ended(9, EndedWhy::Withdrawn), charge("1", 0, 30, ChargeStatus::Refunded)],
            vec![(9, Cancelled, None), (29, Cancelled, None)],
        ),
    ]
}

fn stories_of_ends() -> Vec<Story> {
    let story = |name, facts, stands| Story { name, facts, stands };
    vec![
        story(
            "disputed, and lost",
            vec![
                paid("1", 0, 30),
                paid("2", 30, 60),
                charge("2", 30, 60, ChargeStatus::Disputed),
                charge("2", 30, 60, ChargeStatus::Refunded),
            ],
            vec![(20, Active, Some(30)), (40, Cancelled, Some(30))],
        ),
        story(
            "disputed, and won",
            vec![
                paid("1", 0, 30),
                charge("1", 0, 30, ChargeStatus::Disputed),
                charge("1", 0, 30, ChargeStatus::Won),
            ],
            vec![(20, Active, Some(37)), (31, PastDue, Some(37)), (37, Expired, Some(37))],
        ),
        story(
            "ended by hand where it is billed",
            vec![paid("1", 0, 30), paid("2", 30, 60), ended(41, EndedWhy::Deleted)],
            vec![(41, Cancelled, Some(41)), (59, Cancelled, Some(41))],
        ),
        story(
            "a first payment that never came",
            vec![
                charge("1", 0, 30, ChargeStatus::Open),
                failed("1", 0, 30),
                charge("1", 0, 30, ChargeStatus::Void),
                ended(1, EndedWhy::NeverPaid),
            ],
            vec![(1, Expired, None), (20, Expired, None)],
        ),
        story(
            "cancelled, taken back, cancelled again, and ended",
            vec![
                paid("1", 0, 30),
                cancels(1, Some(30)),
                cancels(2, None),
                paid("2", 30, 60),
                cancels(3, Some(60)),
                ended(60, EndedWhy::Member),
            ],
            vec![(59, Cancelled, Some(60)), (61, Cancelled, Some(60))],
        ),
        story(
            "a card that fails until the end",
            vec![paid("1", 0, 30), failed("2", 30, 60), ended(37, EndedWhy::Unpaid)],
            vec![(40, Expired, Some(30))],
        ),
    ]
}

fn learnt<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Facts {
    let mut known = Facts::new(day(0), GRACE);
    facts.into_iter().for_each(|fact| known.learn(fact));
    known
}

/// What may be allowed at most by what is known, worked out another way: the last day that was paid or granted, every
/// pause added, and the grace.
fn bound(facts: &[&Fact]) -> Option<Instant> {
    let mut last = None;
    let mut paused = TimeDelta::zero();
    for fact in facts {
        match fact {
            Fact::Trial { until } => last = last.max(Some(*until)),
            Fact::Charge { covered, .. } if covered.status >= ChargeStatus::Paid => {
                last = last.max(Some(covered.until));
            }
            Fact::Paused { from, until: Some(until), .. } => paused += *until - *from,
            // All the days since the membership began, at most.
            Fact::Resumed { until, .. } => paused += *until - day(0),
            Fact::Charge { .. } | Fact::Paused { .. } | Fact::Cancels { .. } | Fact::Ended { .. } => {}
        }
    }
    last.map(|last| last + paused + GRACE)
}

fn is_entitled(state: MembershipState) -> bool {
    matches!(state, Trialing | Active | PastDue)
}

/// Every order of `0..count`.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let with = |place: usize| {
        shorter.iter().map(move |order| [&order[..place], &[count - 1], &order[place..]].concat())
    };
    (0..count).flat_map(with).collect()
}

#[test]
fn each_life_ends_as_it_should() {
    for Story { name, facts, stands } in stories() {
        for (at, state, until) in stands {
            let stands = learnt(&facts).standing(day(at));
            assert_eq!((stands.state, stands.entitled_until), (state, until.map(day)), "{name}, day {at}");
        }
    }
}

#[test]
fn a_life_ends_alike_in_every_order_of_its_facts_and_each_three_times() {
    for Story { name, facts, .. } in stories() {
        let end = learnt(&facts);
        let days = || (0..140).map(day);
        let stands: Vec<_> = days().map(|at| end.standing(at)).collect();
        for order in permutations(facts.len()) {
            let thrice = order.iter().flat_map(|which| [which; 3]).chain(&order).chain(order.iter().rev());
            let mut known = Facts::new(day(0), GRACE);
            let mut told: Vec<&Fact> = Vec::new();
            for which in thrice {
                known.learn(&facts[*which]);
                told.push(&facts[*which]);
                let bound = bound(&told);
                for at in [0, 9, 15, 31, 45, 76, 125].map(day) {
                    let stands = known.standing(at);
                    assert!(stands.entitled_until <= bound, "{name}: {order:?} {stands:?}");
                    let within = stands.entitled_until.is_some_and(|until| at < until);
                    assert!(
                        !is_entitled(stands.state) || within || stands.state == PastDue,
                        "{name}: {stands:?}"
                    );
                }
            }
            assert_eq!(known, end, "{name}: {order:?}");
        }
        assert!(days().map(|at| end.standing(at)).eq(stands));
    }
}

#[test]
fn nothing_changes_before_the_moment_that_is_told() {
    for Story { name, facts, .. } in stories() {
        let known = learnt(&facts);
        for at in 0..140 {
            let stands = known.standing(day(at));
            let next = stands.due_at.unwrap_or_else(|| day(400));
            for later in [
                TimeDelta::microseconds(1),
                (next - day(at)) / 2,
                next - day(at) - TimeDelta::microseconds(1),
            ] {
                assert_eq!(known.standing(day(at) + later).state, stands.state, "{name}, day {at}");
            }
        }
    }
}

#[test]
fn a_renewal_is_late_once_it_failed_or_was_under_way_for_six_hours() {
    let due = day(30);
    let on_its_way = learnt(&[paid("1", 0, 30), charge("2", 30, 60, ChargeStatus::Open)]);
    for (minutes, state) in [(0, Active), (359, Active), (360, PastDue)] {
        let stands = on_its_way.standing(due + TimeDelta::minutes(minutes));
        assert_eq!((stands.state, stands.entitled_until), (state, Some(day(37))), "{minutes}");
    }
    assert_eq!(on_its_way.standing(due).due_at, Some(due + TimeDelta::hours(6)));
    assert_eq!(learnt(&[paid("1", 0, 30), failed("2", 30, 60)]).standing(due).state, PastDue);
    // A difference that was not paid is of the time before.
    assert_eq!(learnt(&[paid("1", 0, 30), failed("up", 12, 30)]).standing(due).state, Active);
}

#[test]
fn a_charge_covers_what_it_was_paid_for_whatever_was_asked_before() {
    let (asked, taken) = (charge("1", 0, 40, ChargeStatus::Open), paid("1", 0, 30));
    for facts in [[&asked, &taken], [&taken, &asked]] {
        assert_eq!(learnt(facts).standing(day(3)).paid_through, Some(day(30)));
    }
}

/// A membership in each state on day 20, and what may be learnt then.
fn table() -> Vec<(MembershipState, Vec<MembershipState>)> {
    let before = [
        (Incomplete, vec![]),
        (Trialing, vec![trial(30)]),
        (Active, vec![paid("1", 0, 30)]),
        (PastDue, vec![paid("1", -12, 18)]),
        (Paused, vec![paid("1", 0, 30), Fact::Paused { seq: 1, from: day(10), until: Some(day(40)) }]),
        (Cancelled, vec![paid("1", 0, 30), ended(15, EndedWhy::Member)]),
        (Expired, vec![paid("1", -25, 5)]),
    ];
    let rows = before.map(|(state, facts)| {
        let learns = |fact: &Fact| {
            let mut known = learnt(&facts);
            if state == Incomplete {
                known.began_at = day(20);
            }
            assert_eq!(known.standing(day(20)).state, state);
            known.learn(fact);
            known.standing(day(20)).state
        };
        (state, learnable().iter().map(|(_, fact)| learns(fact)).collect())
    });
    rows.into()
}

fn learnable() -> Vec<(&'static str, Fact)> {
    vec![
        ("trial granted", trial(34)),
        ("payment made", paid("2", 20, 50)),
        ("payment failed", failed("2", 20, 50)),
        ("payment disputed", charge("1", 0, 30, ChargeStatus::Disputed)),
        ("payment given back", charge("1", 0, 30, ChargeStatus::Refunded)),
        ("paused", Fact::Paused { seq: 5, from: day(20), until: Some(day(60)) }),
        ("resumed", Fact::Resumed { pause: 1, seq: 6, until: day(20) }),
        ("to end at the period's end", cancels(7, Some(30))),
        ("ended", ended(20, EndedWhy::Deleted)),
    ]
}

/// The table of the README.
fn printed() -> String {
    let heads: Vec<&str> = learnable().iter().map(|(name, _)| *name).collect();
    let mut text = format!("| state | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for (state, after) in table() {
        let cell = |next: &MembershipState| {
            if *next == state { "·".to_owned() } else { format!("`{}`", name(*next)) }
        };
        let cells: Vec<String> = after.iter().map(cell).collect();
        writeln!(text, "| `{}` | {} |", name(state), cells.join(" | ")).unwrap();
    }
    text
}

fn name(state: MembershipState) -> String {
    sea_orm::ActiveEnum::to_value(&state)
}

#[test]
fn the_readme_has_the_table_of_states_as_the_code_has_it() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains(&printed()), "README.md is to have:\n{}", printed());
}

proptest! {
    #[test]
    fn no_facts_make_it_entitled_past_their_bound(
        facts in prop::collection::vec((0..6_u8, 0..90_i64, 1..60_i64, 0..7_usize), 0..8),
        at in 0..200_i64,
    ) {
        let statuses = [
            ChargeStatus::Open, ChargeStatus::Failed, ChargeStatus::Void, ChargeStatus::Paid,
            ChargeStatus::Disputed, ChargeStatus::Won, ChargeStatus::Refunded,
        ];
        let fact = |(seq, (kind, from, length, status)): (usize, &(u8, i64, i64, usize))| {
            let seq = i64::try_from(seq).unwrap();
            match kind {
                0 => trial(*from),
                1 | 2 => charge(&from.to_string(), *from, from + length, statuses[*status]),
                3 => Fact::Paused { seq, from: day(*from), until: Some(day(from + length)) },
                4 => cancels(seq, Some(*from)),
                _ => ended(*from, EndedWhy::Member),
            }
        };
        let facts: Vec<Fact> = facts.iter().enumerate().map(fact).collect();
        let told: Vec<&Fact> = facts.iter().collect();
        let stands = learnt(&facts).standing(day(at));
        prop_assert!(stands.entitled_until <= bound(&told));
        let backwards = learnt(facts.iter().rev());
        prop_assert_eq!(backwards.standing(day(at)), stands);
    }
}
