//! Worked examples of what orders earn, with the arithmetic beside them.

use chrono::TimeDelta;
use entity::Instant;
use entity::id::EarningRuleId;
use uuid::Uuid;

use super::Weekday;
use super::definition::{
    Combination, Conditions, Definition, Effect, Invalid, Limit, Period, Purchase, Trigger,
};
use super::evaluate::{Gain, LineFacts, OrderFacts, Rule, evaluate};
use crate::money::{Currency, Rate};
use crate::points::programme::Programme;
use crate::points::rules::Basis;

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn rule(code: &str, effect: Effect, conditions: Conditions) -> Rule {
    Rule {
        id: EarningRuleId(Uuid::from_u128(code.bytes().map(u128::from).sum())),
        code: code.to_owned(),
        version: 3,
        name: format!("The rule {code}"),
        definition: Definition {
            trigger: Trigger::Order,
            effect,
            group: "all".to_owned(),
            combination: Combination::Additive,
            priority: 0,
            limit: None,
            conditions,
        },
        from: at("2026-01-01T00:00:00Z"),
        until: Some(at("2027-01-01T00:00:00Z")),
    }
}

fn best_only(mut rule: Rule, priority: i32) -> Rule {
    rule.definition.combination = Combination::BestOnly;
    rule.definition.priority = priority;
    rule
}

fn line<'a>(sku: &'a str, categories: &'a [String], minor: i64) -> LineFacts<'a> {
    let basis = Basis { currency: Currency::EUR, line_total: minor, redeemed_value: 0, tax_rate: None };
    LineFacts { sku, categories, basis }
}

