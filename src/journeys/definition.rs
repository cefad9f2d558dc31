//! What a journey is: what begins it, what must hold, and what is sent when. Data that staff write and versions keep.

use std::collections::BTreeSet;

use chrono::{NaiveTime, TimeDelta};
use entity::consent::Purpose;
use entity::message::Channel;
use serde::{Deserialize, Serialize};

use crate::messages::class::{Class, Kind};

/// Steps of one journey.
const MOST_STEPS: usize = 10;
/// Conditions of one journey or step.
const MOST_CONDITIONS: usize = 20;
/// Values of one condition.
const MOST_VALUES: usize = 500;
/// The longest wait before a step.
const LONGEST_WAIT: TimeDelta = TimeDelta::days(3_650);

/// A journey, as one version has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Definition {
    /// What begins it.
    pub(crate) trigger: Trigger,
    /// What right its messages need; transactional, if none.
    pub(crate) purpose: Option<Purpose>,
    /// All must hold. What cannot change any more is judged when it begins, the rest before each message.
    pub(crate) conditions: Vec<Condition>,
    /// One after the other.
    pub(crate) steps: Vec<Step>,
    /// Of two that are due for one person, that of the higher goes first; 0 to 1,000.
    pub(crate) priority: u32,
    /// The share of people who get nothing, to measure by; 0 to 50 per cent.
    pub(crate) holdout_percent: u32,
    /// Hours for which a message may be put off; 0 to 2,160.
    pub(crate) give_up_hours: u32,
}

/// What begins a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Trigger {
    /// An order is paid.
    OrderPaid,
    /// An order is on its way.
    OrderShipped,
    /// An order has arrived.
    OrderDelivered,
    /// A product that an order brought is used up.
    ProductUsedUp,
    /// Somebody put something in a cart, or took something out.
    CartTouched,
    /// It is a customer's birthday.
    Birthday,
    /// A customer rose to a tier.
    TierReached,
    /// A customer's tier will end.
    TierEnding,
    /// Points will end.
    PointsExpiring,
    /// There is news of a product that somebody owns.
    ProductUpdated,
    /// A product that somebody waits for can be bought.
    BackInStock,
    /// A membership was renewed.
    MembershipRenewed,
    /// A payment of a membership failed.
    MembershipPastDue,
    /// A customer made an account.
    CustomerRegistered,
}

impl Trigger {
    /// Whether what begins it is an order.
    pub(crate) fn has_order(self) -> bool {
        matches!(self, Self::OrderPaid | Self::OrderShipped | Self::OrderDelivered | Self::ProductUsedUp)
    }
}

/// What must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Condition {
    /// The order is the so-manieth of its buyer that was paid and not cancelled, counted from 1.
    OrderNumber(u32),
    /// The order has a line of any of these products or categories.
    Bought {
        /// Skus.
        #[serde(default)]
        skus: BTreeSet<String>,
        /// Categories.
        #[serde(default)]
        categories: BTreeSet<String>,
    },
    /// The order was not cancelled, and nothing of it came back.
    OrderKept,
    /// Nothing was bought since what began it.
    NothingBoughtSince,
    /// Nobody of this identity, whether by account, address or staff, bought anything in so many hours.
    NotBoughtFor(u32),
    /// The cart has something in it, was not bought, and was not touched since.
    CartAbandoned,
    /// The customer is in any of these tiers.
    InTier(BTreeSet<String>),
    /// The customer has no membership.
    NoMembership,
    /// A plan would have saved the customer more than its fee in the last 365 days.
    WouldHaveSaved,
    /// The customer has an account.
    Registered,
    /// This journey sent the person nothing in so many days.
    NotSentFor(u32),
}

