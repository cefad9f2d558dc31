//! Rules over GraphQL: drafting, publishing and retiring, trying a draft on the past, and explaining what was earned.

mod inputs;
mod loaders;
mod types;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::earning_rule::{Column, Entity};
use entity::id::EarningRuleId;
use sea_orm::EntityTrait;
use serde::Serialize;

use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::customers::api::note_read;
use crate::earning::definition::Invalid;
use crate::earning::versions::{self, Publish, Retire, RuleError};
use crate::earning::{backtest, explain};
use crate::error::Outcome;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::once::{once, written};
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::{IdempotencyKey, PointsTotal};
use crate::idempotency::Once;
use crate::tx::Tx;
pub(crate) use inputs::EarningConditionsInput;
use inputs::{EarningRuleDraftInput, EarningRulePublishInput, EarningRuleRetireInput};
pub use loaders::loader;
pub(crate) use types::EarningConditions;
use types::EarningRule;

/// Queries about rules.
#[derive(Debug, Default)]
pub struct EarningQuery;

/// Mutations of rules.
#[derive(Debug, Default)]
pub struct EarningMutation;

/// Why a rule was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum EarningRuleErrorCode {
    /// No such rule.
    NotFound,
    /// A value out of its bounds, or values that do not go together.
    Invalid,
    /// The rule has no draft to publish.
    NoDraft,
    /// Nothing of the rule is in force or to come.
    NotInForce,
    /// An instant that has passed.
    InThePast,
    /// There are 1000 rules: use one of those that are retired.
    TooManyRules,
}

/// A rule that was changed, or why it was not.
#[derive(Debug, SimpleObject)]
pub struct EarningRulePayload {
    /// The rule.
    rule: Option<EarningRule>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<EarningRuleErrorCode>>,
}

/// What a draft would have changed, had it been in force.
#[derive(Debug, SimpleObject)]
pub struct EarningRuleBacktest {
    /// Paid orders that were looked at, those placed last first, at most 20000.
    orders: i32,
    /// Whether there were more in that time.
    truncated: bool,
    /// Customers and guests whose points would differ.
    affected: i32,
    /// Points by the rules in force now.
    points_now: PointsTotal,
    /// Points with the draft in its rule's place.
    points_then: PointsTotal,
}

/// Why an account has what it has, told in one sentence.
#[derive(Debug, SimpleObject)]
pub struct PointsExplanation {
    /// For the customer to read, in English.
    text: String,
    /// The rule behind it, as customers read it.
    rule_name: Option<String>,
    /// The code of that rule.
    rule: Option<String>,
    /// The version of that rule.
    rule_version: Option<i32>,
}

#[Object]
impl EarningQuery {
    /// The rules by which points are earned, the newest first. For staff with `rules.write`.
    #[graphql(guard = "Allowed")]
    async fn earning_rules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<EarningRule>, ApiError> {
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, Entity::find(), Column::Id, arguments, |row| (row.id.0, EarningRule(row))).await
    }

    /// What the draft of a rule would have changed over the last days, had it been in force: the paid orders of that time
    /// earn by the rules in force now, with and without it. Writes nothing; null for what is no rule with a draft.
    /// For staff with `rules.write`.
    #[graphql(guard = "Allowed")]
    async fn earning_rule_backtest(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose draft.")] rule_id: ID,
        #[graphql(desc = "So many days back from now, 1 to 366.", default = 30)] days: i32,
    ) -> Result<Option<EarningRuleBacktest>, ApiError> {
        let Some(days) = u32::try_from(days).ok().filter(|days| (1..=366).contains(days)) else {
            return Err(ApiError::bad_input("days must be 1 to 366"));
        };
        let Some(rule) = local_id(&rule_id, NodeType::EarningRule) else { return Ok(None) };
        let app = ctx.data_unchecked::<App>();
        let found = backtest::run(app, rule, days).await?;
        found.as_ref().map(EarningRuleBacktest::of).transpose()
    }

    /// Why points moved, in a sentence for the customer; null for no entry of the caller's. For the customer, shop keys with `customers:read`, staff with `customers.read`.
    #[graphql(guard = "Allowed")]
    async fn explain_points(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The entry of the ledger.")] entry_id: ID,
    ) -> Result<Option<PointsExplanation>, ApiError> {
        let Some(entry) = local_id(&entry_id, NodeType::PointsEntry) else { return Ok(None) };
        let app = ctx.data_unchecked::<App>();
        let Some(told) = explain::entry(app, ctx.data_unchecked::<Viewer>(), entry).await? else {
            return Ok(None);
        };
        if let Some(owner) = told.owner {
            note_read(ctx, owner);
        }
        let explain::Told { text, rule_name, rule, rule_version, .. } = told;
        Ok(Some(PointsExplanation { text, rule_name, rule, rule_version }))
    }
}

