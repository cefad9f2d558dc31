//! Somebody's way through a journey, with the instant at which something is next to be done.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{JourneyId, OrderId, PersonId, RunId};
use crate::message::Reason;

/// Where somebody is on the way through a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunState {
    /// For its next step.
    #[sea_orm(string_value = "WAITING")]
    Waiting,
    /// Due, while its journey is paused.
    #[sea_orm(string_value = "PARKED")]
    Parked,
    /// Every message was queued, or it ended after at least one was.
    #[sea_orm(string_value = "DONE")]
    Done,
    /// It ended before its first message.
    #[sea_orm(string_value = "DROPPED")]
    Dropped,
    /// Among those who get nothing, to measure by.
    #[sea_orm(string_value = "HELD_OUT")]
    HeldOut,
}

/// Somebody's way through a journey, with the instant at which something is next to be done.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "journey_runs")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RunId,
    /// Which journey.
    pub journey_id: JourneyId,
    /// In which version.
    pub version: i32,
    /// Who.
    pub person_id: PersonId,
    /// What began it; unique with the journey and the person.
    pub cause: String,
    /// While one waits, a newer cause in the same lane takes its place.
    pub lane: Option<String>,
    /// What it is about: ids and amounts.
    pub facts: Json,
    /// The next step, from 0.
    pub step: i32,
    /// Where it is.
    pub state: RunState,
    /// Whether it is among those who get nothing.
    pub held_out: bool,
    /// Why the next step was put off, or why it ended.
    pub reason: Option<Reason>,
    /// How often the next step was put off.
    pub deferrals: i32,
    /// Messages queued so far.
    pub sent: i32,
    /// When what began it happened.
    pub happened_at: Instant,
    /// When the next step is due.
    pub due_at: Instant,
    /// When the next step was due before it was put off.
    pub first_due_at: Instant,
    /// When it began here.
    pub entered_at: Instant,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// When the first message was queued, or would have been.
    pub measured_from: Option<Instant>,
    /// When the person bought within the time after that in which it counts.
    pub converted_at: Option<Instant>,
    /// What was bought.
    pub converted_order_id: Option<OrderId>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
