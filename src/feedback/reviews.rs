//! Reviews: written by who bought the product, then published or rejected, and answered, by staff.

use entity::id::{CustomerId, MessageId, OrderId, PersonId, ProductId, ReviewId, StaffId};
use entity::order::OrderState;
use entity::review::{Column, Entity, Model, ReviewState};
use entity::{order, order_line, product};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, JoinType, QueryFilter, QueryOrder, QuerySelect,
    RelationDef,
};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::person::{self, Person};
use super::{earned, events, ratings};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::auth::link::{self, Link};
use crate::db::bulk::Rows;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::tx::Tx;

/// Characters of a title.
const LONGEST_TITLE: usize = 100;
/// Characters of a text.
const LONGEST_BODY: usize = 5_000;
/// Characters of what the shop answers, or why it rejected.
const LONGEST_ANSWER: usize = 2_000;

/// Who writes a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum By {
    /// A customer who is signed in.
    Customer(CustomerId),
    /// Whoever has the link of a message, about what its order brought.
    Link(MessageId),
}

/// The message that a token for reviews is of.
pub(super) fn message_of(app: &App, token: &str) -> Result<Option<MessageId>, Fault> {
    Ok(link::read(&app.keys.link()?, Link::Review, token).map(MessageId))
}

/// A review as it is written.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Submit {
    pub(super) by: By,
    /// None if the id that was given is no product's.
    pub(super) product: Option<ProductId>,
    pub(super) rating: i32,
    pub(super) title: Option<String>,
    pub(super) body: Option<String>,
}

/// What staff make of a review.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Moderate {
    /// None if the id that was given is no review's.
    pub(super) review: Option<ReviewId>,
    /// Which they read.
    pub(super) revision: i32,
    /// Whether everybody is to see it.
    pub(super) publish: bool,
    /// For the audit log.
    pub(super) reason: Option<String>,
}

/// What the shop says to a review.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Answer {
    /// None if the id that was given is no review's.
    pub(super) review: Option<ReviewId>,
    /// Takes the answer away, if none.
    pub(super) text: Option<String>,
    #[serde(skip)]
    pub(super) by: Option<StaffId>,
}

/// Why a review stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReviewError {
    /// A value is out of its bounds.
    Invalid(&'static str, &'static str),
    /// The token is none of ours, or not any more.
    TokenInvalid,
    /// There is no such product among what the person had delivered and kept.
    NotBought,
    /// Staff looked at it already.
    AlreadyReviewed(ReviewState),
    /// There is no such review.
    NotFound,
    /// It was written again since staff read it.
    Changed,
    /// It is where it is to go already.
    WrongState(ReviewState),
}

/// Writes a review; one that staff have not looked at is replaced.
pub(super) async fn submit(tx: &Tx, submit: &Submit) -> Outcome<ReviewId, ReviewError> {
    let words = check(submit).map_err(Stop::Refused)?;
    let (person, of_order) = writer(tx, submit.by).await?;
    let Some(product) = submit.product else { return refuse(ReviewError::NotBought) };
    let Some(order) = brought(tx, &person, product, of_order).await? else {
        return refuse(ReviewError::NotBought);
    };
    let theirs = Column::ProductId.eq(product).and(Column::PersonId.eq(person.id));
    let known = Entity::find().filter(theirs).lock_exclusive().one(tx.db()).await?;
    let row = match known {
        Some(known) if known.state != ReviewState::Pending => {
            return refuse(ReviewError::AlreadyReviewed(known.state));
        }
        Some(known) => Model { revision: known.revision.saturating_add(1), ..known },
        None => Model {
            id: tx.id(),
            product_id: product,
            person_id: person.id,
            order_id: order,
            rating: submit.rating,
            title: None,
            body: None,
            state: ReviewState::Pending,
            revision: 1,
            answer: None,
            answered_by: None,
            answered_at: None,
            submitted_at: tx.now(),
            published_at: None,
            moderated_at: None,
        },
    };
    let (title, body) = words;
    let row = Model { order_id: order, rating: submit.rating, title, body, submitted_at: tx.now(), ..row };
    save(tx, &row).await?;
    events::of_review(tx, "review.submitted", &row).await?;
    Ok(row.id)
}

/// The title and text of a review, as they are kept.
fn check(submit: &Submit) -> Result<(Option<String>, Option<String>), ReviewError> {
    if !ratings::SCALE.contains(&submit.rating) {
        return Err(ReviewError::Invalid("rating", "must be 1 to 5"));
    }
    let title = submit.title.as_deref().map(|text| line(text, LONGEST_TITLE));
    let title = title
        .transpose()
        .map_err(|()| ReviewError::Invalid("title", "must be 1 to 100 characters on one line"))?;
    let body = submit.body.as_deref().map(|text| lines(text, LONGEST_BODY)).transpose();
    let body = body.map_err(|()| {
        ReviewError::Invalid(
            "body",
            "must be 1 to 5,000 characters, with no control characters but line breaks",
        )
    })?;
    Ok((title, body))
}

