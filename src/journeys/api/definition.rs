//! What a journey does, over GraphQL: written and read in the same shape.

use async_graphql::{Enum, InputObject, SimpleObject};

use crate::consent::api::{ConsentPurpose, MessageChannel};
use crate::graphql::scalars::LocalTime;
use crate::journeys::definition::{Condition, Definition, Invalid, Step, Trigger, Wait};

/// What begins a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Trigger")]
pub(super) enum JourneyTrigger {
    /// An order is paid.
    OrderPaid,
    /// An order is on its way.
    OrderShipped,
    /// An order has arrived.
    OrderDelivered,
    /// A product that an order brought is used up: so many days after its delivery as the catalogue says.
    ProductUsedUp,
    /// Somebody put something in a cart, or took something out.
    CartTouched,
    /// It is a customer's birthday.
    Birthday,
    /// A customer rose to a tier.
    TierReached,
    /// A customer's tier will end.
    TierEnding,
    /// Points will end: once for each of the programme's warnings.
    PointsExpiring,
    /// There is news of a product that somebody owns: `productUpdateAnnounce`.
    ProductUpdated,
    /// A product that somebody waits for, for 90 days at most, can be bought.
    BackInStock,
    /// A membership was renewed.
    MembershipRenewed,
    /// A payment of a membership failed.
    MembershipPastDue,
    /// A customer made an account.
    CustomerRegistered,
}

/// A kind of condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum JourneyConditionKind {
    /// The order is the `number`-th of its buyer that was paid and not cancelled, counted from 1.
    OrderNumber,
    /// The order has a line of any of `skus` or `categories`.
    Bought,
    /// The order was not cancelled, and nothing of it came back.
    OrderKept,
    /// Nothing was bought since what began it. A newer order takes the place of the one that is waited for.
    NothingBoughtSince,
    /// Nobody of this identity, whether by account, by the address on an order or through staff, bought anything in `number`
    /// hours.
    NotBoughtFor,
    /// The cart has something in it, was not bought, and was not touched since.
    CartAbandoned,
    /// The customer is in any of `tiers`.
    InTier,
    /// The customer has no membership.
    NoMembership,
    /// A plan would have saved the customer more than its fee in the last 365 days.
    WouldHaveSaved,
    /// The customer has an account.
    Registered,
    /// This journey sent the person nothing in `number` days.
    NotSentFor,
}

/// Something that must hold.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "JourneyConditionInput")]
pub(super) struct JourneyCondition {
    /// What.
    kind: JourneyConditionKind,
    /// For kinds that have one: which order, 1 to 10,000; hours, 1 to 8,760; days, 1 to 3,650.
    number: Option<u32>,
    /// Of `BOUGHT`; with the categories at most 500.
    #[graphql(default)]
    skus: Vec<String>,
    /// Of `BOUGHT`.
    #[graphql(default)]
    categories: Vec<String>,
    /// Of `IN_TIER`: codes, at most 500.
    #[graphql(default)]
    tiers: Vec<String>,
}

/// How long a step waits by the customer's own rhythm of buying.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "JourneyRhythmInput")]
pub(super) struct JourneyRhythm {
    /// Per cent of the mean number of days between the customer's orders, 100 to 1,000.
    percent: u32,
    /// Days at least, from 1.
    least_days: u32,
    /// Days at most, up to 3,650; also for who ordered once.
    most_days: u32,
}

/// One message of a journey, and what it waits for: exactly one of `waitMinutes`, `waitDays` and `waitRhythm`.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "JourneyStepInput")]
pub(super) struct JourneyStep {
    /// Minutes from what began the journey, or from the message before; 10 years at most.
    wait_minutes: Option<u32>,
    /// Days of the calendar; 10 years at most.
    wait_days: Option<u32>,
    /// By the customer's rhythm of buying; of the first step of journeys that begin with a paid order.
    wait_rhythm: Option<JourneyRhythm>,
    /// Then at this time of the shop's clocks; at once, if left out.
    at: Option<LocalTime>,
    /// The code of its template, which is published for the purpose of the journey.
    template: String,
    /// The first of these by which the person may be and can be reached; 1 to 4.
    channels: Vec<MessageChannel>,
    /// The code of a coupon that it shows; of promotional journeys only.
    coupon: Option<String>,
    /// The code of a survey that it asks for: its template shows `survey_url`.
    survey: Option<String>,
}

/// What a journey does.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "JourneyDefinitionInput")]
pub(super) struct JourneyDefinition {
    /// What begins it.
    trigger: JourneyTrigger,
    /// What right its messages need; null, or left out, if they are transactional, which those of orders and memberships can
    /// be. `CARE` is of orders, `PRODUCT_UPDATES` and `BACK_IN_STOCK` of what they are named after, and `PROGRAMME` of tiers,
    /// points, memberships, registration, and paid orders with the condition `NOTHING_BOUGHT_SINCE`; the others need consent
    /// and are of any trigger.
    purpose: Option<ConsentPurpose>,
    /// All must hold, 20 at most. What cannot change any more is judged when it begins, the rest before each message.
    #[graphql(default)]
    conditions: Vec<JourneyCondition>,
    /// One after the other, 1 to 10.
    steps: Vec<JourneyStep>,
    /// Of two that are due for one person, that of the higher goes first; 0 to 1,000.
    #[graphql(default = 300)]
    priority: u32,
    /// The share of people who get nothing, to measure by; 0 to 50 per cent, 0 if transactional.
    #[graphql(default = 0)]
    holdout_percent: u32,
    /// Hours for which a message may be put off before it is of no use; 0 to 2,160.
    #[graphql(default = 336)]
    give_up_hours: u32,
}