impl EarningRuleBacktest {
    fn of(found: &backtest::Found) -> Result<Self, ApiError> {
        Ok(Self {
            orders: i32::try_from(found.orders)?,
            truncated: found.truncated,
            affected: i32::try_from(found.affected)?,
            points_now: PointsTotal(found.now),
            points_then: PointsTotal(found.then),
        })
    }
}

#[Object]
impl EarningMutation {
    /// Writes the draft of a rule, of a new one or the next version of one there is. For staff with `rules.write`.
    #[graphql(guard = "Allowed")]
    async fn earning_rule_draft(
        &self,
        ctx: &Context<'_>,
        input: EarningRuleDraftInput,
    ) -> Result<EarningRulePayload, ApiError> {
        let key = input.idempotency_key.clone();
        match input.parse() {
            Ok(draft) => write(ctx, "earningRuleDraft", key, &draft, versions::draft).await,
            Err(invalid) => Ok(EarningRulePayload::refused(RuleError::Invalid(invalid))),
        }
    }

    /// Publishes the draft of a rule, at once or at a later instant. Orders earn by the rules in force when they were
    /// placed, so that nothing that was earned changes. For staff with `rules.write` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn earning_rule_publish(
        &self,
        ctx: &Context<'_>,
        input: EarningRulePublishInput,
    ) -> Result<EarningRulePayload, ApiError> {
        let rule = local_id(&input.rule_id, NodeType::EarningRule);
        let publish = Publish { rule, from: input.from, until: input.until };
        write(ctx, "earningRulePublish", input.idempotency_key, &publish, versions::publish).await
    }

    /// Ends what is in force of a rule and what is to come of it. For staff with `rules.write` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn earning_rule_retire(
        &self,
        ctx: &Context<'_>,
        input: EarningRuleRetireInput,
    ) -> Result<EarningRulePayload, ApiError> {
        let retire = Retire { rule: local_id(&input.rule_id, NodeType::EarningRule), at: input.at };
        write(ctx, "earningRuleRetire", input.idempotency_key, &retire, versions::retire).await
    }
}

/// Changes a rule once for the caller's key, and shows it.
async fn write<C: Serialize>(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    command: &C,
    work: impl AsyncFn(&Tx, &C) -> Outcome<EarningRuleId, RuleError>,
) -> Result<EarningRulePayload, ApiError> {
    match once(ctx, operation, key, command, work).await? {
        Ok(Once { value, replayed }) => {
            let rule = Some(EarningRule(written::<Entity>(ctx, value).await?));
            Ok(EarningRulePayload { rule, replayed, user_errors: Vec::new() })
        }
        Err(reason) => Ok(EarningRulePayload::refused(reason)),
    }
}

impl EarningRulePayload {
    fn refused(reason: RuleError) -> Self {
        use EarningRuleErrorCode as Code;
        let (code, field, message) = match reason {
            RuleError::NotFound => (Code::NotFound, "ruleId", "There is no such rule.".to_owned()),
            RuleError::Invalid(Invalid { field, problem }) => {
                (Code::Invalid, field, format!("{field} {problem}."))
            }
            RuleError::NoDraft => (Code::NoDraft, "ruleId", "The rule has no draft.".to_owned()),
            RuleError::NotInForce => {
                (Code::NotInForce, "ruleId", "Nothing of the rule is in force or to come.".to_owned())
            }
            RuleError::InThePast { field } => (Code::InThePast, field, format!("{field} has passed.")),
            RuleError::EndsBeforeItBegins => {
                (Code::Invalid, "until", "until must be later than from.".to_owned())
            }
            RuleError::TooMany => (Code::TooManyRules, "code", "There are 1000 rules.".to_owned()),
        };
        let field = Some(vec!["input".to_owned(), field.to_owned()]);
        Self { rule: None, replayed: false, user_errors: vec![UserError { code, field, message }] }
    }
}
