//! Drafts, publishing and the end of rules, and the versions in force at an instant.

use std::collections::BTreeMap;

use chrono::DateTime;
use entity::earning_rule_version::{ActiveModel, Column, Entity, Model};
use entity::id::{EarningRuleId, RuleVersionId};
use entity::{Instant, earning_rule};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Set,
};
use serde::Serialize;
use serde_json::json;

use super::definition::{Definition, Invalid, text};
use super::evaluate::Rule;
use crate::audit::{self, Entry};
use crate::db::bulk::Rows;
use crate::db::dialect::{self, is_among};
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::memberships;
use crate::tx::Tx;

/// Why a rule was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuleError {
    /// No such rule.
    NotFound,
    /// A value is out of its bounds.
    Invalid(Invalid),
    /// There is nothing to publish.
    NoDraft,
    /// Nothing of it is in force or to come.
    NotInForce,
    /// An instant that has passed.
    InThePast {
        /// Which.
        field: &'static str,
    },
    /// It would end before it begins.
    EndsBeforeItBegins,
    /// There are as many rules as there may be.
    TooMany,
}

/// Rules a shop may have, retired ones too.
const MOST_RULES: usize = 1_000;

/// Where a version is, which only time changes once it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It can still be changed.
    Draft,
    /// It will be in force.
    Scheduled,
    /// It is in force.
    Published,
    /// It is not in force any more, or never was.
    Retired,
}

/// Where `version` is at `now`.
pub(crate) fn state(version: &Model, now: Instant) -> State {
    match (version.effective_from, version.effective_until) {
        (None, _) => State::Draft,
        (Some(from), Some(until)) if until <= now || until <= from => State::Retired,
        (Some(from), _) if from > now => State::Scheduled,
        (Some(_), _) => State::Published,
    }
}

/// A draft to be written: of a new rule, or the next version of one there is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Draft {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) definition: Definition,
}

/// Writes the draft of a rule, in place of the draft there may be.
pub(crate) async fn draft(tx: &Tx, draft: &Draft) -> Outcome<EarningRuleId, RuleError> {
    check(draft).map_err(|invalid| Stop::Refused(RuleError::Invalid(invalid)))?;
    if !tx.settings().tiers.has_all(&draft.definition.conditions.tiers) {
        let invalid = Invalid { field: "tiers", problem: "must be tiers of the shop" };
        return refuse(RuleError::Invalid(invalid));
    }
    if !memberships::plans::are_all(tx, &draft.definition.conditions.plans).await? {
        let invalid = Invalid { field: "plans", problem: "must be plans of the shop" };
        return refuse(RuleError::Invalid(invalid));
    }
    lock(tx).await?;
    let rule = rule_of(tx, &draft.code).await?;
    let versions = versions_of(tx, rule).await?;
    let definition = serde_json::to_value(&draft.definition)?;
    if let Some(open) = versions.iter().find(|version| version.published_at.is_none()) {
        Entity::update_many()
            .col_expr(Column::Name, Expr::val(draft.name.as_str()))
            .col_expr(Column::Definition, Expr::val(definition))
            .col_expr(Column::DraftedAt, Expr::val(tx.now()))
            .filter(Column::Id.eq(open.id).and(Column::PublishedAt.is_null()))
            .exec(tx.db())
            .await?;
    } else {
        let last = versions.iter().map(|version| version.version).max().unwrap_or_default();
        let row = ActiveModel {
            id: Set(tx.id::<RuleVersionId>()),
            rule_id: Set(rule),
            version: Set(last + 1),
            name: Set(draft.name.clone()),
            definition: Set(definition),
            drafted_at: Set(tx.now()),
            published_at: Set(None),
            effective_from: Set(None),
            effective_until: Set(None),
        };
        row.insert(tx.db()).await?;
    }
    let detail = json!({ "after": { "name": draft.name, "definition": draft.definition } });
    audit::record(tx, [Entry::of("earning_rule.draft", "EarningRule", rule.0, detail)]).await?;
    Ok(rule)
}

