//! A journey: what is sent to whom when something happens.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::JourneyId;

/// Where a journey is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JourneyState {
    /// Never published.
    #[sea_orm(string_value = "DRAFT")]
    Draft,
    /// It takes people in and sends.
    #[sea_orm(string_value = "ACTIVE")]
    Active,
    /// It takes people in; what is due waits.
    #[sea_orm(string_value = "PAUSED")]
    Paused,
    /// It is over.
    #[sea_orm(string_value = "RETIRED")]
    Retired,
}

/// A journey: what is sent to whom when something happens.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "journeys")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JourneyId,
    /// The shop's, or that of a built-in one; unique.
    pub code: String,
    /// For staff.
    pub name: String,
    /// Where it is.
    pub state: JourneyState,
    /// The version in force.
    pub version: Option<i32>,
    /// What is to be published next.
    pub draft: Option<Json>,
    /// When.
    pub created_at: Instant,
    /// When last changed.
    pub updated_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
