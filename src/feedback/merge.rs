//! Feedback of somebody who turned out to be another: a guest who proved the mailbox, or a customer who was merged.

use std::collections::HashMap;

use entity::id::{CustomerId, PersonId, ProductId};
use entity::review::{Column, Entity, Model, ReviewState};
use entity::survey_answer;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::ratings;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::tx::Tx;

/// Gives `into` the reviews and answers of `from`; both are locked. Of two reviews of one product the published one stays,
/// else the one that was written last. To be called before the points move, since publishing locks its review before the
/// account.
pub(crate) async fn follow(tx: &Tx, from: PersonId, into: CustomerId) -> Result<(), Fault> {
    let backend = tx.db().get_database_backend();
    let into = PersonId::from(into);
    let both = Entity::find().filter(is_among(backend, "person_id", [from.0, into.0]));
    let rows = both.order_by_asc(Column::Id).lock_exclusive().all(tx.db()).await?;
    let mut kept: HashMap<ProductId, &Model> = HashMap::new();
    let mut pairs = Vec::new();
    for row in &rows {
        let Some(other) = kept.get(&row.product_id).copied() else {
            kept.insert(row.product_id, row);
            continue;
        };
        let (stays, goes) = if weight(row) > weight(other) { (row, other) } else { (other, row) };
        kept.insert(row.product_id, stays);
        pairs.push((stays, goes));
    }
    // Counters are locked in one order everywhere.
    pairs.sort_by_key(|(_, goes)| (goes.product_id, goes.rating));
    for (stays, goes) in pairs {
        drop_one(tx, stays, goes).await?;
    }
    Entity::update_many()
        .col_expr(Column::PersonId, Expr::val(into))
        .filter(Column::PersonId.eq(from))
        .exec(tx.db())
        .await?;
    survey_answer::Entity::update_many()
        .col_expr(survey_answer::Column::PersonId, Expr::val(into))
        .filter(survey_answer::Column::PersonId.eq(from))
        .exec(tx.db())
        .await?;
    Ok(())
}

fn weight(row: &Model) -> (bool, entity::Instant) {
    (row.state == ReviewState::Published, row.submitted_at)
}

/// Drops the second of two reviews of a product; if it was published once, the product has earned what it may.
async fn drop_one(tx: &Tx, stays: &Model, goes: &Model) -> Result<(), Fault> {
    Entity::delete_by_id(goes.id).exec(tx.db()).await?;
    let published = stays.published_at.into_iter().chain(goes.published_at).min();
    Entity::update_many()
        .col_expr(Column::PublishedAt, Expr::val(published))
        .filter(Column::Id.eq(stays.id))
        .exec(tx.db())
        .await?;
    if goes.state == ReviewState::Published {
        ratings::take(tx, goes.product_id, goes.rating).await?;
    }
    Ok(())
}