/// A text on one line.
pub(super) fn line(text: &str, longest: usize) -> Result<String, ()> {
    let text = text.trim();
    let fits = (1..=longest).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(()) }
}

/// A text in any number of lines.
pub(super) fn lines(text: &str, longest: usize) -> Result<String, ()> {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    let is_text = |character: char| !character.is_control() || character == '\n';
    let fits = (1..=longest).contains(&text.chars().count()) && text.chars().all(is_text);
    if fits { Ok(text.to_owned()) } else { Err(()) }
}

/// Who writes, locked, and about which order, if only about one.
async fn writer(tx: &Tx, by: By) -> Outcome<(Person, Option<OrderId>), ReviewError> {
    let (id, order) = match by {
        By::Customer(customer) => (PersonId::from(customer), None),
        By::Link(message) => match person::asked(tx.db(), message, tx.now()).await? {
            Some(asked) if asked.facts.order.is_some() => (asked.person, asked.facts.order),
            Some(_) | None => return refuse(ReviewError::TokenInvalid),
        },
    };
    match person::locked(tx.db(), id).await? {
        Some(person) => Ok((person, order)),
        None => refuse(ReviewError::TokenInvalid),
    }
}

/// The last order that brought somebody a product, of which something was kept.
async fn brought(
    tx: &Tx,
    person: &Person,
    product: ProductId,
    of_order: Option<OrderId>,
) -> Result<Option<OrderId>, Fault> {
    use order_line::Column as Line;

    let Some(product) = product::Entity::find_by_id(product).one(tx.db()).await? else { return Ok(None) };
    let of_line = |column: Line| Expr::col((order_line::Entity, column));
    let of_its_order = |column: order::Column| Expr::col((order::Entity, column));
    let buyer = if person.customer.is_some() { order::Column::CustomerId } else { order::Column::GuestId };
    let to_order: RelationDef =
        order_line::Entity::belongs_to(order::Entity).from(Line::OrderId).to(order::Column::Id).into();
    let mut query = order_line::Entity::find()
        .select_only()
        .column(Line::OrderId)
        .join(JoinType::InnerJoin, to_order)
        .filter(of_line(Line::Sku).eq(product.sku))
        .filter(of_line(Line::Returned).lt(of_line(Line::Quantity)))
        .filter(of_its_order(buyer).eq(person.id.0))
        .filter(of_its_order(order::Column::DeliveredAt).is_not_null())
        .filter(of_its_order(order::Column::State).ne(OrderState::Cancelled));
    if let Some(order) = of_order {
        query = query.filter(of_line(Line::OrderId).eq(order));
    }
    let found = query.order_by_desc(Line::Id).limit(1).into_tuple().one(tx.db()).await?;
    Ok(found)
}

const COLUMNS: &[&str] = &[
    "id",
    "product_id",
    "person_id",
    "order_id",
    "rating",
    "title",
    "body",
    "state",
    "revision",
    "submitted_at",
];

/// Writes a review, which is locked if it was there.
async fn save(tx: &Tx, row: &Model) -> Result<(), Fault> {
    let mut rows = Rows::new("reviews", COLUMNS);
    rows.push([
        row.id.0.into(),
        row.product_id.0.into(),
        row.person_id.0.into(),
        row.order_id.0.into(),
        row.rating.into(),
        row.title.clone().into(),
        row.body.clone().into(),
        row.state.to_value().into(),
        row.revision.into(),
        row.submitted_at.into(),
    ]);
    rows.insert_or_replace(tx.db()).await
}

