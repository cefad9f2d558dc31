//! What people wait for comes: stock where there was none, or the instant from which everybody sees a product.
//!
//! `product.back_in_stock` is told once for each product and time, with its id, the round that ended and how many waited in
//! it. Nothing is written for those who wait, however many they are: an entry waits while its round is the product's.

use entity::Instant;
use entity::id::ProductId;
use entity::product::{Column, Entity, Model};
use entity::waitlist_entry::{self, Column as Entry};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;

use super::rules::is_available;
use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::outbox::{self, Event};
use crate::tx::Tx;

/// The recurring job that acts on instants that have come.
pub(crate) const KIND: &str = "catalog.release";
/// Every minute.
pub(crate) const SCHEDULE: &str = "5 * * * * *";
/// Products of one transaction.
const BITE: u64 = 200;

/// Ends the round of those of these products that can be bought and that somebody waits for; they are locked, as they are
/// now.
pub(super) async fn announce(tx: &Tx, products: impl Iterator<Item = &Model>) -> Result<(), Fault> {
    let now = tx.now();
    let available: Vec<ProductId> =
        products.filter(|product| is_available(product, now)).map(|product| product.id).collect();
    let waiting = waiting(tx, &available).await?;
    if waiting.is_empty() {
        return Ok(());
    }
    let backend = tx.db().get_database_backend();
    Entity::update_many()
        .col_expr(Column::Restocks, Expr::col(Column::Restocks).add(1))
        .filter(is_among(backend, "id", waiting.iter().map(|(id, ..)| id.0)))
        .exec(tx.db())
        .await?;
    outbox::emit(tx, waiting.into_iter().map(|(product, round, count)| event(product, round, count, now)))
        .await
}

fn event(product: ProductId, round: i32, waiting: i64, now: Instant) -> Event {
    Event {
        topic: "product.back_in_stock",
        aggregate_id: product.0,
        payload: json!({ "productId": product, "round": round, "waiting": waiting }),
        imported: false,
        occurred_at: now,
    }
}

/// For which of these products somebody waits, in which round, and how many they are.
async fn waiting(tx: &Tx, products: &[ProductId]) -> Result<Vec<(ProductId, i32, i64)>, Fault> {
    if products.is_empty() {
        return Ok(Vec::new());
    }
    let among = is_among(tx.db().get_database_backend(), "product_id", products.iter().map(|id| id.0));
    let found = waitlist_entry::Entity::find()
        .select_only()
        .columns([Entry::ProductId, Entry::Round])
        .column_as(Entry::Id.count(), "waiting")
        .filter(among)
        .filter(super::waitlist::waits())
        .group_by(Entry::ProductId)
        .group_by(Entry::Round)
        .order_by_asc(Entry::ProductId);
    Ok(found.into_tuple().all(tx.db()).await?)
}

/// Acts on every instant of a release that has come.
pub(crate) async fn run(app: &App) -> Result<(), Fault> {
    while app.change(&(), release).await? == BITE {}
    Ok(())
}

async fn release(tx: &Tx, (): &()) -> Result<u64, Fault> {
    let due: Vec<ProductId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::ReleasesAt.lte(tx.clock_now()))
        .order_by_asc(Column::ReleasesAt)
        .limit(BITE)
        .into_tuple()
        .all(tx.db())
        .await?;
    if due.is_empty() {
        return Ok(0);
    }
    let among = is_among(tx.db().get_database_backend(), "id", due.iter().map(|id| id.0));
    let rows = Entity::find().filter(among).order_by_asc(Column::Sku).lock_exclusive().all(tx.db()).await?;
    // Read again behind the lock: the shop may have put it off.
    let released = || rows.iter().filter(|row| row.releases_at.is_some_and(|at| at <= tx.now()));
    announce(tx, released()).await?;
    Entity::update_many()
        .col_expr(Column::ReleasesAt, Expr::val(None::<Instant>))
        .filter(is_among(tx.db().get_database_backend(), "id", released().map(|row| row.id.0)))
        .exec(tx.db())
        .await?;
    Ok(u64::try_from(due.len())?)
}
