//! What somebody answered to the survey that a message asked for.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{MessageId, PersonId};

/// What somebody answered to the survey that a message asked for: once for each message.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "survey_answers")]
pub struct Model {
    /// The message that asked.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: MessageId,
    /// The code of the survey.
    pub survey: String,
    /// Who answered: a customer or a guest.
    pub person_id: PersonId,
    /// 0 to 10 or 1 to 5, by the kind of the survey.
    pub score: Option<i32>,
    /// An array of pairs of question and value.
    pub answers: Json,
    /// In words.
    pub comment: Option<String>,
    /// When.
    pub answered_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
