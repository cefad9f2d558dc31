//! Packing rules over GraphQL.

#![expect(clippy::unused_async, reason = "async-graphql takes no resolver that is not async")]

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::order;
use entity::packing_rule::{Column, Entity, Model};
use sea_orm::EntityTrait;
use serde::Deserialize;

use super::attach::Instruction;
use super::rules::{self, PackingError, Upsert};
use crate::auth::viewer::Viewer;
use crate::earning::Invalid;
use crate::earning::api::{EarningConditions, EarningConditionsInput};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::once::{once, written};
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::localized::{Texts, by_tag};

/// What is to be packed with an order, as it was when the order was recorded.
#[derive(Debug, SimpleObject)]
pub struct PackingInstruction {
    /// The code of the rule.
    rule: String,
    /// What to do, in the order's language if the rule has that, else in the shop's, else in the first by tag.
    text: String,
}

/// What an order is packed with, for the shop only: gifts are a surprise.
pub(crate) fn instructions_of(
    ctx: &Context<'_>,
    order: &order::Model,
) -> Result<Vec<PackingInstruction>, ApiError> {
    let is_shop = matches!(ctx.data_opt(), Some(Viewer::Shop { .. } | Viewer::Staff { .. }));
    let Some(stored) = order.packing.as_ref().filter(|_| is_shop) else { return Ok(Vec::new()) };
    let stored: Vec<Instruction> = Vec::deserialize(stored)?;
    Ok(stored.into_iter().map(|Instruction { rule, text }| PackingInstruction { rule, text }).collect())
}

/// A text in one language.
#[derive(Debug, SimpleObject, InputObject)]
#[graphql(input_name = "PackingTextInput")]
pub(super) struct PackingText {
    /// A language tag, such as `nl` or `nl-BE`.
    locale: String,
    /// 1 to 2000 characters; line breaks may be in it.
    text: String,
}

/// What the shop packs with orders that meet its conditions.
#[derive(Debug)]
pub(super) struct PackingRule(Model);

#[Object]
impl PackingRule {
    /// The shop's; unique.
    async fn code(&self) -> &str {
        &self.0.code
    }

    /// What to do, by language tag.
    async fn texts(&self) -> Result<Vec<PackingText>, ApiError> {
        let texts: Texts = serde_json::from_value(self.0.texts.clone())?;
        Ok(texts.into_iter().map(|(locale, text)| PackingText { locale, text }).collect())
    }

    /// Which orders it is for: all must hold.
    async fn conditions(&self) -> Result<EarningConditions, ApiError> {
        EarningConditions::of(&serde_json::from_value(self.0.conditions.clone())?)
    }

    /// For orders placed from then on; always, if null.
    async fn starts_at(&self) -> Option<Instant> {
        self.0.starts_at
    }

    /// For orders placed before; without end, if null.
    async fn ends_at(&self) -> Option<Instant> {
        self.0.ends_at
    }

    /// Whether it is for any order at all.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// When it was last changed.
    async fn updated_at(&self) -> Instant {
        self.0.updated_at
    }
}

/// A packing rule to make or change, by its code.
#[derive(Debug, InputObject)]
pub(super) struct PackingRuleUpsertInput {
    /// The shop's, 1 to 60 of a-z, 0-9 and `-`.
    code: String,
    /// What to do, in 1 to 20 languages, each once.
    texts: Vec<PackingText>,
    /// Which orders it is for; all, if left out. An order is looked at when it is recorded: as the buyer's next paid order,
    /// with the tier that the buyer has then. Conditions on lines hold if one line meets all of them.
    conditions: Option<EarningConditionsInput>,
    /// For orders placed from then on; always, if left out.
    starts_at: Option<Instant>,
    /// For orders placed before; without end, if left out.
    ends_at: Option<Instant>,
    /// Whether it is for any order at all.
    #[graphql(default = true)]
    active: bool,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Why a packing rule was not stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PackingRuleErrorCode {
    /// A value out of its bounds, or values that do not go together.
    Invalid,
    /// There are 200 rules: use one of those that are not active.
    TooManyRules,
}

/// A packing rule that was stated, or why not.
#[derive(Debug, SimpleObject)]
pub(super) struct PackingRulePayload {
    /// The rule.
    rule: Option<PackingRule>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<PackingRuleErrorCode>>,
}

/// Queries about packing rules.
#[derive(Debug, Default)]
pub struct PackingQuery;

/// Mutations of packing rules.
#[derive(Debug, Default)]
pub struct PackingMutation;

#[Object]
impl PackingQuery {
    /// What the shop packs with orders, the newest rule first. For staff with `coupons.write`.
    #[graphql(guard = "Allowed")]
    async fn packing_rules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<PackingRule>, ApiError> {
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, Entity::find(), Column::Id, arguments, |row| (row.id.0, PackingRule(row))).await
    }
}

#[Object]
impl PackingMutation {
    /// Makes or changes a rule of what is packed with orders; those that are recorded already stay as they are. For staff with `coupons.write`.
    #[graphql(guard = "Allowed")]
    async fn packing_rule_upsert(
        &self,
        ctx: &Context<'_>,
        input: PackingRuleUpsertInput,
    ) -> Result<PackingRulePayload, ApiError> {
        let key = input.idempotency_key.clone();
        let upsert = match input.parse() {
            Ok(upsert) => upsert,
            Err(invalid) => return Ok(PackingRulePayload::refused(PackingError::Invalid(invalid))),
        };
        match once(ctx, "packingRuleUpsert", key, &upsert, rules::upsert).await? {
            Ok(Once { value, replayed }) => {
                let rule = Some(PackingRule(written::<Entity>(ctx, value).await?));
                Ok(PackingRulePayload { rule, replayed, user_errors: Vec::new() })
            }
            Err(error) => Ok(PackingRulePayload::refused(error)),
        }
    }
}

impl PackingRuleUpsertInput {
    fn parse(self) -> Result<Upsert, Invalid> {
        let texts = by_tag(self.texts.into_iter().map(|text| (text.locale, text.text)));
        Ok(Upsert {
            code: self.code,
            texts: texts
                .ok_or(Invalid { field: "texts", problem: "must each have a language of their own" })?,
            conditions: self.conditions.unwrap_or_default().parse()?,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            active: self.active,
        })
    }
}

impl PackingRulePayload {
    fn refused(error: PackingError) -> Self {
        let (code, field, message) = match error {
            PackingError::Invalid(Invalid { field, problem }) => {
                (PackingRuleErrorCode::Invalid, field, format!("{field} {problem}."))
            }
            PackingError::TooMany => {
                (PackingRuleErrorCode::TooManyRules, "code", "There are 200 rules already.".to_owned())
            }
        };
        let field = Some(vec!["input".to_owned(), field.to_owned()]);
        let user_errors = vec![UserError { code, field, message }];
        Self { rule: None, replayed: false, user_errors }
    }
}
