//! Answering a survey by the link of a message, and what customers answered.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::id::{CustomerId, PersonId};
use entity::survey_answer::{Column, Entity, Model};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::surveys::{KindName, QuestionKind};
use crate::app::App;
use crate::error::split;
use crate::feedback::survey::definition::{Invalid, Question, Value};
use crate::feedback::{self, AnswerError, Given, Invited};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::localized::{Texts, in_language};

/// A choice, in the reader's language.
#[derive(Debug, SimpleObject)]
struct SurveyInvitationChoice {
    /// What is answered.
    code: String,
    /// What it says. Text, not HTML.
    text: String,
}

/// A question, in the reader's language.
#[derive(Debug, SimpleObject)]
struct SurveyInvitationQuestion {
    /// Its code.
    code: String,
    /// What it asks. Text, not HTML.
    text: String,
    /// How it is answered.
    kind: QuestionKind,
    /// Of a question of the kind `CHOICE`.
    choices: Vec<SurveyInvitationChoice>,
    /// Whether nobody answers without it.
    required: bool,
}

/// A survey that a message asked for, in the language of its reader; nothing tells who that is.
#[derive(Debug, SimpleObject)]
struct SurveyInvitation {
    /// The code of the survey.
    code: String,
    /// What it measures, and so which score it takes.
    kind: KindName,
    /// What it asks above all. Text, not HTML.
    title: String,
    /// What it asks besides, in this order.
    questions: Vec<SurveyInvitationQuestion>,
    /// Whether it was answered.
    answered: bool,
    /// When the link ends.
    ends_at: Instant,
}

impl SurveyInvitation {
    fn of(invited: &Invited, shop: &str) -> Self {
        let locale = invited.locale.as_deref();
        let read = |texts: &Texts| in_language(texts, locale, shop).to_owned();
        let definition = &invited.survey.definition;
        let question = |question: &Question| SurveyInvitationQuestion {
            code: question.code.clone(),
            text: read(&question.text),
            kind: question.kind.into(),
            choices: question
                .choices
                .iter()
                .map(|choice| SurveyInvitationChoice { code: choice.code.clone(), text: read(&choice.text) })
                .collect(),
            required: question.required,
        };
        Self {
            kind: definition.kind.into(),
            title: read(&definition.title),
            questions: definition.questions.iter().map(question).collect(),
            answered: invited.is_answered,
            ends_at: invited.until,
            code: invited.survey.code.clone(),
        }
    }
}

/// A value for a question.
#[derive(Debug, InputObject)]
struct SurveyValueInput {
    /// The code of the question.
    code: String,
    /// The code of a choice, a number of 1 to 5, or a text, by the kind of the question.
    value: String,
}

/// An answer to a survey.
#[derive(Debug, InputObject)]
struct SurveyAnswerInput {
    /// Of the message that asked: good once, for 90 days.
    token: String,
    /// 0 to 10 for the kind `NPS`, 1 to 5 for `RATING`; needed for these, and not taken for others.
    score: Option<i32>,
    /// Each question once at most; those that are required must be there.
    #[graphql(default)]
    answers: Vec<SurveyValueInput>,
    /// 1 to 2,000 characters.
    comment: Option<String>,
}

/// Why an answer was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum SurveyAnswerErrorCode {
    /// The token is none of ours, has ended, or its survey is not active.
    TokenInvalid,
    /// It was answered before.
    AlreadyAnswered,
    /// A value is out of its bounds, or a question that is required is not answered.
    Invalid,
}

/// What became of an answer.
#[derive(Debug, SimpleObject)]
struct SurveyAnswerPayload {
    /// Whether it was taken.
    answered: bool,
    /// Why not.
    user_errors: Vec<UserError<SurveyAnswerErrorCode>>,
}

/// A value that was given to a question.
#[derive(Debug, SimpleObject)]
struct SurveyAnswerValue {
    /// The code of the question.
    question: String,
    /// The code of the choice, the number on the scale, or the text.
    value: String,
}

