//! What staff see of rules.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::{Instant, earning_rule, earning_rule_version};

use super::inputs::{EarningCombination, EarningLimitPeriod, EarningTrigger, EarningWeekday};
use super::loaders::{RuleLoader, VersionsOf};
use crate::app::App;
use crate::earning::definition::{Conditions, Definition, Effect, Limit, Purchase, Trigger};
use crate::earning::versions::{State, state};
use crate::error::Fault;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::scalars::MoneyValue;
use crate::money::{Currency, Money, Rate};
use crate::points::amount::Points;

/// Where a version of a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "State")]
pub(super) enum EarningRuleState {
    /// It can still be changed.
    Draft,
    /// It will be in force.
    Scheduled,
    /// It is in force.
    Published,
    /// It is not in force any more, or never was.
    Retired,
}

/// A rule by which points are earned, with every version there was.
#[derive(Debug)]
pub(super) struct EarningRule(pub(super) earning_rule::Model);

#[Object]
impl EarningRule {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::EarningRule, self.0.id)
    }

    /// The shop's name for it; entries of the ledger name it by this.
    async fn code(&self) -> &str {
        &self.0.code
    }

    /// When it was first drafted.
    async fn created_at(&self) -> Instant {
        self.0.created_at
    }

    /// All versions, the newest first.
    async fn versions(&self, ctx: &Context<'_>) -> Result<Vec<EarningRuleVersion>, ApiError> {
        let now = ctx.data_unchecked::<App>().clock.now();
        let loader = ctx.data_unchecked::<DataLoader<RuleLoader>>();
        let found = loader.load_one(VersionsOf(self.0.id)).await;
        let rows = found.map_err(|kind| ApiError::Fault(Fault::of(kind)))?.unwrap_or_default();
        rows.into_iter().map(|row| EarningRuleVersion::read(row, now)).collect()
    }
}

/// A version of a rule. Once published it does not change, only end.
#[derive(Debug)]
pub(super) struct EarningRuleVersion {
    row: earning_rule_version::Model,
    definition: Definition,
    now: Instant,
}

impl EarningRuleVersion {
    pub(super) fn read(row: earning_rule_version::Model, now: Instant) -> Result<Self, ApiError> {
        let definition = serde_json::from_value(row.definition.clone())?;
        Ok(Self { row, definition, now })
    }
}

#[Object]
impl EarningRuleVersion {
    /// From 1 without gaps.
    async fn version(&self) -> i32 {
        self.row.version
    }

    /// As customers read it.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// Where it is now.
    async fn state(&self) -> EarningRuleState {
        state(&self.row, self.now).into()
    }

    /// What makes it give points.
    async fn trigger(&self) -> EarningTrigger {
        match self.definition.trigger {
            Trigger::Order => EarningTrigger::Order,
            Trigger::Joining => EarningTrigger::Joining,
            Trigger::Birthday => EarningTrigger::Birthday,
            Trigger::Referrer => EarningTrigger::Referrer,
            Trigger::Referred => EarningTrigger::Referred,
            Trigger::Event(_) => EarningTrigger::Event,
        }
    }

    /// The name of the event that it is for.
    async fn event(&self) -> Option<&str> {
        match &self.definition.trigger {
            Trigger::Event(name) => Some(name),
            _ => None,
        }
    }

    /// Points per whole currency unit, in place of the programme's rate.
    async fn rate(&self) -> Option<Rate> {
        match self.definition.effect {
            Effect::Rate(rate) => Some(rate),
            Effect::Multiplier(_) | Effect::Bonus(_) => None,
        }
    }

    /// So many times the points of the rate in force.
    async fn multiplier(&self) -> Option<Rate> {
        match self.definition.effect {
            Effect::Multiplier(times) => Some(times),
            Effect::Rate(_) | Effect::Bonus(_) => None,
        }
    }