impl Condition {
    /// Whether it cannot change once the journey began.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self, Self::OrderNumber(_) | Self::Bought { .. })
    }

    fn needs_order(&self) -> bool {
        matches!(self, Self::OrderNumber(_) | Self::Bought { .. } | Self::OrderKept)
    }

    fn problem(&self, trigger: Trigger) -> Option<&'static str> {
        if self.needs_order() && !trigger.has_order() {
            return Some("is of journeys that begin with an order");
        }
        match self {
            Self::CartAbandoned if trigger != Trigger::CartTouched => {
                Some("is of journeys that begin with a cart")
            }
            Self::OrderNumber(number) if !(1..=10_000).contains(number) => Some("must be 1 to 10,000"),
            Self::NotBoughtFor(hours) if !(1..=8_760).contains(hours) => Some("must be 1 to 8,760 hours"),
            Self::NotSentFor(days) if !(1..=3_650).contains(days) => Some("must be 1 to 3,650 days"),
            Self::Bought { skus, categories } if skus.is_empty() && categories.is_empty() => {
                Some("names nothing")
            }
            Self::Bought { skus, categories } if skus.len() + categories.len() > MOST_VALUES => {
                Some("names more than 500")
            }
            Self::InTier(tiers) if tiers.is_empty() || tiers.len() > MOST_VALUES => {
                Some("must name 1 to 500")
            }
            _ => None,
        }
    }
}

/// One message, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Step {
    /// From what began the journey, or from the message before.
    pub(crate) wait: Wait,
    /// Then at this time of the shop's clocks; at once, if none.
    pub(crate) at: Option<NaiveTime>,
    /// The code of its template.
    pub(crate) template: String,
    /// The first by which the person may be and can be reached.
    pub(crate) channels: Vec<Channel>,
    /// The code of a coupon that it shows; of promotional journeys only.
    #[serde(default)]
    pub(crate) coupon: Option<String>,
    /// The code of a survey that it asks for.
    #[serde(default)]
    pub(crate) survey: Option<String>,
}

/// How long a step waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Wait {
    /// So many minutes.
    Minutes(u32),
    /// So many days of the calendar.
    Days(u32),
    /// Until the customer's own rhythm of buying would have brought another order: so many per cent of the mean number of
    /// days between orders, within bounds; the upper bound for who ordered once. Of the first step only.
    Rhythm {
        /// 100 to 1,000.
        percent: u32,
        /// Days at least.
        least: u32,
        /// Days at most.
        most: u32,
    },
}

/// What is wrong with a definition: the path to it, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    pub(crate) path: Vec<String>,
    pub(crate) problem: &'static str,
}

impl Invalid {
    pub(crate) fn new(path: &[&str], problem: &'static str) -> Self {
        Self { path: path.iter().map(|part| (*part).to_owned()).collect(), problem }
    }

    pub(crate) fn of_step(index: usize, field: &str, problem: &'static str) -> Self {
        Self::new(&["steps", &index.to_string(), field], problem)
    }
}

impl Definition {
    /// What its messages may hold.
    pub(crate) fn class(&self) -> Class {
        Class::of(self.purpose)
    }

