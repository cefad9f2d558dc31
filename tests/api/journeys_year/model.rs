//! What is to be sent, told as plainly as it goes: for each person a list of what might be sent, gone through by time.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Europe::Amsterdam;
use entity::Instant;
use entity::consent::Purpose;
use entity::id::PersonId;

use super::shop::{Order, Person, REPLENISH_DAYS, What, Year};

/// To whom, the template, and when it was queued.
pub(super) type Sending = (PersonId, String, Instant);

/// Something that might be sent.
#[derive(Clone)]
struct Chance {
    journey: &'static str,
    purpose: Option<Purpose>,
    priority: u32,
    due: Instant,
    first_due: Instant,
    patience: TimeDelta,
    /// Something newer takes its place then.
    overtaken: Option<Instant>,
    cause: Cause,
}

/// What must hold when it is sent.
#[derive(Clone, Copy)]
enum Cause {
    Nothing,
    /// Nothing of it came back.
    Kept(Order),
    /// Nothing was bought since.
    Quiet(Order),
    KeptAndQuiet(Order),
    Saver,
    UsedUp(Order),
    Cart(Instant),
}

/// All that is to be sent, sorted.
pub(super) fn expected(year: &Year) -> Vec<Sending> {
    let mut all: Vec<Sending> = year.people.iter().flat_map(|person| of_person(year, person)).collect();
    all.sort();
    all
}

