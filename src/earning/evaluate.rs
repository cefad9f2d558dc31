//! What an order earns by the rules in force: the same for an order that is paid, a cart that is looked at, and a draft
//! that is tried on the past. Pure.
//!
//! A line earns at one rate: that of the rate rule of the highest priority which is for it, else the programme's. Each
//! multiplier for it gives its part on top, and each bonus for the order is spread over the lines it is for by what they
//! cost, so that a return of some takes back what they carried. Every part is rounded down by itself and names its rule.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use entity::Instant;
use entity::id::EarningRuleId;

use super::definition::{Combination, Conditions, Definition, Effect, Trigger, Weekday};
use crate::money::{Currency, spread};
use crate::points::programme::Programme;
use crate::points::rules::{Basis, base_rule, line_points};

/// A version of a rule, and when it is in force.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: EarningRuleId,
    pub(crate) code: String,
    pub(crate) version: i32,
    /// As customers read it.
    pub(crate) name: String,
    pub(crate) definition: Definition,
    pub(crate) from: Instant,
    /// None if nothing ends it.
    pub(crate) until: Option<Instant>,
}

impl Rule {
    /// Whether it is in force at `at`.
    pub(crate) fn is_in_force(&self, at: Instant) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// An order, as rules look at it. What is not known of its buyer is none, and no condition on it holds.
#[derive(Clone, Debug)]
pub(crate) struct OrderFacts<'a> {
    /// Rules in force then are looked at.
    pub(crate) at: Instant,
    pub(crate) currency: Currency,
    /// On which day of the week it was placed, in the shop's time zone.
    pub(crate) weekday: Weekday,
    /// The so-manieth paid order of its buyer, from 1.
    pub(crate) number: Option<u32>,
    /// Whether that day is its buyer's birthday.
    pub(crate) on_birthday: Option<bool>,
    /// The tier that its buyer has before it counts.
    pub(crate) tier: Option<&'a str>,
    /// The plan of paid memberships that its buyer has.
    pub(crate) plan: Option<&'a str>,
    pub(crate) lines: Vec<LineFacts<'a>>,
}

/// A line of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineFacts<'a> {
    pub(crate) sku: &'a str,
    pub(crate) categories: &'a [String],
    pub(crate) basis: Basis,
}

/// What one rule gives for one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gain {
    /// By its place in the order, from 0.
    pub(crate) line: usize,
    /// Above 0.
    pub(crate) points: i32,
    /// The code of the rule.
    pub(crate) rule: String,
    pub(crate) version: i32,
}

/// What a rule would give, line by line.
struct Offer<'a> {
    rule: &'a Rule,
    points: Vec<i32>,
}

/// What `order` earns by line, first by its rate, then by what comes on top in the order of the rules' codes.
/// `version` is that of the settings that hold the programme's rates.
pub(crate) fn evaluate(
    programme: &Programme,
    version: i32,
    rules: &[Rule],
    order: &OrderFacts<'_>,
) -> Vec<Gain> {
    let matching: Vec<&Rule> = rules.iter().filter(|rule| is_for(rule, order)).collect();
    let mut gains = Vec::new();
    let mut rates = Vec::with_capacity(order.lines.len());
    for (index, line) in order.lines.iter().enumerate() {
        let (rate, rule, version) = match rate_rule(&matching, line) {
            Some((rate, rule)) => (rate, rule.code.clone(), rule.version),
            None => {
                (programme.base_rate(order.currency).ten_thousandths(), base_rule(order.currency), version)
            }
        };
        rates.push(rate);
        gains.push(Gain { line: index, points: line_points(programme, line.basis, &[rate]), rule, version });
    }
    let (mut multipliers, mut bonuses) = (Vec::new(), Vec::new());
    for rule in matching {
        match rule.definition.effect {
            Effect::Rate(_) => {}
            Effect::Multiplier(times) => {
                let more = times.ten_thousandths() - crate::money::Rate::SCALE;
                let part = |(line, rate): (&LineFacts<'_>, &i64)| {
                    let is_for = is_for_line(&rule.definition.conditions, line);
                    if is_for { line_points(programme, line.basis, &[*rate, more]) } else { 0 }
                };
                let points = order.lines.iter().zip(&rates).map(part).collect();
                multipliers.push(Offer { rule, points });
            }
            Effect::Bonus(points) => bonuses.extend(bonus(rule, points, order)),
        }
    }
    best_by_line(&mut multipliers, order.lines.len());
    best_by_order(&mut bonuses);
    let mut offers: Vec<Offer<'_>> = multipliers.into_iter().chain(bonuses).collect();
    offers.sort_by(|one, other| one.rule.code.cmp(&other.rule.code));
    for Offer { rule, points } in offers {
        let gain = |(line, points)| Gain { line, points, rule: rule.code.clone(), version: rule.version };
        gains.extend(points.into_iter().enumerate().map(gain));
    }
    gains.retain(|gain| gain.points > 0);
    gains
}