    /// Checks everything that needs no database.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        if self.priority > 1_000 {
            return Err(Invalid::new(&["priority"], "must be 0 to 1,000"));
        }
        if self.holdout_percent > 50 {
            return Err(Invalid::new(&["holdoutPercent"], "must be 0 to 50"));
        }
        if self.class() == Class::Transactional && self.holdout_percent > 0 {
            return Err(Invalid::new(&["holdoutPercent"], "must be 0: what is transactional is always sent"));
        }
        if self.give_up_hours > 2_160 {
            return Err(Invalid::new(&["giveUpHours"], "must be 0 to 2,160"));
        }
        self.check_purpose()?;
        if self.conditions.len() > MOST_CONDITIONS {
            return Err(Invalid::new(&["conditions"], "must be 20 at most"));
        }
        for (index, condition) in self.conditions.iter().enumerate() {
            if let Some(problem) = condition.problem(self.trigger) {
                return Err(Invalid::new(&["conditions", &index.to_string()], problem));
            }
        }
        if self.steps.is_empty() || self.steps.len() > MOST_STEPS {
            return Err(Invalid::new(&["steps"], "must be 1 to 10"));
        }
        self.steps.iter().enumerate().try_for_each(|(index, step)| self.check_step(index, step))
    }

    /// What may be told by which right: a right that needs no consent is for what it is about, and for nothing else.
    fn check_purpose(&self) -> Result<(), Invalid> {
        use Trigger::{
            BackInStock, CustomerRegistered, MembershipPastDue, MembershipRenewed, OrderDelivered, OrderPaid,
            OrderShipped, PointsExpiring, ProductUpdated, TierEnding, TierReached,
        };
        let of_membership = matches!(self.trigger, MembershipRenewed | MembershipPastDue);
        let of_order = matches!(self.trigger, OrderPaid | OrderShipped | OrderDelivered);
        let (fits, problem) = match self.purpose {
            None => (of_order || of_membership, "must be given: this is no part of an order or a membership"),
            Some(Purpose::Care) => {
                (of_order, "is the right to tell of something bought, and of nothing else")
            }
            Some(Purpose::ProductUpdates) => (
                self.trigger == ProductUpdated,
                "is the right to tell owners of updates, and of nothing else",
            ),
            Some(Purpose::Programme) => (
                matches!(self.trigger, TierReached | TierEnding | PointsExpiring | CustomerRegistered)
                    || of_membership
                    || self.is_about_silence(),
                "is the right to tell of points, tiers, memberships and the standing of the account, and of nothing else",
            ),
            Some(Purpose::BackInStock) => (
                self.trigger == BackInStock,
                "is the right to tell of what somebody waits for, and of nothing else",
            ),
            // Whoever gets these said yes to them.
            Some(Purpose::Newsletter | Purpose::Offers | Purpose::Reminders) => return Ok(()),
        };
        if fits { Ok(()) } else { Err(Invalid::new(&["purpose"], problem)) }
    }

    /// Whether it tells of a record that nothing was bought by for long.
    fn is_about_silence(&self) -> bool {
        self.trigger == Trigger::OrderPaid && self.conditions.contains(&Condition::NothingBoughtSince)
    }

    fn check_step(&self, index: usize, step: &Step) -> Result<(), Invalid> {
        let invalid = |field, problem| Err(Invalid::of_step(index, field, problem));
        if step.channels.is_empty() || step.channels.len() > 4 {
            return invalid("channels", "must be 1 to 4");
        }
        if step.channels.iter().collect::<BTreeSet<_>>().len() < step.channels.len() {
            return invalid("channels", "has one twice");
        }
        if step.coupon.is_some() && !self.class().may_promote() {
            return invalid("coupon", "is of promotional journeys only");
        }
        match step.wait {
            Wait::Minutes(minutes) if TimeDelta::minutes(minutes.into()) > LONGEST_WAIT => {
                invalid("wait", "must be 10 years at most")
            }
            Wait::Days(days) if TimeDelta::days(days.into()) > LONGEST_WAIT => {
                invalid("wait", "must be 10 years at most")
            }
            Wait::Rhythm { .. } if index > 0 || self.trigger != Trigger::OrderPaid => {
                invalid("wait", "by rhythm is of the first step of journeys that begin with a paid order")
            }
            Wait::Rhythm { percent, least, most }
                if !(100..=1_000).contains(&percent) || least == 0 || least > most || most > 3_650 =>
            {
                invalid("wait", "by rhythm must be 100 to 1,000 per cent, within 1 to 3,650 days")
            }
            Wait::Minutes(_) | Wait::Days(_) | Wait::Rhythm { .. } => Ok(()),
        }
    }
}

/// Whether messages of a class are about something that was delivered, and only for so long.
pub(crate) fn has_window(class: Class) -> bool {
    class == Class::Service(Kind::Care)
}
