//! What mutations of rules take, and how it becomes a definition.

use std::collections::BTreeSet;

use async_graphql::{Enum, ID, InputObject};
use entity::Instant;

use crate::earning::Weekday;
use crate::earning::definition::{
    Combination, Conditions, Definition, Effect, Invalid, Limit, Period, Purchase, Trigger,
};
use crate::earning::versions::Draft;
use crate::graphql::scalars::{Decimal, IdempotencyKey};
use crate::money::{Currency, Money, Rate};
use crate::points::amount::Points;

/// What makes a rule give points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum EarningTrigger {
    /// An order is paid.
    Order,
    /// A customer joins the programme; once for each customer.
    Joining,
    /// It is a customer's birthday; once a year for each customer.
    Birthday,
    /// Somebody whom the customer brought has bought.
    Referrer,
    /// The customer, brought by another, has bought.
    Referred,
    /// The shop states an event, such as a review, with `pointsEarn`.
    Event,
}

/// How a rule goes with others of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Combination")]
pub(super) enum EarningCombination {
    /// It gives whatever others give.
    Additive,
    /// Of those of its group that say so, one gives: that of the highest priority, and of equals that which gives most. Of
    /// multipliers one gives for each line of an order, of bonuses one for each order.
    BestOnly,
}

/// What a limit is counted over, in the shop's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Period")]
pub(super) enum EarningLimitPeriod {
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
    /// For ever.
    Ever,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Weekday", name = "Weekday")]
pub(super) enum EarningWeekday {
    /// The first day of the week by ISO 8601.
    Monday,
    /// The second.
    Tuesday,
    /// The third.
    Wednesday,
    /// The fourth.
    Thursday,
    /// The fifth.
    Friday,
    /// The sixth.
    Saturday,
    /// The seventh.
    Sunday,
}

/// How often one customer may have what a rule gives.
#[derive(Debug, InputObject)]
pub(super) struct EarningLimitInput {
    /// So often, 1 to 1000.
    times: i32,
    /// Within each of these.
    per: EarningLimitPeriod,
}

/// Which orders a rule is for, and which of their lines; all that is given must hold.
#[derive(Debug, Default, InputObject)]
pub(crate) struct EarningConditionsInput {
    /// Lines of any of these categories; at most 500.
    #[graphql(default)]
    categories: Vec<String>,
    /// Lines with any of these skus; at most 500.
    #[graphql(default)]
    skus: Vec<String>,
    /// Orders in any of these currencies.
    #[graphql(default)]
    currencies: Vec<Currency>,
    /// Orders placed on any of these days in the shop's time zone.
    #[graphql(default)]
    weekdays: Vec<EarningWeekday>,
    /// Orders whose lines add up to at least so much.
    minimum: Option<EarningMinimumInput>,
    /// The customer's paid order of this number, 1 to 10000; 1 is the first purchase. Orders that were cancelled after they
    /// were paid are counted too.
    nth_purchase: Option<i32>,
    /// Every so-manieth paid order of the customer, 1 to 10000; not together with `nthPurchase`.
    every_nth_purchase: Option<i32>,
    /// Only orders placed on the customer's birthday.
    #[graphql(default)]
    birthday: bool,
    /// Only orders of members who have any of these tiers, by code, when the order is paid.
    #[graphql(default)]
    tiers: Vec<String>,
    /// Only orders of members of any of these plans, by code, when the order is paid.
    #[graphql(default)]
    plans: Vec<String>,
}

/// An amount that an order must reach.
#[derive(Debug, InputObject)]
pub(super) struct EarningMinimumInput {
    /// In whole units with the currency's decimals.
    amount: Decimal,
    /// Orders in other currencies do not reach it.
    currency: Currency,
}

/// A draft of a rule. It replaces the draft there may be; what is published stays as it is until the draft is published.
#[derive(Debug, InputObject)]
pub(super) struct EarningRuleDraftInput {
    /// The shop's name for the rule, 1 to 60 of a-z, 0-9 and `-`; entries of the ledger name it by this.
    code: String,
    /// As customers read it, 1 to 100 characters.
    name: String,
    /// What makes it give points.
    #[graphql(default_with = "EarningTrigger::Order")]
    trigger: EarningTrigger,
    /// The event's name, 1 to 100 characters; with the trigger `EVENT` only.
    event: Option<String>,
    /// Points per whole currency unit, in place of the programme's rate. One of `rate`, `multiplier` and `bonus` is given.
    rate: Option<Rate>,
    /// So many times the points of the rate in force, above 1 and at most 100: `"2"` gives as many again.
    multiplier: Option<Rate>,
    /// So many points, 1 to 10000000; of an order they are spread over the lines that the rule is for.
    bonus: Option<Points>,
    /// Rules of one group can stand in for each other; 1 to 100 characters.
    #[graphql(default_with = "\"default\".to_owned()")]
    group: String,
    /// How it goes with others of its group.
    #[graphql(default_with = "EarningCombination::Additive")]
    combination: EarningCombination,
    /// The higher goes first where only one can give, -1000 to 1000.
    #[graphql(default)]
    priority: i32,
    /// How often one customer may have it; for events and referrals only.
    limit: Option<EarningLimitInput>,
    /// Which orders it is for; for the trigger `ORDER` only.
    conditions: Option<EarningConditionsInput>,
    /// The caller's key.
    pub(super) idempotency_key: IdempotencyKey,
}

/// A draft to publish.
#[derive(Debug, InputObject)]
pub(super) struct EarningRulePublishInput {
    /// Whose draft.
    pub(super) rule_id: ID,
    /// From when on it is in force, not in the past; at once, if left out. What is in force of the rule ends then.
    pub(super) from: Option<Instant>,
    /// Until when it is in force; without end, if left out.
    pub(super) until: Option<Instant>,
    /// The caller's key.
    pub(super) idempotency_key: IdempotencyKey,
}

/// A rule to retire.
#[derive(Debug, InputObject)]
pub(super) struct EarningRuleRetireInput {
    /// Which.
    pub(super) rule_id: ID,
    /// From when on it is not in force any more, not in the past; at once, if left out.
    pub(super) at: Option<Instant>,
    /// The caller's key.
    pub(super) idempotency_key: IdempotencyKey,
}

impl EarningRuleDraftInput {
    /// The draft that is meant.
    pub(super) fn parse(self) -> Result<Draft, Invalid> {
        let definition = Definition {
            trigger: trigger(self.trigger, self.event)?,
            effect: effect(self.rate, self.multiplier, self.bonus)?,
            group: self.group,
            combination: self.combination.into(),
            priority: self.priority,
            limit: self.limit.map(|limit| Limit { times: limit.times, per: limit.per.into() }),
            conditions: self.conditions.unwrap_or_default().parse()?,
        };
        Ok(Draft { code: self.code, name: self.name, definition })
    }
}

fn trigger(trigger: EarningTrigger, event: Option<String>) -> Result<Trigger, Invalid> {
    match (trigger, event) {
        (EarningTrigger::Event, Some(event)) => Ok(Trigger::Event(event)),
        (EarningTrigger::Event, None) => Err(Invalid { field: "event", problem: "is missing" }),
        (_, Some(_)) => Err(Invalid { field: "event", problem: "is for the trigger EVENT only" }),
        (EarningTrigger::Order, None) => Ok(Trigger::Order),
        (EarningTrigger::Joining, None) => Ok(Trigger::Joining),
        (EarningTrigger::Birthday, None) => Ok(Trigger::Birthday),
        (EarningTrigger::Referrer, None) => Ok(Trigger::Referrer),
        (EarningTrigger::Referred, None) => Ok(Trigger::Referred),
    }
}

fn effect(rate: Option<Rate>, multiplier: Option<Rate>, bonus: Option<Points>) -> Result<Effect, Invalid> {
    match (rate, multiplier, bonus) {
        (Some(rate), None, None) => Ok(Effect::Rate(rate)),
        (None, Some(times), None) => Ok(Effect::Multiplier(times)),
        (None, None, Some(points)) => u32::try_from(i64::from(points))
            .map(Effect::Bonus)
            .map_err(|_negative| Invalid { field: "bonus", problem: "must be 1 to 10,000,000 points" }),
        _ => Err(Invalid { field: "bonus", problem: "or rate or multiplier must be given, and only one" }),
    }
}

impl EarningConditionsInput {
    /// The conditions that are meant.
    pub(crate) fn parse(self) -> Result<Conditions, Invalid> {
        let number = |number: i32, field| {
            u32::try_from(number).map_err(|_negative| Invalid { field, problem: "must be 1 to 10,000" })
        };
        let purchase = match (self.nth_purchase, self.every_nth_purchase) {
            (Some(_), Some(_)) => {
                return Err(Invalid {
                    field: "nthPurchase",
                    problem: "and everyNthPurchase exclude each other",
                });
            }
            (Some(nth), None) => Some(Purchase::Nth(number(nth, "nthPurchase")?)),
            (None, Some(every)) => Some(Purchase::Every(number(every, "everyNthPurchase")?)),
            (None, None) => None,
        };
        let minimum = self.minimum.map(|least| {
            let money = Money::parse_unsigned(&least.amount.0, least.currency);
            let wrong = |_problem| Invalid { field: "minimum", problem: "is not an amount of its currency" };
            Ok((money.map_err(wrong)?.minor, least.currency.code().to_owned()))
        });
        Ok(Conditions {
            categories: self.categories.into_iter().collect(),
            skus: self.skus.into_iter().collect(),
            currencies: self.currencies.iter().map(|currency| currency.code().to_owned()).collect(),
            weekdays: self.weekdays.into_iter().map(Weekday::from).collect::<BTreeSet<_>>(),
            minimum: minimum.transpose()?,
            purchase,
            birthday: self.birthday,
            tiers: self.tiers.into_iter().collect(),
            plans: self.plans.into_iter().collect(),
        })
    }
}
