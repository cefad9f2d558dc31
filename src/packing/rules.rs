//! Stating rules of what is packed with orders.

use entity::Instant;
use entity::id::PackingRuleId;
use entity::packing_rule::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde::Serialize;
use serde_json::json;

use crate::audit::{self, Entry};
use crate::db::bulk::Rows;
use crate::db::dialect;
use crate::earning::{Conditions, Invalid};
use crate::error::{Outcome, Stop, refuse};
use crate::external_id::check_code;
use crate::localized::{Texts, check_tags};
use crate::memberships;
use crate::tx::Tx;

/// Rules of the shop: all that are active are looked at for every order.
const MOST_RULES: u64 = 200;
/// Characters of one text.
const LONGEST_TEXT: usize = 2_000;

/// A rule as staff state it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Upsert {
    pub(super) code: String,
    /// By language tag.
    pub(super) texts: Texts,
    pub(super) conditions: Conditions,
    pub(super) starts_at: Option<Instant>,
    pub(super) ends_at: Option<Instant>,
    pub(super) active: bool,
}

/// Why a rule was not stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackingError {
    /// A value is out of its bounds.
    Invalid(Invalid),
    /// There are as many as there may be.
    TooMany,
}

/// Makes or changes the rule with this code.
pub(super) async fn upsert(tx: &Tx, upsert: &Upsert) -> Outcome<PackingRuleId, PackingError> {
    check(upsert).map_err(|invalid| Stop::Refused(PackingError::Invalid(invalid)))?;
    if !tx.settings().tiers.has_all(&upsert.conditions.tiers) {
        let invalid = Invalid { field: "tiers", problem: "must be tiers of the shop" };
        return refuse(PackingError::Invalid(invalid));
    }
    if !memberships::plans::are_all(tx, &upsert.conditions.plans).await? {
        let invalid = Invalid { field: "plans", problem: "must be plans of the shop" };
        return refuse(PackingError::Invalid(invalid));
    }
    // One after the other: they are counted.
    dialect::lock(tx.db(), "packing_rules").await?;
    let found = Entity::find().filter(Column::Code.eq(upsert.code.as_str())).one(tx.db()).await?;
    if found.is_none() && Entity::find().count(tx.db()).await? >= MOST_RULES {
        return refuse(PackingError::TooMany);
    }
    let (texts, conditions) =
        (serde_json::to_value(&upsert.texts)?, serde_json::to_value(&upsert.conditions)?);
    let id = if let Some(row) = found {
        row.id
    } else {
        let columns = &["id", "code", "texts", "conditions", "active", "created_at", "updated_at"];
        let mut rows = Rows::new("packing_rules", columns);
        let id: PackingRuleId = tx.id();
        rows.push([
            id.0.into(),
            upsert.code.as_str().into(),
            texts.clone().into(),
            conditions.clone().into(),
            upsert.active.into(),
            tx.now().into(),
            tx.now().into(),
        ]);
        rows.insert(tx.db()).await?;
        id
    };
    Entity::update_many()
        .col_expr(Column::Texts, Expr::val(texts))
        .col_expr(Column::Conditions, Expr::val(conditions))
        .col_expr(Column::StartsAt, Expr::val(upsert.starts_at))
        .col_expr(Column::EndsAt, Expr::val(upsert.ends_at))
        .col_expr(Column::Active, Expr::val(upsert.active))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    let detail = json!({ "after": upsert });
    audit::record(tx, [Entry::of("packing_rule.upsert", "PackingRule", id.0, detail)]).await?;
    Ok(id)
}

fn check(upsert: &Upsert) -> Result<(), Invalid> {
    let invalid = |field, problem| Err(Invalid { field, problem });
    check_code(&upsert.code).map_err(|problem| Invalid { field: "code", problem })?;
    check_tags(&upsert.texts).map_err(|problem| Invalid { field: "texts", problem })?;
    let is_text = |text: &String| {
        !text.trim().is_empty()
            && text.chars().count() <= LONGEST_TEXT
            && !text.chars().any(|character| character.is_control() && character != '\n')
    };
    if !upsert.texts.values().all(is_text) {
        return invalid(
            "texts",
            "must each be 1 to 2,000 characters, with no control characters but line breaks",
        );
    }
    if upsert.starts_at.zip(upsert.ends_at).is_some_and(|(starts, ends)| ends <= starts) {
        return invalid("endsAt", "must be later than startsAt");
    }
    upsert.conditions.validate()
}