fn check(draft: &Draft) -> Result<(), Invalid> {
    let is_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=60).contains(&draft.code.len()) || !draft.code.chars().all(is_code) {
        return Err(Invalid { field: "code", problem: "must be 1 to 60 of a-z, 0-9 and -" });
    }
    text(&draft.name).map_err(|problem| Invalid { field: "name", problem })?;
    draft.definition.validate()
}

/// The rule with this code, made if there is none.
async fn rule_of(tx: &Tx, code: &str) -> Outcome<EarningRuleId, RuleError> {
    let rules = earning_rule::Entity::find().all(tx.db()).await?;
    if let Some(found) = rules.iter().find(|rule| rule.code == code) {
        return Ok(found.id);
    }
    if rules.len() >= MOST_RULES {
        return refuse(RuleError::TooMany);
    }
    let id: EarningRuleId = tx.id();
    let mut rows = Rows::new("earning_rules", &["id", "code", "created_at"]);
    rows.push([id.0.into(), code.into(), tx.now().into()]);
    rows.insert(tx.db()).await?;
    Ok(id)
}

/// A draft to be published.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Publish {
    /// None if the id that was given is no rule's.
    pub(crate) rule: Option<EarningRuleId>,
    /// From when on; at once, if none.
    pub(crate) from: Option<Instant>,
    /// Until when; without end, if none.
    pub(crate) until: Option<Instant>,
}

/// Publishes the draft of a rule. What was in force of it ends then, and what was still to come later does not come.
pub(crate) async fn publish(tx: &Tx, publish: &Publish) -> Outcome<EarningRuleId, RuleError> {
    lock(tx).await?;
    let (rule, versions) = found(tx, publish.rule).await?;
    let Some(draft) = versions.iter().find(|version| version.published_at.is_none()) else {
        return refuse(RuleError::NoDraft);
    };
    let from = publish.from.unwrap_or_else(|| tx.now());
    if from < tx.now() {
        return refuse(RuleError::InThePast { field: "from" });
    }
    if publish.until.is_some_and(|until| until <= from) {
        return refuse(RuleError::EndsBeforeItBegins);
    }
    end(tx, rule, from).await?;
    Entity::update_many()
        .col_expr(Column::PublishedAt, Expr::val(tx.now()))
        .col_expr(Column::EffectiveFrom, Expr::val(from))
        .col_expr(Column::EffectiveUntil, Expr::val(publish.until))
        .filter(Column::Id.eq(draft.id).and(Column::PublishedAt.is_null()))
        .exec(tx.db())
        .await?;
    let detail = json!({ "after": { "version": draft.version, "from": from, "until": publish.until } });
    audit::record(tx, [Entry::of("earning_rule.publish", "EarningRule", rule.0, detail)]).await?;
    Ok(rule)
}

/// A rule to be retired.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Retire {
    /// None if the id that was given is no rule's.
    pub(crate) rule: Option<EarningRuleId>,
    /// From when on; at once, if none.
    pub(crate) at: Option<Instant>,
}

/// Ends what is in force of a rule, and what is still to come of it.
pub(crate) async fn retire(tx: &Tx, retire: &Retire) -> Outcome<EarningRuleId, RuleError> {
    lock(tx).await?;
    let (rule, _) = found(tx, retire.rule).await?;
    let at = retire.at.unwrap_or_else(|| tx.now());
    if at < tx.now() {
        return refuse(RuleError::InThePast { field: "at" });
    }
    if end(tx, rule, at).await? == 0 {
        return refuse(RuleError::NotInForce);
    }
    let detail = json!({ "after": { "until": at } });
    audit::record(tx, [Entry::of("earning_rule.retire", "EarningRule", rule.0, detail)]).await?;
    Ok(rule)
}

