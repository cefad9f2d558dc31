//! Writing, moderating and answering reviews.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::id::{ProductId, ReviewId};
use entity::review::{Column, Entity, ReviewState};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::types::{Review, StateName};
use super::{staff, viewer};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::error::split;
use crate::feedback::reviews::{self, Answer, By, Moderate, ReviewError, Submit};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::once::once;
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::{Key, Once};

/// A review to write.
#[derive(Debug, InputObject)]
struct ReviewSubmitInput {
    /// Of what.
    product_id: ID,
    /// 1 to 5.
    rating: i32,
    /// 1 to 100 characters on one line.
    title: Option<String>,
    /// 1 to 5,000 characters; line breaks may be in it.
    body: Option<String>,
    /// Of a message that asked for it, in place of signing in: good for 90 days, for what the order of that message brought.
    token: Option<String>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// What becomes of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
enum ReviewDecision {
    /// Everybody sees it.
    Publish,
    /// Nobody but the shop and its writer sees it.
    Reject,
}

/// A review to publish or to reject.
#[derive(Debug, InputObject)]
struct ReviewModerateInput {
    /// Which.
    id: ID,
    /// Its `revision` that you read: one that was written again meanwhile stays as it is.
    revision: i32,
    /// What becomes of it.
    decision: ReviewDecision,
    /// Why, for the audit log: 1 to 2,000 characters.
    reason: Option<String>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// What the shop says to a review.
#[derive(Debug, InputObject)]
struct ReviewAnswerInput {
    /// To which.
    id: ID,
    /// 1 to 2,000 characters, seen by everybody once the review is published; in place of what was said before. Null takes
    /// that away.
    answer: Option<String>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Which reviews.
#[derive(Debug, Default, InputObject)]
struct ReviewsFilter {
    /// Only those that are there.
    state: Option<StateName>,
    /// Only those of this product.
    product_id: Option<ID>,
}

/// Why a review stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum ReviewErrorCode {
    /// There is no such review.
    NotFound,
    /// A value is out of its bounds.
    Invalid,
    /// There is neither a customer who is signed in nor a token.
    SignInRequired,
    /// The token is none of ours, has ended, or is of a message that is not about an order.
    TokenInvalid,
    /// There is no such product among what was delivered to you and was not sent back.
    NotBought,
    /// Your review of it was published or rejected.
    AlreadyReviewed,
    /// It was written again since you read it.
    Changed,
    /// It is published, or rejected, already.
    WrongState,
}

/// A review after a change, or why there was none.
#[derive(Debug, SimpleObject)]
struct ReviewPayload {
    /// The review; null too if a merge of customers dropped it since.
    review: Option<Review>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<ReviewErrorCode>>,
}

/// Queries about reviews.
#[derive(Debug, Default)]
pub(super) struct ReviewsQuery;

/// Mutations of reviews.
#[derive(Debug, Default)]
pub(super) struct ReviewsMutation;

#[Object]
impl ReviewsQuery {
    /// Reviews, the newest first. For staff with `reviews.write`.
    #[graphql(guard = "Allowed")]
    async fn reviews(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only reviews that match all of it.")] filter: Option<ReviewsFilter>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<Review>, ApiError> {
        let ReviewsFilter { state, product_id } = filter.unwrap_or_default();
        let mut all = Entity::find();
        if let Some(state) = state {
            all = all.filter(Column::State.eq(ReviewState::from(state)));
        }
        if let Some(id) = product_id {
            let product = local_id::<ProductId>(&id, NodeType::Product);
            // No product has the id of nothing.
            all = all.filter(Column::ProductId.eq(product.unwrap_or(ProductId(uuid::Uuid::nil()))));
        }
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, all, Column::Id, arguments, |row| (row.id.0, Review(row))).await
    }
}

#[Object]
impl ReviewsMutation {
    /// Writes a review of a product, by a customer who is signed in or by whoever has the token of a message, if it was
    /// delivered to them and not all of it was sent back. One a person and product: writing it again replaces what staff have
    /// not looked at. For everyone.
    #[graphql(guard = "Allowed")]
    async fn review_submit(
        &self,
        ctx: &Context<'_>,
        input: ReviewSubmitInput,
    ) -> Result<ReviewPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let (by, scope) = match (input.token, viewer(ctx)) {
            (Some(token), _) => match reviews::message_of(app, &token)? {
                // Whoever has the token is nobody we know otherwise: the keys are those of the message.
                Some(message) => (By::Link(message), format!("message:{}", message.0)),
                None => return Ok(ReviewPayload::refused(ReviewError::TokenInvalid)),
            },
            (None, viewer @ Viewer::Customer { customer, .. }) => {
                (By::Customer(*customer), viewer.key_scope())
            }
            (None, Viewer::Anonymous | Viewer::Shop { .. } | Viewer::Staff { .. }) => {
                let message = "Sign in as a customer, or give the token of a message.";
                return Ok(ReviewPayload::of_error(ReviewErrorCode::SignInRequired, None, message));
            }
        };
        let command = Submit {
            by,
            product: local_id(&input.product_id, NodeType::Product),
            rating: input.rating,
            title: input.title,
            body: input.body,
        };
        let key = Key { scope, key: input.idempotency_key.0, operation: "reviewSubmit" };
        answered(ctx, split(app.write_once(&key, &command, reviews::submit).await)?).await
    }

