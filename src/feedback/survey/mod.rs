//! Surveys: those in the program until the shop changes them, those of the shop, and what was answered to them.

pub(super) mod answer;
mod builtin;
pub(super) mod definition;
pub(super) mod report;
pub(super) mod upsert;

use std::collections::BTreeMap;

use definition::{Definition, check_code};
use entity::survey::{Column, Entity, Model};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::error::Fault;

/// A survey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Survey {
    pub(super) code: String,
    pub(crate) definition: Definition,
    pub(super) is_active: bool,
    /// Whether it is as it came with the program.
    pub(super) is_built_in: bool,
}

impl Survey {
    pub(super) fn of(row: Model) -> Result<Self, Fault> {
        let definition = Definition {
            kind: row.kind,
            title: serde_json::from_value(row.title)?,
            questions: serde_json::from_value(row.questions)?,
        };
        Ok(Self { code: row.code, definition, is_active: row.active, is_built_in: false })
    }
}

/// The survey with this code.
pub(super) async fn find(db: &impl ConnectionTrait, code: &str) -> Result<Option<Survey>, Fault> {
    // Only a code that can be stored is asked for.
    if check_code(code).is_err() {
        return Ok(None);
    }
    match Entity::find().filter(Column::Code.eq(code)).one(db).await? {
        Some(row) => Survey::of(row).map(Some),
        None => builtin::find(code),
    }
}

/// All surveys by code.
pub(super) async fn all(db: &impl ConnectionTrait) -> Result<Vec<Survey>, Fault> {
    let mut all: BTreeMap<String, Survey> =
        builtin::all()?.into_iter().map(|survey| (survey.code.clone(), survey)).collect();
    for row in Entity::find().order_by_asc(Column::Code).all(db).await? {
        all.insert(row.code.clone(), Survey::of(row)?);
    }
    Ok(all.into_values().collect())
}
