//! What a rule is: what makes it give points, how many, and under which conditions. Data that staff write and versions
//! keep; evaluated in [`super::evaluate`].

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::money::{Currency, Rate};

/// The most that a rule may multiply by.
const MOST_TIMES: i64 = 100;
/// The most points that a bonus may be.
const MOST_BONUS: u32 = 10_000_000;
/// Categories, skus and the like of one condition.
const MOST_VALUES: usize = 500;

/// A rule, as one version has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Definition {
    /// What makes it give points.
    pub(crate) trigger: Trigger,
    /// What it gives.
    pub(crate) effect: Effect,
    /// Rules of one group can stand in for each other.
    pub(crate) group: String,
    /// How it goes with others of its group.
    pub(crate) combination: Combination,
    /// The higher goes first where only one can give.
    pub(crate) priority: i32,
    /// How often one customer may have it; without end, if none.
    #[serde(default)]
    pub(crate) limit: Option<Limit>,
    /// All must hold; of orders only.
    #[serde(default)]
    pub(crate) conditions: Conditions,
}

/// What makes a rule give points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Trigger {
    /// An order is paid.
    Order,
    /// A customer joins the programme.
    Joining,
    /// It is a customer's birthday.
    Birthday,
    /// Somebody whom the customer brought has bought.
    Referrer,
    /// The customer, brought by another, has bought.
    Referred,
    /// The shop states an event of this name, such as a review.
    Event(String),
}

/// What a rule gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Effect {
    /// So many points per whole currency unit, in place of the programme's rate.
    Rate(Rate),
    /// So many times the points of the rate in force: a factor of 2 gives as many again.
    Multiplier(Rate),
    /// So many points.
    Bonus(u32),
}

/// How a rule goes with others of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Combination {
    /// It gives whatever others give.
    Additive,
    /// Of those of its group that say so, one gives: that of the highest priority, and of equals that which gives most.
    BestOnly,
}

/// How often one customer may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limit {
    /// So often.
    pub(crate) times: i32,
    /// Within each of these, in the shop's time zone.
    pub(crate) per: Period,
}

/// What a limit is counted over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Period {
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
    /// For ever.
    Ever,
}

/// Which orders a rule is for, and which of their lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Conditions {
    /// Lines of any of these categories; of all, if empty.
    pub(crate) categories: BTreeSet<String>,
    /// Lines with any of these skus; with any, if empty.
    pub(crate) skus: BTreeSet<String>,
    /// Orders in any of these currencies; in any, if empty.
    pub(crate) currencies: BTreeSet<String>,
    /// Orders placed on any of these days of the week in the shop's time zone; on any, if empty.
    pub(crate) weekdays: BTreeSet<Weekday>,
    /// Orders whose goods cost at least so much; minor units and currency.
    pub(crate) minimum: Option<(i64, String)>,
    /// The customer's so-manieth paid order.
    pub(crate) purchase: Option<Purchase>,
    /// Orders placed on the customer's birthday.
    pub(crate) birthday: bool,
    /// Orders of members of any of these tiers; of everybody, if empty.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) tiers: BTreeSet<String>,
    /// Orders of members of any of these plans; of everybody, if empty.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) plans: BTreeSet<String>,
}

/// Which of a customer's paid orders, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Purchase {
    /// That one.
    Nth(u32),
    /// Each whose number is a multiple.
    Every(u32),
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// A value of a rule that is out of its bounds: its field and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    pub(crate) field: &'static str,
    pub(crate) problem: &'static str,
}

impl Definition {
    /// Checks every bound, and that the parts go together.
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        let of_orders = self.trigger == Trigger::Order;
        text(&self.group).map_err(|problem| Invalid { field: "group", problem })?;
        if let Trigger::Event(name) = &self.trigger {
            text(name).map_err(|problem| Invalid { field: "event", problem })?;
        }
        match self.effect {
            Effect::Rate(_) | Effect::Multiplier(_) if !of_orders => {
                return invalid("effect", "must be a bonus if it is not for orders");
            }
            Effect::Multiplier(times)
                if !(Rate::SCALE + 1..=MOST_TIMES * Rate::SCALE).contains(&times.ten_thousandths()) =>
            {
                return invalid("multiplier", "must be above 1 and at most 100");
            }
            Effect::Bonus(points) if !(1..=MOST_BONUS).contains(&points) => {
                return invalid("bonus", "must be 1 to 10,000,000 points");
            }
            Effect::Rate(_) | Effect::Multiplier(_) | Effect::Bonus(_) => {}
        }
        if !of_orders && self.conditions != Conditions::default() {
            return invalid("conditions", "are for orders only");
        }
        if !(-1_000..=1_000).contains(&self.priority) {
            return invalid("priority", "must be -1,000 to 1,000");
        }
        self.check_limit(of_orders)?;
        self.conditions.validate()
    }

    fn check_limit(&self, of_orders: bool) -> Result<(), Invalid> {
        match self.limit {
            Some(_) if of_orders => {
                invalid("limit", "is for events only: orders have the number of the purchase")
            }
            Some(limit) if !(1..=1_000).contains(&limit.times) => {
                invalid("limit", "must be 1 to 1,000 times")
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Conditions {
    /// Checks every bound.
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        let lists = [
            ("categories", &self.categories),
            ("skus", &self.skus),
            ("currencies", &self.currencies),
            ("tiers", &self.tiers),
            ("plans", &self.plans),
        ];
        for (field, values) in lists {
            if values.len() > MOST_VALUES {
                return invalid(field, "must be 500 at most");
            }
            values.iter().try_for_each(|value| text(value)).map_err(|problem| Invalid { field, problem })?;
        }
        if !self.currencies.iter().all(|code| code.parse::<Currency>().is_ok()) {
            return invalid("currencies", "must be ISO 4217 currencies with 0, 2 or 3 decimals");
        }
        match self.purchase {
            Some(Purchase::Nth(number) | Purchase::Every(number)) if !(1..=10_000).contains(&number) => {
                invalid("purchase", "must be 1 to 10,000")
            }
            _ => Ok(()),
        }
    }
}

impl Period {
    /// The name of the period that has `day`.
    pub(crate) fn name(self, day: NaiveDate) -> String {
        match self {
            Self::Day => day.to_string(),
            Self::Month => format!("{:04}-{:02}", day.year(), day.month()),
            Self::Year => format!("{:04}", day.year()),
            Self::Ever => "ever".to_owned(),
        }
    }
}

impl Purchase {
    /// Whether it is the order of this number.
    pub(crate) fn is(self, number: u32) -> bool {
        match self {
            Self::Nth(which) => number == which,
            Self::Every(step) => number.checked_rem(step) == Some(0),
        }
    }
}

impl From<chrono::Weekday> for Weekday {
    fn from(day: chrono::Weekday) -> Self {
        match day {
            chrono::Weekday::Mon => Self::Monday,
            chrono::Weekday::Tue => Self::Tuesday,
            chrono::Weekday::Wed => Self::Wednesday,
            chrono::Weekday::Thu => Self::Thursday,
            chrono::Weekday::Fri => Self::Friday,
            chrono::Weekday::Sat => Self::Saturday,
            chrono::Weekday::Sun => Self::Sunday,
        }
    }
}

/// 1 to 100 characters, none of them a control character.
pub(crate) fn text(text: &str) -> Result<(), &'static str> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > 100 || text.chars().any(char::is_control) {
        return Err("must be 1 to 100 characters");
    }
    Ok(())
}

fn invalid(field: &'static str, problem: &'static str) -> Result<(), Invalid> {
    Err(Invalid { field, problem })
}