    /// Publishes or rejects a review, also one that was rejected or published before. The product's rating counts published
    /// reviews only. The first time that a customer's review is published, the rules for the event `review.published` give
    /// what they give; rejecting it later does not take that back, and publishing it again gives nothing. For staff with `reviews.write`.
    #[graphql(guard = "Allowed")]
    async fn review_moderate(
        &self,
        ctx: &Context<'_>,
        input: ReviewModerateInput,
    ) -> Result<ReviewPayload, ApiError> {
        let command = Moderate {
            review: local_id(&input.id, NodeType::Review),
            revision: input.revision,
            publish: input.decision == ReviewDecision::Publish,
            reason: input.reason,
        };
        let key = input.idempotency_key;
        answered(ctx, once(ctx, "reviewModerate", key, &command, reviews::moderate).await?).await
    }

    /// Says something to a review: one public answer, in place of the one before. For staff with `reviews.write`.
    #[graphql(guard = "Allowed")]
    async fn review_answer(
        &self,
        ctx: &Context<'_>,
        input: ReviewAnswerInput,
    ) -> Result<ReviewPayload, ApiError> {
        let command =
            Answer { review: local_id(&input.id, NodeType::Review), text: input.answer, by: staff(ctx) };
        let key = input.idempotency_key;
        answered(ctx, once(ctx, "reviewAnswer", key, &command, reviews::answer).await?).await
    }
}

async fn answered(
    ctx: &Context<'_>,
    done: Result<Once<ReviewId>, ReviewError>,
) -> Result<ReviewPayload, ApiError> {
    match done {
        Ok(Once { value, replayed }) => {
            let row = Entity::find_by_id(value).one(&ctx.data_unchecked::<App>().db.read).await?;
            Ok(ReviewPayload { review: row.map(Review), replayed, user_errors: Vec::new() })
        }
        Err(error) => Ok(ReviewPayload::refused(error)),
    }
}

impl ReviewPayload {
    fn refused(error: ReviewError) -> Self {
        use ReviewErrorCode as Code;
        let (code, field, message) = match error {
            ReviewError::Invalid(field, problem) => (Code::Invalid, field, format!("{field} {problem}.")),
            ReviewError::TokenInvalid => {
                (Code::TokenInvalid, "token", "This token is not good, or not any more.".to_owned())
            }
            ReviewError::NotBought => {
                let message =
                    "There is no such product among what was delivered to you and was not sent back.";
                (Code::NotBought, "productId", message.to_owned())
            }
            ReviewError::AlreadyReviewed(state) => {
                (Code::AlreadyReviewed, "productId", format!("Your review of it is {}.", word(state)))
            }
            ReviewError::NotFound => (Code::NotFound, "id", "There is no such review.".to_owned()),
            ReviewError::Changed => {
                (Code::Changed, "revision", "It was written again: read it again.".to_owned())
            }
            ReviewError::WrongState(state) => {
                (Code::WrongState, "decision", format!("The review is {} already.", word(state)))
            }
        };
        Self::of_error(code, Some(field), message)
    }

    fn of_error(code: ReviewErrorCode, field: Option<&str>, message: impl Into<String>) -> Self {
        let field = field.map(|field| vec!["input".to_owned(), field.to_owned()]);
        let user_errors = vec![UserError { code, field, message: message.into() }];
        Self { review: None, replayed: false, user_errors }
    }
}

fn word(state: ReviewState) -> &'static str {
    match state {
        ReviewState::Pending => "pending",
        ReviewState::Published => "published",
        ReviewState::Rejected => "rejected",
    }
}
