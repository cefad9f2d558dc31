//! A value that an answer chose, to be counted.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::MessageId;

/// A value that an answer chose on a question, to be counted; what is written freely is not here.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "survey_choices")]
pub struct Model {
    /// The message that asked.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: MessageId,
    /// The code of the question.
    #[sea_orm(primary_key, auto_increment = false)]
    pub question: String,
    /// The code of the survey.
    pub survey: String,
    /// The code of the choice, or the number on the scale.
    pub value: String,
    /// When.
    pub answered_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