/// Ends everything published of a rule at `at`: what would begin later ends where it begins. Answers how many versions
/// that was.
async fn end(tx: &Tx, rule: EarningRuleId, at: Instant) -> Result<u64, Fault> {
    let later = Condition::any().add(Column::EffectiveUntil.is_null()).add(Column::EffectiveUntil.gt(at));
    let begins_before = Column::EffectiveFrom.lte(at);
    let ends = Expr::case(begins_before, Expr::val(at)).finally(Expr::col(Column::EffectiveFrom));
    let comes = Condition::any()
        .add(Column::EffectiveUntil.is_null())
        .add(Expr::col(Column::EffectiveUntil).gt(Expr::col(Column::EffectiveFrom)));
    let ended = Entity::update_many()
        .col_expr(Column::EffectiveUntil, ends.into())
        .filter(Column::RuleId.eq(rule).and(Column::PublishedAt.is_not_null()))
        .filter(later)
        .filter(comes)
        .exec(tx.db())
        .await?;
    Ok(ended.rows_affected)
}

/// One change of rules after the other.
async fn lock(tx: &Tx) -> Result<(), Fault> {
    Ok(dialect::lock(tx.db(), "earning-rules").await?)
}

async fn found(tx: &Tx, rule: Option<EarningRuleId>) -> Outcome<(EarningRuleId, Vec<Model>), RuleError> {
    let Some(rule) = rule else { return refuse(RuleError::NotFound) };
    let versions = versions_of(tx, rule).await?;
    // No rule is without a version.
    if versions.is_empty() { refuse(RuleError::NotFound) } else { Ok((rule, versions)) }
}

async fn versions_of(tx: &Tx, rule: EarningRuleId) -> Result<Vec<Model>, Fault> {
    Ok(Entity::find().filter(Column::RuleId.eq(rule)).all(tx.db()).await?)
}

/// The versions in force at any of these instants or between them.
pub(super) async fn in_force(
    db: &impl ConnectionTrait,
    instants: impl Iterator<Item = Instant> + Clone,
) -> Result<Vec<Rule>, Fault> {
    let (Some(first), Some(last)) = (instants.clone().min(), instants.max()) else { return Ok(Vec::new()) };
    let not_over =
        Condition::any().add(Column::EffectiveUntil.is_null()).add(Column::EffectiveUntil.gt(first));
    let versions = Entity::find()
        .filter(not_over)
        .filter(Column::EffectiveFrom.lte(last))
        .order_by_asc(Column::RuleId)
        .all(db)
        .await?;
    if versions.is_empty() {
        return Ok(Vec::new());
    }
    let codes = codes(db, versions.iter().map(|version| version.rule_id)).await?;
    let read_one = |version: Model| read(version.clone(), codes.get(&version.rule_id)?.clone()).transpose();
    versions.into_iter().filter_map(read_one).collect()
}

/// The draft of a rule, as if it had always been in force; none if there is none.
pub(super) async fn draft_of(db: &impl ConnectionTrait, rule: EarningRuleId) -> Result<Option<Rule>, Fault> {
    let open = Column::RuleId.eq(rule).and(Column::PublishedAt.is_null());
    let Some(draft) = Entity::find().filter(open).one(db).await? else { return Ok(None) };
    let codes = codes(db, std::iter::once(rule)).await?;
    let Some(code) = codes.get(&rule).cloned() else { return Ok(None) };
    read(Model { effective_from: Some(DateTime::UNIX_EPOCH), effective_until: None, ..draft }, code)
}

/// The codes of these rules.
pub(super) async fn codes(
    db: &impl ConnectionTrait,
    rules: impl Iterator<Item = EarningRuleId>,
) -> Result<BTreeMap<EarningRuleId, String>, Fault> {
    let among = is_among(db.get_database_backend(), "id", rules.map(|rule| rule.0));
    let rows = earning_rule::Entity::find().filter(among).all(db).await?;
    Ok(rows.into_iter().map(|rule| (rule.id, rule.code)).collect())
}

/// A version as it is evaluated; none of a draft.
pub(super) fn read(version: Model, code: String) -> Result<Option<Rule>, Fault> {
    let Some(from) = version.effective_from else { return Ok(None) };
    Ok(Some(Rule {
        id: version.rule_id,
        code,
        version: version.version,
        name: version.name,
        definition: serde_json::from_value(version.definition)?,
        from,
        until: version.effective_until,
    }))
}
