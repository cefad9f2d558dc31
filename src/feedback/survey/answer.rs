//! Answering a survey, once for each message that asked. Nothing is kept until somebody answers.

use entity::Instant;
use entity::id::{MessageId, PersonId};
use entity::survey_answer::Entity;
use sea_orm::{ConnectionTrait, EntityTrait};

pub(crate) use super::definition::Given;
use super::definition::{Fitting, Invalid, Value};
use super::{Survey, find};
use crate::app::App;
use crate::auth::link::{self, Link};
use crate::db::bulk::Rows;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::feedback::person::{self, Person};
use crate::feedback::{earned, events};
use crate::tx::Tx;

/// A survey that a message asked somebody for.
#[derive(Clone, Debug)]
pub(crate) struct Invited {
    pub(crate) survey: Survey,
    /// BCP 47, if known.
    pub(crate) locale: Option<String>,
    pub(crate) is_answered: bool,
    /// When the link ends.
    pub(crate) until: Instant,
    person: PersonId,
}

/// Why an answer was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AnswerError {
    /// The token is none of ours, or not any more.
    TokenInvalid,
    /// It was answered before.
    AlreadyAnswered,
    /// It does not fit the questions.
    Invalid(Invalid),
}

/// The message that a token for surveys is of.
pub(crate) fn token_of_survey(app: &App, token: &str) -> Result<Option<MessageId>, Fault> {
    Ok(link::read(&app.keys.link()?, Link::Survey, token).map(MessageId))
}

/// What a message asks for, while its link is good.
pub(crate) async fn invited(app: &App, message: MessageId) -> Result<Option<Invited>, Fault> {
    let db = &app.db.read;
    let Some((survey, asked)) = asked(db, message, app.clock.now()).await? else { return Ok(None) };
    let Some(person) = person::found(db, asked.person).await? else { return Ok(None) };
    of(db, message, survey, &person, asked.until).await.map(Some)
}

async fn asked(
    db: &impl ConnectionTrait,
    message: MessageId,
    now: Instant,
) -> Result<Option<(Survey, person::Asked)>, Fault> {
    let Some(asked) = person::asked(db, message, now).await? else { return Ok(None) };
    let Some(code) = &asked.facts.survey else { return Ok(None) };
    let survey = find(db, code).await?.filter(|survey| survey.is_active);
    Ok(survey.map(|survey| (survey, asked)))
}

async fn of(
    db: &impl ConnectionTrait,
    message: MessageId,
    survey: Survey,
    person: &Person,
    until: Instant,
) -> Result<Invited, Fault> {
    let is_answered = Entity::find_by_id(message).one(db).await?.is_some();
    Ok(Invited { survey, locale: person.locale.clone(), is_answered, until, person: person.id })
}

/// Takes an answer; of two at once, one.
pub(crate) async fn answer(tx: &Tx, (message, given): &(MessageId, Given)) -> Outcome<(), AnswerError> {
    let Some((survey, asked)) = asked(tx.db(), *message, tx.now()).await? else {
        return refuse(AnswerError::TokenInvalid);
    };
    let Some(person) = person::locked(tx.db(), asked.person).await? else {
        return refuse(AnswerError::TokenInvalid);
    };
    let invited = of(tx.db(), *message, survey, &person, asked.until).await?;
    if invited.is_answered {
        return refuse(AnswerError::AlreadyAnswered);
    }
    let fitting = invited.survey.definition.fit(given);
    let fitting = fitting.map_err(|invalid| Stop::Refused(AnswerError::Invalid(invalid)))?;
    if !keep(tx, *message, &invited, &fitting).await? {
        return refuse(AnswerError::AlreadyAnswered);
    }
    events::answered(tx, *message, person.id, &invited.survey.code, fitting.score).await?;
    if let Some(customer) = person.customer {
        earned::credit(tx, customer, "survey.answered").await?;
    }
    Ok(())
}

/// False if there is an answer already.
async fn keep(tx: &Tx, message: MessageId, invited: &Invited, fitting: &Fitting) -> Result<bool, Fault> {
    let survey = invited.survey.code.as_str();
    let columns = &["message_id", "survey", "person_id", "score", "answers", "comment", "answered_at"];
    let mut rows = Rows::new("survey_answers", columns);
    rows.push([
        message.0.into(),
        survey.into(),
        invited.person.0.into(),
        fitting.score.into(),
        serde_json::to_value(&fitting.values)?.into(),
        fitting.comment.clone().into(),
        tx.now().into(),
    ]);
    if rows.insert_missing(tx.db()).await? == 0 {
        return Ok(false);
    }
    let columns = &["message_id", "question", "survey", "value", "answered_at"];
    let mut rows = Rows::new("survey_choices", columns);
    for Value { question, value } in &fitting.counted {
        let (question, value) = (question.as_str().into(), value.as_str().into());
        rows.push([message.0.into(), question, survey.into(), value, tx.now().into()]);
    }
    rows.insert(tx.db()).await?;
    Ok(true)
}
