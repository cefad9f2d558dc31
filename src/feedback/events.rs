//! What is told of feedback to the outbox: `review.submitted`, each time that one is written; `review.published`, each time
//! that staff publish one; `survey.answered`. Ids and scores only, never words.

use entity::id::{MessageId, PersonId};
use entity::review::Model;
use serde_json::json;

use crate::error::Fault;
use crate::outbox::{Event, emit};
use crate::tx::Tx;

/// Tells of a review, which is as in `row` now.
pub(super) async fn of_review(tx: &Tx, topic: &'static str, row: &Model) -> Result<(), Fault> {
    let payload = json!({
        "reviewId": row.id,
        "productId": row.product_id,
        "personId": row.person_id,
        "orderId": row.order_id,
        "rating": row.rating,
    });
    let (aggregate_id, occurred_at) = (row.id.0, tx.now());
    emit(tx, [Event { topic, aggregate_id, payload, imported: false, occurred_at }]).await
}

/// Tells of an answer.
pub(super) async fn answered(
    tx: &Tx,
    message: MessageId,
    person: PersonId,
    survey: &str,
    score: Option<i32>,
) -> Result<(), Fault> {
    let payload = json!({ "messageId": message, "personId": person, "survey": survey, "score": score });
    let (topic, aggregate_id, occurred_at) = ("survey.answered", message.0, tx.now());
    emit(tx, [Event { topic, aggregate_id, payload, imported: false, occurred_at }]).await
}
