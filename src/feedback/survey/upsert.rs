//! Changing surveys; the first change of one that comes with the program makes it the shop's.

use entity::id::SurveyId;
use entity::survey::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde::Serialize;
use serde_json::json;

use super::definition::{Definition, Invalid, check_code};
use crate::audit::{self, Entry};
use crate::db::bulk::Rows;
use crate::db::dialect;
use crate::error::{Outcome, Stop, refuse};
use crate::tx::Tx;

/// Surveys of a shop.
const MOST: u64 = 200;

/// A survey as staff state it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Upsert {
    pub(crate) code: String,
    pub(crate) definition: Definition,
    pub(crate) active: bool,
}

/// Why a survey stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SurveyError {
    /// A value is out of its bounds.
    Invalid(Invalid),
    /// Answers were given to another kind of score.
    KindFixed,
    /// There are as many as there may be.
    TooMany,
}

/// Makes or changes the survey with this code.
pub(crate) async fn upsert(tx: &Tx, upsert: &Upsert) -> Outcome<SurveyId, SurveyError> {
    if let Err(problem) = check_code(&upsert.code) {
        let path = vec!["code".to_owned()];
        return refuse(SurveyError::Invalid(Invalid { path, problem }));
    }
    let definition = &upsert.definition;
    definition.check().map_err(|invalid| Stop::Refused(SurveyError::Invalid(invalid)))?;
    // One after the other: they are counted.
    dialect::lock(tx.db(), "surveys").await?;
    let known = super::find(tx.db(), &upsert.code).await?;
    // Else a mean would be of scores of two scales.
    if known.is_some_and(|known| known.definition.kind != definition.kind) {
        return refuse(SurveyError::KindFixed);
    }
    let found = Entity::find().filter(Column::Code.eq(upsert.code.as_str())).one(tx.db()).await?;
    if found.is_none() && Entity::find().count(tx.db()).await? >= MOST {
        return refuse(SurveyError::TooMany);
    }
    let (title, questions) =
        (serde_json::to_value(&definition.title)?, serde_json::to_value(&definition.questions)?);
    let id = if let Some(row) = found {
        Entity::update_many()
            .col_expr(Column::Title, Expr::val(title))
            .col_expr(Column::Questions, Expr::val(questions))
            .col_expr(Column::Active, Expr::val(upsert.active))
            .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
            .filter(Column::Id.eq(row.id))
            .exec(tx.db())
            .await?;
        row.id
    } else {
        let columns = &["id", "code", "kind", "title", "questions", "active", "created_at", "updated_at"];
        let mut rows = Rows::new("surveys", columns);
        let id: SurveyId = tx.id();
        rows.push([
            id.0.into(),
            upsert.code.as_str().into(),
            definition.kind.to_value().into(),
            title.into(),
            questions.into(),
            upsert.active.into(),
            tx.now().into(),
            tx.now().into(),
        ]);
        rows.insert(tx.db()).await?;
        id
    };
    let detail = json!({ "after": upsert });
    audit::record(tx, [Entry::of("survey.upsert", "Survey", id.0, detail)]).await?;
    Ok(id)
}
