//! Reviews and surveys over GraphQL.

#![expect(clippy::unused_async, reason = "async-graphql takes no resolver that is not async")]

mod answers;
mod loaders;
mod product;
mod reviews;
mod surveys;
mod types;

use async_graphql::{Context, MergedObject};
use entity::id::StaffId;

pub use self::answers::SurveyAnswer;
pub(crate) use self::answers::answers_of;
pub use self::loaders::{FeedbackLoader, loader};
pub use self::product::{ProductRating, rating_of};
pub(crate) use self::product::{published_of, reviews_of};
pub use self::types::Review;
use crate::auth::viewer::Viewer;

/// Queries about reviews and surveys.
#[derive(Debug, Default, MergedObject)]
pub struct FeedbackQuery(reviews::ReviewsQuery, surveys::SurveysQuery, answers::AnswersQuery);

/// Mutations of reviews and surveys.
#[derive(Debug, Default, MergedObject)]
pub struct FeedbackMutation(reviews::ReviewsMutation, surveys::SurveysMutation, answers::AnswersMutation);

fn viewer<'a>(ctx: &Context<'a>) -> &'a Viewer {
    ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous)
}

/// The member of staff who asks.
fn staff(ctx: &Context<'_>) -> Option<StaffId> {
    match viewer(ctx) {
        Viewer::Staff { staff, .. } => Some(*staff),
        Viewer::Anonymous | Viewer::Customer { .. } | Viewer::Shop { .. } => None,
    }
}