    /// So many points.
    async fn bonus(&self) -> Result<Option<Points>, ApiError> {
        match self.definition.effect {
            Effect::Bonus(points) => Ok(Some(Points::try_from(i64::from(points))?)),
            Effect::Rate(_) | Effect::Multiplier(_) => Ok(None),
        }
    }

    /// Rules of one group can stand in for each other.
    async fn group(&self) -> &str {
        &self.definition.group
    }

    /// How it goes with others of its group.
    async fn combination(&self) -> EarningCombination {
        self.definition.combination.into()
    }

    /// The higher goes first where only one can give.
    async fn priority(&self) -> i32 {
        self.definition.priority
    }

    /// How often one customer may have it; without end, if null.
    async fn limit(&self) -> Option<EarningLimit> {
        self.definition.limit.map(|Limit { times, per }| EarningLimit { times, per: per.into() })
    }

    /// Which orders it is for, and which of their lines.
    async fn conditions(&self) -> Result<EarningConditions, ApiError> {
        EarningConditions::of(&self.definition.conditions)
    }

    /// When it was drafted or last changed as a draft.
    async fn drafted_at(&self) -> Instant {
        self.row.drafted_at
    }

    /// When it was published.
    async fn published_at(&self) -> Option<Instant> {
        self.row.published_at
    }

    /// From when on it is in force.
    async fn effective_from(&self) -> Option<Instant> {
        self.row.effective_from
    }

    /// From when on it is not any more; where it began, if it never came.
    async fn effective_until(&self) -> Option<Instant> {
        self.row.effective_until
    }
}

/// How often one customer may have what a rule gives.
#[derive(Debug, SimpleObject)]
pub(super) struct EarningLimit {
    /// So often.
    times: i32,
    /// Within each of these.
    per: EarningLimitPeriod,
}

/// Which orders a rule is for, and which of their lines.
#[derive(Debug, SimpleObject)]
pub(crate) struct EarningConditions {
    /// Lines of any of these categories; of all, if empty.
    categories: Vec<String>,
    /// Lines with any of these skus; with any, if empty.
    skus: Vec<String>,
    /// Orders in any of these currencies; in any, if empty.
    currencies: Vec<Currency>,
    /// Orders placed on any of these days; on any, if empty.
    weekdays: Vec<EarningWeekday>,
    /// Orders whose lines add up to at least so much.
    minimum: Option<MoneyValue>,
    /// The customer's paid order of this number; orders that were cancelled after they were paid are counted too.
    nth_purchase: Option<i32>,
    /// Every so-manieth paid order of the customer.
    every_nth_purchase: Option<i32>,
    /// Only orders placed on the customer's birthday.
    birthday: bool,
    /// Only orders of members who have any of these tiers, by code, when the order is paid.
    tiers: Vec<String>,
    /// Only orders of members of any of these plans, by code, when the order is paid.
    plans: Vec<String>,
}

impl EarningConditions {
    /// As callers see them.
    pub(crate) fn of(conditions: &Conditions) -> Result<Self, ApiError> {
        let (nth, every) = match conditions.purchase {
            Some(Purchase::Nth(number)) => (Some(i32::try_from(number)?), None),
            Some(Purchase::Every(number)) => (None, Some(i32::try_from(number)?)),
            None => (None, None),
        };
        let currencies = conditions.currencies.iter().map(|code| code.parse());
        let minimum = conditions
            .minimum
            .as_ref()
            .map(|(minor, code)| Ok::<_, ApiError>(Money { minor: *minor, currency: code.parse()? }.into()));
        Ok(Self {
            categories: conditions.categories.iter().cloned().collect(),
            skus: conditions.skus.iter().cloned().collect(),
            currencies: currencies.collect::<Result<_, _>>()?,
            weekdays: conditions.weekdays.iter().copied().map(Into::into).collect(),
            minimum: minimum.transpose()?,
            nth_purchase: nth,
            every_nth_purchase: every,
            birthday: conditions.birthday,
            tiers: conditions.tiers.iter().cloned().collect(),
            plans: conditions.plans.iter().cloned().collect(),
        })
    }
}