/// A bonus, spread over the lines that the rule is for; none if there are none.
fn bonus<'a>(rule: &'a Rule, points: u32, order: &OrderFacts<'_>) -> Option<Offer<'a>> {
    let lines: Vec<usize> = (0..order.lines.len())
        .filter(|index| is_for_line(&rule.definition.conditions, &order.lines[*index]))
        .collect();
    if lines.is_empty() {
        return None;
    }
    let weights: Vec<i64> = lines.iter().map(|index| order.lines[*index].basis.line_total).collect();
    let mut shares = vec![0; order.lines.len()];
    for (index, share) in lines.into_iter().zip(spread(points.into(), &weights)) {
        shares[index] = i32::try_from(share).unwrap_or(i32::MAX);
    }
    Some(Offer { rule, points: shares })
}

/// The rate of a line, if rules have one.
fn rate_rule<'a>(matching: &[&'a Rule], line: &LineFacts<'_>) -> Option<(i64, &'a Rule)> {
    let rates = matching.iter().filter_map(|rule| match rule.definition.effect {
        Effect::Rate(rate) if is_for_line(&rule.definition.conditions, line) => {
            Some((rate.ten_thousandths(), *rule))
        }
        Effect::Rate(_) | Effect::Multiplier(_) | Effect::Bonus(_) => None,
    });
    rates.max_by_key(|(rate, rule)| (rule.definition.priority, *rate, Reverse(&rule.code)))
}

/// Of multipliers of a group of which only one may give, one gives on each line.
fn best_by_line(offers: &mut [Offer<'_>], lines: usize) {
    for group in groups(offers).into_values() {
        for line in 0..lines {
            let best = best(offers, &group, |offer| offer.points[line]);
            for index in group.iter().filter(|index| Some(**index) != best) {
                offers[*index].points[line] = 0;
            }
        }
    }
}

/// Of bonuses of such a group, one gives on the order.
fn best_by_order(offers: &mut [Offer<'_>]) {
    for group in groups(offers).into_values() {
        let best = best(offers, &group, |offer| offer.points.iter().sum());
        for index in group.iter().filter(|index| Some(**index) != best) {
            offers[*index].points.fill(0);
        }
    }
}

/// The offers of each group of which only one may give.
fn groups(offers: &[Offer<'_>]) -> BTreeMap<String, Vec<usize>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, offer) in offers.iter().enumerate() {
        if offer.rule.definition.combination == Combination::BestOnly {
            groups.entry(offer.rule.definition.group.clone()).or_default().push(index);
        }
    }
    groups
}

/// Among those that give anything: the highest priority, then the most points, then the first by code.
fn best(offers: &[Offer<'_>], group: &[usize], points: impl Fn(&Offer<'_>) -> i32) -> Option<usize> {
    let giving = group.iter().copied().filter(|index| points(&offers[*index]) > 0);
    giving.max_by_key(|index| {
        let offer = &offers[*index];
        (offer.rule.definition.priority, points(offer), Reverse(&offer.rule.code))
    })
}

/// Whether a rule is in force for this order and its conditions on the whole order hold.
fn is_for(rule: &Rule, order: &OrderFacts<'_>) -> bool {
    rule.definition.trigger == Trigger::Order
        && rule.is_in_force(order.at)
        && holds(&rule.definition.conditions, order)
}

/// Whether conditions on the whole order hold.
pub(super) fn holds(conditions: &Conditions, order: &OrderFacts<'_>) -> bool {
    let code = order.currency.code();
    let total: i64 = order.lines.iter().map(|line| line.basis.line_total).sum();
    let enough = |(least, currency): &(i64, String)| currency == code && total >= *least;
    (conditions.currencies.is_empty() || conditions.currencies.contains(code))
        && (conditions.weekdays.is_empty() || conditions.weekdays.contains(&order.weekday))
        && conditions.minimum.as_ref().is_none_or(enough)
        && conditions.purchase.is_none_or(|which| order.number.is_some_and(|number| which.is(number)))
        && (!conditions.birthday || order.on_birthday == Some(true))
        && (conditions.tiers.is_empty() || order.tier.is_some_and(|tier| conditions.tiers.contains(tier)))
        && (conditions.plans.is_empty() || order.plan.is_some_and(|plan| conditions.plans.contains(plan)))
}

/// Whether conditions that the order meets are met by this line of it.
pub(super) fn is_for_line(conditions: &Conditions, line: &LineFacts<'_>) -> bool {
    let Conditions { categories, skus, .. } = conditions;
    (categories.is_empty() || line.categories.iter().any(|category| categories.contains(category)))
        && (skus.is_empty() || skus.contains(line.sku))
}