/// Publishes or rejects a review. What it earned when it was first published stays, whatever becomes of it.
pub(super) async fn moderate(tx: &Tx, moderate: &Moderate) -> Outcome<ReviewId, ReviewError> {
    let reason = moderate.reason.as_deref().map(|text| lines(text, LONGEST_ANSWER)).transpose();
    let Ok(reason) = reason else {
        return refuse(ReviewError::Invalid("reason", "must be 1 to 2,000 characters"));
    };
    let row = locked(tx, moderate.review).await?;
    if row.revision != moderate.revision {
        return refuse(ReviewError::Changed);
    }
    let state = if moderate.publish { ReviewState::Published } else { ReviewState::Rejected };
    if row.state == state {
        return refuse(ReviewError::WrongState(state));
    }
    let published_at = row.published_at.or(moderate.publish.then(|| tx.now()));
    Entity::update_many()
        .col_expr(Column::State, Expr::val(state.to_value()))
        .col_expr(Column::PublishedAt, Expr::val(published_at))
        .col_expr(Column::ModeratedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(row.id))
        .exec(tx.db())
        .await?;
    let (before, after) = (row.state.to_value(), state.to_value());
    let detail = json!({ "reason": reason, "before": before, "after": after, "revision": row.revision });
    let customer = audited(tx, "review.moderate", &row, detail).await?;
    match state {
        ReviewState::Published => {
            ratings::add(tx, row.product_id, row.rating).await?;
            events::of_review(tx, "review.published", &row).await?;
            if let Some(customer) = customer.filter(|_| row.published_at.is_none()) {
                earned::credit(tx, customer, "review.published").await?;
            }
        }
        ReviewState::Pending | ReviewState::Rejected => {
            if row.state == ReviewState::Published {
                ratings::take(tx, row.product_id, row.rating).await?;
            }
        }
    }
    Ok(row.id)
}

/// Says something to a review, in place of what was said before.
pub(super) async fn answer(tx: &Tx, answer: &Answer) -> Outcome<ReviewId, ReviewError> {
    let text = answer.text.as_deref().map(|text| lines(text, LONGEST_ANSWER)).transpose();
    let Ok(text) = text else {
        let problem = "must be 1 to 2,000 characters, with no control characters but line breaks";
        return refuse(ReviewError::Invalid("answer", problem));
    };
    let row = locked(tx, answer.review).await?;
    let by = answer.by.filter(|_| text.is_some());
    Entity::update_many()
        .col_expr(Column::Answer, Expr::val(text.clone()))
        .col_expr(Column::AnsweredBy, Expr::val(by))
        .col_expr(Column::AnsweredAt, Expr::val(text.is_some().then(|| tx.now())))
        .filter(Column::Id.eq(row.id))
        .exec(tx.db())
        .await?;
    let detail = json!({ "before": { "answer": row.answer }, "after": { "answer": text } });
    audited(tx, "review.answer", &row, detail).await?;
    Ok(row.id)
}

/// The review, locked.
async fn locked(tx: &Tx, id: Option<ReviewId>) -> Outcome<Model, ReviewError> {
    let Some(id) = id else { return refuse(ReviewError::NotFound) };
    match Entity::find_by_id(id).lock_exclusive().one(tx.db()).await? {
        Some(row) => Ok(row),
        None => refuse(ReviewError::NotFound),
    }
}

/// Leaves an entry; answers whose review it is, if a customer's.
async fn audited(tx: &Tx, act: &'static str, row: &Model, detail: Json) -> Result<Option<CustomerId>, Fault> {
    let customer = person::customer(tx.db(), row.person_id).await?;
    let subject = Some(("Review", row.id.0));
    audit::record(tx, [Entry { act, subject, customer, detail }]).await?;
    Ok(customer)
}

/// How a writer is named in public: by the first name, if the name begins with something that looks like one.
pub(super) fn author(name: Option<&str>) -> &str {
    let first = name.and_then(|name| name.split_whitespace().next()).unwrap_or_default();
    let is_name = |character: char| character.is_alphabetic() || matches!(character, '-' | '\'' | '’' | '.');
    // Part of a public page: neither an address nor anything that was put where a name belongs.
    let fits = first.chars().count() <= 40
        && first.chars().all(is_name)
        && !first.trim_end_matches('.').contains('.');
    if fits && first.chars().any(char::is_alphabetic) { first } else { "Customer" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_named_by_the_first_name_only() {
        for (name, shown) in [
            (Some("Anna de Vries"), "Anna"),
            (Some("  Jean-Luc Picard"), "Jean-Luc"),
            (Some("דנה לוי"), "דנה"),
            (Some("J. Jansen"), "J."),
            (Some("anna@example.org"), "Customer"),
            (Some("example.org"), "Customer"),
            (Some("+31201234567"), "Customer"),
            (Some("<b>Anna</b>"), "Customer"),
            (Some("..."), "Customer"),
            (Some(" "), "Customer"),
            (None, "Customer"),
        ] {
            assert_eq!(author(name), shown, "{name:?}");
        }
    }

    #[test]
    fn a_text_is_trimmed_and_has_no_control_characters() {
        assert_eq!(line(" Good \n", 4), Ok("Good".to_owned()));
        assert_eq!(lines(" a\r\nb ", 3), Ok("a\nb".to_owned()));
        for bad in ["", "  ", "toolong", "a\u{0}"] {
            assert_eq!(line(bad, 5), Err(()), "{bad:?}");
        }
        assert_eq!(line("a\nb", 5), Err(()));
        assert_eq!(lines("a\u{7}", 5), Err(()));
    }
}