/// What somebody answered to a survey.
#[derive(Debug)]
pub struct SurveyAnswer(Model);

#[Object]
impl SurveyAnswer {
    /// The code of the survey.
    async fn survey(&self) -> &str {
        &self.0.survey
    }

    /// 0 to 10 or 1 to 5, by the kind of the survey.
    async fn score(&self) -> Option<i32> {
        self.0.score
    }

    /// What was answered to its questions.
    async fn answers(&self) -> Result<Vec<SurveyAnswerValue>, ApiError> {
        let values: Vec<Value> = serde_json::from_value(self.0.answers.clone())?;
        let shown = |Value { question, value }| SurveyAnswerValue { question, value };
        Ok(values.into_iter().map(shown).collect())
    }

    /// In words. Text, not HTML.
    async fn comment(&self) -> Option<&str> {
        self.0.comment.as_deref()
    }

    /// When.
    async fn answered_at(&self) -> Instant {
        self.0.answered_at
    }
}

/// What a customer answered, by the newest message that asked.
pub(crate) async fn answers_of(
    ctx: &Context<'_>,
    customer: CustomerId,
    arguments: PageArguments,
) -> Result<NewestPages<SurveyAnswer>, ApiError> {
    let all = Entity::find().filter(Column::PersonId.eq(PersonId::from(customer)));
    newest_first(ctx, all, Column::MessageId, arguments, |row| (row.message_id.0, SurveyAnswer(row))).await
}

/// Queries about what a message asked for.
#[derive(Debug, Default)]
pub(super) struct AnswersQuery;

/// Mutations of what a message asked for.
#[derive(Debug, Default)]
pub(super) struct AnswersMutation;

#[Object]
impl AnswersQuery {
    /// The survey that a message asked for; null if the token is none of ours, has ended, or the survey is not active. For everyone.
    #[graphql(guard = "Allowed")]
    async fn survey(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of the message.")] token: String,
    ) -> Result<Option<SurveyInvitation>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let Some(message) = feedback::token_of_survey(app, &token)? else { return Ok(None) };
        let invited = feedback::invited(app, message).await?;
        Ok(invited.map(|invited| SurveyInvitation::of(&invited, &app.settings().locale)))
    }
}

#[Object]
impl AnswersMutation {
    /// Answers the survey that a message asked for, once. The rules for the event `survey.answered` give the customer what
    /// they give. For everyone.
    #[graphql(guard = "Allowed")]
    async fn survey_answer(
        &self,
        ctx: &Context<'_>,
        input: SurveyAnswerInput,
    ) -> Result<SurveyAnswerPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let Some(message) = feedback::token_of_survey(app, &input.token)? else {
            return Ok(SurveyAnswerPayload::of(Err(AnswerError::TokenInvalid)));
        };
        let answers = input.answers.into_iter().map(|given| (given.code, given.value)).collect();
        let given = Given { score: input.score, answers, comment: input.comment };
        let done = split(app.write(&(message, given), feedback::answer).await)?;
        Ok(SurveyAnswerPayload::of(done))
    }
}

impl SurveyAnswerPayload {
    fn of(done: Result<(), AnswerError>) -> Self {
        use SurveyAnswerErrorCode as Code;
        let (code, path, message) = match done {
            Ok(()) => return Self { answered: true, user_errors: Vec::new() },
            Err(AnswerError::TokenInvalid) => {
                let message = "This token is not good, or not any more.".to_owned();
                (Code::TokenInvalid, vec!["token".to_owned()], message)
            }
            Err(AnswerError::AlreadyAnswered) => {
                (Code::AlreadyAnswered, vec!["token".to_owned()], "It was answered before.".to_owned())
            }
            Err(AnswerError::Invalid(Invalid { path, problem })) => {
                let message = format!("{} {problem}.", path.join("."));
                (Code::Invalid, path, message)
            }
        };
        let field = Some(["input".to_owned()].into_iter().chain(path).collect());
        Self { answered: false, user_errors: vec![UserError { code, field, message }] }
    }
}