impl JourneyDefinition {
    /// What was written, if it says what it must.
    pub(super) fn parse(self) -> Result<Definition, Invalid> {
        let conditions = self.conditions.into_iter().enumerate().map(|(index, one)| one.parse(index));
        let steps = self.steps.into_iter().enumerate().map(|(index, one)| one.parse(index));
        Ok(Definition {
            trigger: self.trigger.into(),
            purpose: self.purpose.map(Into::into),
            conditions: conditions.collect::<Result<_, _>>()?,
            steps: steps.collect::<Result<_, _>>()?,
            priority: self.priority,
            holdout_percent: self.holdout_percent,
            give_up_hours: self.give_up_hours,
        })
    }
}

impl From<Definition> for JourneyDefinition {
    fn from(definition: Definition) -> Self {
        Self {
            trigger: definition.trigger.into(),
            purpose: definition.purpose.map(Into::into),
            conditions: definition.conditions.into_iter().map(Into::into).collect(),
            steps: definition.steps.into_iter().map(Into::into).collect(),
            priority: definition.priority,
            holdout_percent: definition.holdout_percent,
            give_up_hours: definition.give_up_hours,
        }
    }
}

impl JourneyCondition {
    fn parse(self, index: usize) -> Result<Condition, Invalid> {
        use JourneyConditionKind as Kind;
        let number = self.number.ok_or_else(|| {
            Invalid::new(&["conditions", &index.to_string(), "number"], "must be given for this kind")
        });
        Ok(match self.kind {
            Kind::OrderNumber => Condition::OrderNumber(number?),
            Kind::Bought => Condition::Bought {
                skus: self.skus.into_iter().collect(),
                categories: self.categories.into_iter().collect(),
            },
            Kind::OrderKept => Condition::OrderKept,
            Kind::NothingBoughtSince => Condition::NothingBoughtSince,
            Kind::NotBoughtFor => Condition::NotBoughtFor(number?),
            Kind::CartAbandoned => Condition::CartAbandoned,
            Kind::InTier => Condition::InTier(self.tiers.into_iter().collect()),
            Kind::NoMembership => Condition::NoMembership,
            Kind::WouldHaveSaved => Condition::WouldHaveSaved,
            Kind::Registered => Condition::Registered,
            Kind::NotSentFor => Condition::NotSentFor(number?),
        })
    }
}

impl From<Condition> for JourneyCondition {
    fn from(condition: Condition) -> Self {
        use JourneyConditionKind as Kind;
        let bare =
            |kind| Self { kind, number: None, skus: Vec::new(), categories: Vec::new(), tiers: Vec::new() };
        let numbered = |kind, number| Self { number: Some(number), ..bare(kind) };
        match condition {
            Condition::OrderNumber(number) => numbered(Kind::OrderNumber, number),
            Condition::Bought { skus, categories } => Self {
                skus: skus.into_iter().collect(),
                categories: categories.into_iter().collect(),
                ..bare(Kind::Bought)
            },
            Condition::OrderKept => bare(Kind::OrderKept),
            Condition::NothingBoughtSince => bare(Kind::NothingBoughtSince),
            Condition::NotBoughtFor(hours) => numbered(Kind::NotBoughtFor, hours),
            Condition::CartAbandoned => bare(Kind::CartAbandoned),
            Condition::InTier(tiers) => Self { tiers: tiers.into_iter().collect(), ..bare(Kind::InTier) },
            Condition::NoMembership => bare(Kind::NoMembership),
            Condition::WouldHaveSaved => bare(Kind::WouldHaveSaved),
            Condition::Registered => bare(Kind::Registered),
            Condition::NotSentFor(days) => numbered(Kind::NotSentFor, days),
        }
    }
}

impl JourneyStep {
    fn parse(self, index: usize) -> Result<Step, Invalid> {
        let wait = match (self.wait_minutes, self.wait_days, self.wait_rhythm) {
            (Some(minutes), None, None) => Wait::Minutes(minutes),
            (None, Some(days), None) => Wait::Days(days),
            (None, None, Some(JourneyRhythm { percent, least_days, most_days })) => {
                Wait::Rhythm { percent, least: least_days, most: most_days }
            }
            _ => {
                return Err(Invalid::new(
                    &["steps", &index.to_string()],
                    "must have one of waitMinutes, waitDays and waitRhythm",
                ));
            }
        };
        Ok(Step {
            wait,
            at: self.at.map(|LocalTime(time)| time),
            template: self.template,
            channels: self.channels.into_iter().map(Into::into).collect(),
            coupon: self.coupon,
            survey: self.survey,
        })
    }
}

impl From<Step> for JourneyStep {
    fn from(step: Step) -> Self {
        let (mut wait_minutes, mut wait_days, mut wait_rhythm) = (None, None, None);
        match step.wait {
            Wait::Minutes(minutes) => wait_minutes = Some(minutes),
            Wait::Days(days) => wait_days = Some(days),
            Wait::Rhythm { percent, least, most } => {
                wait_rhythm = Some(JourneyRhythm { percent, least_days: least, most_days: most });
            }
        }
        Self {
            wait_minutes,
            wait_days,
            wait_rhythm,
            at: step.at.map(LocalTime),
            template: step.template,
            channels: step.channels.into_iter().map(Into::into).collect(),
            coupon: step.coupon,
            survey: step.survey,
        }
    }
}