fn of_person(year: &Year, person: &Person) -> Vec<Sending> {
    let mut waiting = chances(year, person);
    let mut sent: Vec<(Instant, &'static str, Option<Purpose>)> = Vec::new();
    while let Some(now) = waiting.iter().map(|chance| chance.due).min().filter(|now| *now <= Year::end()) {
        let (mut due, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|chance| chance.due <= now);
        waiting = later;
        due.retain(|chance| chance.overtaken.is_none_or(|at| at > now));
        due.retain(|chance| holds(person, chance, now, &sent) && may(person, chance.purpose));
        due.sort_by_key(|chance| (chance.purpose.is_some(), u32::MAX - chance.priority, chance.first_due));
        for chance in due {
            let last = chance.first_due + chance.patience;
            match put_off(&chance, now, &sent) {
                _ if chance.purpose.is_some() && now > last => {}
                None => sent.push((now, chance.journey, chance.purpose)),
                Some(until) if until > last => {}
                Some(until) => waiting.push(Chance { due: until, ..chance }),
            }
        }
    }
    sent.into_iter().map(|(at, journey, _)| (person.id, journey.to_owned(), at)).collect()
}

/// Until when it is put off.
fn put_off(chance: &Chance, now: Instant, sent: &[(Instant, &str, Option<Purpose>)]) -> Option<Instant> {
    let purpose = chance.purpose?;
    let local = now.with_timezone(&Amsterdam);
    let (morning, evening) = (clock(8), clock(21));
    if local.time() < morning {
        return Some(at(local.date_naive(), morning));
    }
    if local.time() >= evening {
        return Some(at(local.date_naive() + Days::new(1), morning));
    }
    let counted: Vec<Instant> = sent.iter().filter(|(_, _, of)| of.is_some()).map(|(at, ..)| *at).collect();
    let cared = sent.iter().filter(|(_, _, of)| *of == Some(Purpose::Care)).map(|(at, ..)| *at).max();
    if let Some(free) =
        cared.map(|at| at + TimeDelta::days(14)).filter(|free| purpose == Purpose::Care && *free > now)
    {
        return Some(free);
    }
    // The first minute from now on in which there is room for one more.
    let has_room = |at: Instant| {
        let within = |span| counted.iter().filter(|sent| **sent + span > at).count();
        within(TimeDelta::days(1)) < 1 && within(TimeDelta::days(7)) < 3
    };
    if has_room(now) {
        return None;
    }
    let ends = counted.iter().flat_map(|sent| [*sent + TimeDelta::days(1), *sent + TimeDelta::days(7)]);
    ends.filter(|end| *end > now && has_room(*end)).min()
}

fn may(person: &Person, purpose: Option<Purpose>) -> bool {
    match purpose {
        None | Some(Purpose::BackInStock) => true,
        Some(purpose @ (Purpose::Care | Purpose::Programme | Purpose::ProductUpdates)) => {
            !person.withdrawn.contains(&purpose)
        }
        Some(purpose) => person.granted.contains(&purpose),
    }
}

fn holds(person: &Person, chance: &Chance, now: Instant, sent: &[(Instant, &str, Option<Purpose>)]) -> bool {
    let kept = |order: &Order| order.returned.is_none_or(|at| at > now);
    let bought = || person.orders.iter().filter(|order| order.at <= now);
    let quiet = |order: &Order| bought().all(|other| other.at <= order.at);
    let last_sent =
        sent.iter().filter(|(_, journey, _)| *journey == chance.journey).map(|(at, ..)| *at).max();
    let not_sent_for = |days| last_sent.is_none_or(|at| at + TimeDelta::days(days) <= now);
    match chance.cause {
        Cause::Nothing => true,
        Cause::Kept(order) => kept(&order),
        Cause::Quiet(order) => quiet(&order),
        Cause::KeptAndQuiet(order) => kept(&order) && quiet(&order),
        Cause::Saver => {
            let year = bought().filter(|order| order.at >= now - TimeDelta::days(365) && kept(order));
            year.count() * 495 > 999 && not_sent_for(180)
        }
        Cause::UsedUp(order) => kept(&order) && bought().all(|other| !other.beans || other.at <= order.at),
        Cause::Cart(touched) => {
            bought().all(|order| order.at < touched && order.at + TimeDelta::hours(24) <= now)
                && not_sent_for(2)
        }
    }
}

fn chances(year: &Year, person: &Person) -> Vec<Chance> {
    let mut all = Vec::new();
    for (index, order) in person.orders.iter().enumerate() {
        of_order(person, index, order, &mut all);
    }
    for (index, touched) in person.carts.iter().enumerate() {
        let overtaken = person.carts.get(index + 1).copied();
        let due = *touched + TimeDelta::hours(4);
        let chance = Chance {
            overtaken,
            cause: Cause::Cart(*touched),
            ..brief(chance("abandoned_cart", Some(Purpose::Reminders), 650, due))
        };
        all.push(chance);
    }
    if let Some(born) = person.born {
        for year in [2026, 2027] {
            let day = born.with_year(year).unwrap_or_else(|| NaiveDate::from_ymd_opt(year, 2, 28).unwrap());
            if day > NaiveDate::from_ymd_opt(2026, 1, 15).unwrap() {
                all.push(brief(chance("birthday", Some(Purpose::Offers), 600, at(day, clock(9)))));
            }
        }
    }
    if person.waits {
        all.push(brief(chance("back_in_stock", Some(Purpose::BackInStock), 700, year.restocked)));
    }
    for told in &year.announced {
        let owns = |order: &&Order| {
            !order.beans && order.delivered && order.at < *told && order.returned.is_none_or(|at| at > *told)
        };
        if person.orders.iter().any(|order| owns(&order)) {
            all.push(chance("product_update", Some(Purpose::ProductUpdates), 500, at_ten(*told, 0)));
        }
    }
    for (what, when) in &person.told {
        all.push(match what {
            What::TierReached => chance("tier_reached", Some(Purpose::Programme), 550, *when),
            What::TierEnding => chance("tier_ending", Some(Purpose::Programme), 560, at_ten(*when, 0)),
            What::PointsEnding => chance("points_expiring", Some(Purpose::Programme), 800, at_ten(*when, 0)),
            What::Renewed => chance("membership_renewed", None, 0, *when),
            What::PastDue => chance("membership_payment_failed", None, 0, *when),
        });
    }
    all
}

fn of_order(person: &Person, index: usize, order: &Order, all: &mut Vec<Chance>) {
    let (offers, care, programme) = (Some(Purpose::Offers), Some(Purpose::Care), Some(Purpose::Programme));
    let next = person.orders.get(index + 1).map(|next| next.at);
    let ten = |days| at_ten(order.at, days);
    let with = |cause, chance| Chance { cause, ..chance };
    all.push(chance("order_confirmation", None, 0, order.at));
    if order.delivered {
        all.push(chance("shipping_confirmation", None, 0, order.at));
        all.push(chance("delivery_confirmation", None, 0, order.at));
        all.push(with(Cause::Kept(*order), chance("care_tips", care, 350, ten(21))));
        all.push(with(Cause::Kept(*order), chance("after_sale_question", care, 450, ten(14))));
    }
    if index == 0 {
        all.push(with(Cause::Kept(*order), chance("thank_you", care, 400, ten(7))));
        all.push(with(Cause::KeptAndQuiet(*order), chance("second_purchase", offers, 300, ten(30))));
    }
    if index == 2 {
        all.push(with(Cause::Kept(*order), chance("regular_customer", offers, 280, ten(14))));
    }
    all.push(with(Cause::Saver, chance("membership_savings", offers, 260, ten(1))));
    let so_far: BTreeSet<Instant> = person.orders[..=index].iter().map(|order| order.at).collect();
    let days = if index == 0 {
        180
    } else {
        let span = (*so_far.last().unwrap() - *so_far.first().unwrap()).num_days();
        (span * 2 / i64::try_from(index).unwrap()).clamp(60, 180)
    };
    for (journey, purpose, priority, days) in [
        ("we_miss_you", offers, 240, days),
        ("inactive_notice", programme, 220, 335),
        ("reactivation_question", programme, 210, 365),
    ] {
        let quiet = chance(journey, purpose, priority, ten(u64::try_from(days).unwrap()));
        all.push(Chance { overtaken: next, cause: Cause::Quiet(*order), ..quiet });
    }
    if order.beans && order.delivered {
        let again = person.orders[index + 1..]
            .iter()
            .find(|other| other.beans && other.delivered)
            .map(|other| other.at);
        let due = at_ten(order.at + TimeDelta::days(REPLENISH_DAYS), 0);
        let replenished = chance("replenishment", Some(Purpose::Reminders), 340, due);
        all.push(Chance { overtaken: again, cause: Cause::UsedUp(*order), ..replenished });
    }
}

fn chance(journey: &'static str, purpose: Option<Purpose>, priority: u32, due: Instant) -> Chance {
    let patience = TimeDelta::days(14);
    Chance {
        journey,
        purpose,
        priority,
        due,
        first_due: due,
        patience,
        overtaken: None,
        cause: Cause::Nothing,
    }
}

fn brief(mut chance: Chance) -> Chance {
    chance.patience = TimeDelta::hours(48);
    chance
}

fn clock(hour: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, 0, 0).unwrap()
}

fn at(day: NaiveDate, time: NaiveTime) -> Instant {
    Amsterdam.from_local_datetime(&day.and_time(time)).unwrap().to_utc()
}

/// At ten by the shop's clocks so many days later, and not before.
fn at_ten(from: Instant, days: u64) -> Instant {
    let day = from.with_timezone(&Amsterdam).date_naive() + Days::new(days);
    let ten = at(day, clock(10));
    if ten < from { at(day + Days::new(1), clock(10)) } else { ten }
}
