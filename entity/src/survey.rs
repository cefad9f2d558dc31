//! A survey as the shop changed it; those that were never changed are in the program.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::SurveyId;

/// What a survey measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SurveyKind {
    /// How likely its reader recommends the shop, 0 to 10.
    #[sea_orm(string_value = "NPS")]
    Nps,
    /// A rating, 1 to 5.
    #[sea_orm(string_value = "RATING")]
    Rating,
    /// Its questions only.
    #[sea_orm(string_value = "QUESTIONS")]
    Questions,
}

/// A survey as the shop changed it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "surveys")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SurveyId,
    /// The shop's; unique.
    pub code: String,
    /// What it measures.
    pub kind: SurveyKind,
    /// By language.
    pub title: Json,
    /// An array, in the order in which they are asked.
    pub questions: Json,
    /// Whether it can be answered.
    pub active: bool,
    /// When it was first changed.
    pub created_at: Instant,
    /// Last changed.
    pub updated_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
