//! What customers say: reviews of what they bought, and answers to the surveys that messages ask for.
//!
//! Invariant: the counters of a product's ratings are moved in the transaction that publishes or rejects a review, so that
//! they are always those of the published reviews; a message is answered once, since its id is the key of its answer.

pub mod api;
mod earned;
mod events;
mod merge;
pub(crate) mod pages;
mod person;
mod ratings;
mod reviews;
mod survey;

use entity::id::MessageId;
use sea_orm::ConnectionTrait;

use crate::app::App;
use crate::auth::link::{self, Link};
use crate::error::Fault;

pub(crate) use merge::follow;
pub(crate) use survey::answer::{AnswerError, Given, Invited, answer, invited, token_of_survey};

/// The token with which the reader of a message reviews what its order brought, without signing in.
pub fn review_token(app: &App, message: MessageId) -> Result<String, Fault> {
    Ok(link::token(&app.keys.link()?, Link::Review, message.0))
}

/// Whether there is a survey with this code that can be answered.
pub(crate) async fn has_survey(db: &impl ConnectionTrait, code: &str) -> Result<bool, Fault> {
    Ok(survey::find(db, code).await?.is_some_and(|survey| survey.is_active))
}

/// The page on which the reader of a message answers the survey that it asks for.
pub fn survey_url(app: &App, message: MessageId) -> Result<String, Fault> {
    let token = link::token(&app.keys.link()?, Link::Survey, message.0);
    Ok(format!("{}/survey/{token}", app.config.public_url))
}