fn order(lines: Vec<LineFacts<'_>>) -> OrderFacts<'_> {
    OrderFacts {
        at: at("2026-11-22T10:00:00Z"),
        currency: Currency::EUR,
        weekday: Weekday::Sunday,
        number: None,
        on_birthday: None,
        tier: None,
        plan: None,
        lines,
    }
}

fn of_category(name: &str) -> Conditions {
    Conditions { categories: [name.to_owned()].into(), ..Conditions::default() }
}

/// Line, rule and points of each gain.
fn told(rules: &[Rule], order: &OrderFacts<'_>) -> Vec<(usize, String, i32)> {
    let gains = evaluate(&Programme::default(), 7, rules, order);
    gains.into_iter().map(|Gain { line, rule, points, .. }| (line, rule, points)).collect()
}

fn gain(line: usize, rule: &str, points: i32) -> (usize, String, i32) {
    (line, rule.to_owned(), points)
}

#[test]
fn a_multiplier_gives_its_part_on_top_of_the_rate_each_rounded_down() {
    let tea = ["tea".to_owned()];
    let two = [rule("tea-2.5", Effect::Multiplier(rate("2.5")), of_category("tea"))];
    // € 11.77 of tea: 11 at 1 a euro, and 1.5 × 11.77 = 17.655 on top. € 5 of something else: 5.
    let found = told(&two, &order(vec![line("T", &tea, 1_177), line("C", &[], 500)]));
    assert_eq!(found, [gain(0, "base:EUR", 11), gain(1, "base:EUR", 5), gain(0, "tea-2.5", 17)]);
}

#[test]
fn a_rate_takes_the_place_of_the_programmes_and_can_be_none() {
    let card = ["gift-card".to_owned()];
    let rules = [
        rule("no-cards", Effect::Rate(rate("0")), of_category("gift-card")),
        rule("double", Effect::Multiplier(rate("2")), Conditions::default()),
        rule(
            "rich",
            Effect::Rate(rate("3")),
            Conditions { skus: ["R".to_owned()].into(), ..Conditions::default() },
        ),
    ];
    // A card earns 0 and twice 0; R earns 3 a euro and as many again.
    let found = told(&rules, &order(vec![line("G", &card, 5_000), line("R", &[], 1_000)]));
    assert_eq!(found, [gain(1, "rich", 30), gain(1, "double", 30)]);
}

#[test]
fn of_rates_for_one_line_the_highest_priority_counts_and_of_equals_the_highest_rate() {
    let mut low = rule("low", Effect::Rate(rate("2")), Conditions::default());
    let high = rule("high", Effect::Rate(rate("5")), Conditions::default());
    assert_eq!(
        told(&[low.clone(), high.clone()], &order(vec![line("A", &[], 1_000)])),
        [gain(0, "high", 50)]
    );
    low.definition.priority = 1;
    assert_eq!(told(&[low, high], &order(vec![line("A", &[], 1_000)])), [gain(0, "low", 20)]);
}

#[test]
fn a_bonus_is_spread_over_the_lines_it_is_for_and_adds_up() {
    let tea = ["tea".to_owned()];
    let first = Conditions { purchase: Some(Purchase::Nth(1)), ..of_category("tea") };
    let rules = [rule("welcome", Effect::Bonus(100), first)];
    let lines = || vec![line("A", &tea, 1_000), line("B", &[], 7_000), line("C", &tea, 2_000)];
    // 100 over € 10 and € 20 of tea: 33.3 and 66.7, the larger remainder one more.
    let number = Some(1);
    let found = told(&rules, &OrderFacts { number, ..order(lines()) });
    let bonuses: Vec<_> = found.into_iter().filter(|(_, rule, _)| rule == "welcome").collect();
    assert_eq!(bonuses, [gain(0, "welcome", 33), gain(2, "welcome", 67)]);
    for number in [None, Some(2)] {
        let found = told(&rules, &OrderFacts { number, ..order(lines()) });
        assert!(found.iter().all(|(_, rule, _)| rule == "base:EUR"), "{found:?}");
    }
}

#[test]
fn of_a_group_of_which_one_may_give_the_best_gives_on_each_line() {
    let (tea, both) = (["tea".to_owned()], ["tea".to_owned(), "new".to_owned()]);
    let rules = [
        best_only(rule("tea-2", Effect::Multiplier(rate("2")), of_category("tea")), 0),
        best_only(rule("new-3", Effect::Multiplier(rate("3")), of_category("new")), 0),
        rule(
            "sunday",
            Effect::Multiplier(rate("1.1")),
            Conditions { weekdays: [Weekday::Sunday].into(), ..Conditions::default() },
        ),
    ];
    let found = told(&rules, &order(vec![line("A", &tea, 1_000), line("B", &both, 1_000)]));
    assert_eq!(
        found,
        [
            gain(0, "base:EUR", 10),
            gain(1, "base:EUR", 10),
            gain(1, "new-3", 20),
            gain(0, "sunday", 1),
            gain(1, "sunday", 1),
            gain(0, "tea-2", 10),
        ]
    );
}

#[test]
fn of_bonuses_of_such_a_group_one_gives_by_priority() {
    let rules = [
        best_only(rule("small", Effect::Bonus(10), Conditions::default()), 5),
        best_only(rule("large", Effect::Bonus(500), Conditions::default()), 0),
    ];
    let found = told(&rules, &order(vec![line("A", &[], 1_000)]));
    assert_eq!(found, [gain(0, "base:EUR", 10), gain(0, "small", 10)]);
}

#[test]
fn conditions_hold_all_or_the_rule_gives_nothing() {
    let weekday = |day| Conditions { weekdays: [day].into(), ..Conditions::default() };
    let least =
        |minor, code: &str| Conditions { minimum: Some((minor, code.to_owned())), ..Conditions::default() };
    let cases = [
        (weekday(Weekday::Monday), false),
        (weekday(Weekday::Sunday), true),
        (least(10_000, "EUR"), true),
        (least(10_001, "EUR"), false),
        (least(1, "USD"), false),
        (Conditions { currencies: ["USD".to_owned()].into(), ..Conditions::default() }, false),
        (Conditions { currencies: ["EUR".to_owned()].into(), ..Conditions::default() }, true),
        (Conditions { birthday: true, ..Conditions::default() }, true),
        (Conditions { purchase: Some(Purchase::Every(5)), ..Conditions::default() }, true),
        (Conditions { purchase: Some(Purchase::Every(4)), ..Conditions::default() }, false),
    ];
    for (conditions, holds) in cases {
        let rules = [rule("extra", Effect::Bonus(1), conditions.clone())];
        let order =
            OrderFacts { number: Some(10), on_birthday: Some(true), ..order(vec![line("A", &[], 10_000)]) };
        assert_eq!(told(&rules, &order).len() == 2, holds, "{conditions:?}");
    }
}

#[test]
fn a_rule_counts_for_orders_placed_while_it_was_in_force() {
    let rules = [rule("extra", Effect::Bonus(1), Conditions::default())];
    let (from, until) = (rules[0].from, rules[0].until.unwrap());
    let second = TimeDelta::seconds(1);
    for (at, counts) in [(from - second, false), (from, true), (until - second, true), (until, false)] {
        let order = OrderFacts { at, ..order(vec![line("A", &[], 100)]) };
        assert_eq!(told(&rules, &order).len() == 2, counts, "{at}");
    }
}

#[test]
fn what_points_pay_earns_nothing_and_currencies_have_their_decimals() {
    let double = [rule("double", Effect::Multiplier(rate("2")), Conditions::default())];
    let mut paid = line("A", &[], 5_000);
    paid.basis.redeemed_value = 2_000;
    assert_eq!(told(&double, &order(vec![paid])), [gain(0, "base:EUR", 30), gain(0, "double", 30)]);
    for (code, minor, points) in [("JPY", 1_177, 1_177), ("BHD", 1_999, 1)] {
        let currency: Currency = code.parse().unwrap();
        let mut line = line("A", &[], minor);
        line.basis.currency = currency;
        let found = told(&double, &OrderFacts { currency, ..order(vec![line]) });
        assert_eq!(found, [gain(0, &format!("base:{code}"), points), gain(0, "double", points)]);
    }
}

#[test]
fn a_definition_that_does_not_hold_together_is_refused_by_its_field() {
    let good = rule("a", Effect::Bonus(5), Conditions::default()).definition;
    let joining = Definition { trigger: Trigger::Joining, ..good.clone() };
    assert_eq!((good.validate(), joining.validate()), (Ok(()), Ok(())));
    let limit = Some(Limit { times: 1, per: Period::Month });
    let cases = [
        (Definition { effect: Effect::Multiplier(rate("1")), ..good.clone() }, "multiplier"),
        (Definition { effect: Effect::Multiplier(rate("100.0001")), ..good.clone() }, "multiplier"),
        (Definition { effect: Effect::Bonus(0), ..good.clone() }, "bonus"),
        (Definition { effect: Effect::Rate(rate("1")), ..joining.clone() }, "effect"),
        (Definition { conditions: of_category("tea"), ..joining.clone() }, "conditions"),
        (Definition { limit, ..good.clone() }, "limit"),
        (Definition { group: " ".to_owned(), ..good.clone() }, "group"),
        (Definition { priority: 1_001, ..good.clone() }, "priority"),
        (Definition { trigger: Trigger::Event(String::new()), ..good.clone() }, "event"),
    ];
    for (definition, field) in cases {
        let refused = definition.validate().map_err(|Invalid { field, .. }| field);
        assert_eq!(refused, Err(field), "{definition:?}");
    }
}
