//! Customers who wait for products that cannot be bought: whoever asks is on the list once, until the product is back.

use std::collections::HashMap;

use entity::id::{CustomerId, ProductId};
use entity::points_entry::ActorKind;
use entity::waitlist_entry::{Column, Entity, Model};
use entity::{customer, product};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::Serialize;
use serde_json::json;

use super::entitled;
use super::rules::{Visibility, in_stock};
use crate::audit::{self, Entry};
use crate::customers::write::locked;
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::{Fault, Outcome, refuse};
use crate::tx::Tx;

/// Products that a customer may wait for at once.
pub(crate) const MOST: u64 = 100;

/// Who waits for what.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Wait {
    /// None if the id that was given is nobody's, or not the caller's.
    pub(crate) customer: Option<CustomerId>,
    /// None if the id that was given is no product's.
    pub(crate) product: Option<ProductId>,
    /// Whether the caller may know of products that are not public.
    pub(crate) sees_all: bool,
}

/// Why the list stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitlistError {
    /// No such customer, or not the caller's.
    CustomerNotFound,
    /// No such product, or not to be seen by the caller.
    ProductNotFound,
    /// It can be bought now.
    Available,
    /// The customer waits for as many products as one may.
    Limit,
}

/// Puts a customer on the list of a product; who waits already keeps the place. Answers who that is.
pub(crate) async fn join(tx: &Tx, wait: &Wait) -> Outcome<CustomerId, WaitlistError> {
    let Some(customer) = customer(tx, wait).await? else { return refuse(WaitlistError::CustomerNotFound) };
    let Some(id) = wait.product else { return refuse(WaitlistError::ProductNotFound) };
    // Held, so that it does not come back between the look at it and the entry.
    let found = product::Entity::find_by_id(id).lock_shared().one(tx.db()).await?;
    let early = entitled(tx.db(), tx.settings(), tx.now(), [customer]).await?;
    let early = early.get(&customer).cloned().unwrap_or_default();
    let seen = |product: &product::Model| early.visibility(product, tx.now()) != Visibility::Hidden;
    let Some(product) = found.filter(|product| wait.sees_all || seen(product)) else {
        return refuse(WaitlistError::ProductNotFound);
    };
    let before = entry(tx, customer, id).await?;
    if before.as_ref().is_some_and(|entry| entry.round == product.restocks) {
        return Ok(customer);
    }
    if seen(&product) && in_stock(&product) {
        return refuse(WaitlistError::Available);
    }
    if count(tx.db(), Column::CustomerId.eq(customer)).await? >= MOST {
        return refuse(WaitlistError::Limit);
    }
    if let Some(before) = before {
        Entity::update_many()
            .col_expr(Column::Round, Expr::val(product.restocks))
            .col_expr(Column::JoinedAt, Expr::val(tx.now()))
            .filter(Column::Id.eq(before.id))
            .exec(tx.db())
            .await?;
    } else {
        let mut rows =
            Rows::new("waitlist_entries", &["id", "product_id", "customer_id", "round", "joined_at"]);
        let (entry, round) = (tx.id::<uuid::Uuid>(), product.restocks);
        rows.push([entry.into(), id.0.into(), customer.0.into(), round.into(), tx.now().into()]);
        rows.insert(tx.db()).await?;
    }
    audited(tx, "customer.waitlist.join", customer, id).await?;
    Ok(customer)
}

/// Takes a customer off the list of a product; who is not on it stays so. Answers who that is.
pub(crate) async fn leave(tx: &Tx, wait: &Wait) -> Outcome<CustomerId, WaitlistError> {
    let Some(customer) = customer(tx, wait).await? else { return refuse(WaitlistError::CustomerNotFound) };
    let Some(id) = wait.product else { return refuse(WaitlistError::ProductNotFound) };
    let left = Entity::delete_many()
        .filter(Column::CustomerId.eq(customer).and(Column::ProductId.eq(id)))
        .exec(tx.db())
        .await?;
    if left.rows_affected == 0 {
        let found = product::Entity::find_by_id(id).one(tx.db()).await?;
        // Who waited may leave, whether the product can be seen still or not; to others it is as if it were not.
        let early = entitled(tx.db(), tx.settings(), tx.now(), [customer]).await?;
        let early = early.get(&customer).cloned().unwrap_or_default();
        let seen = |product: product::Model| early.visibility(&product, tx.now()) != Visibility::Hidden;
        if !found.is_some_and(|product| wait.sees_all || seen(product)) {
            return refuse(WaitlistError::ProductNotFound);
        }
        return Ok(customer);
    }
    audited(tx, "customer.waitlist.leave", customer, id).await?;
    Ok(customer)
}

/// The customer, locked, so that two who join at once are counted one after the other.
async fn customer(tx: &Tx, wait: &Wait) -> Result<Option<CustomerId>, Fault> {
    match wait.customer {
        Some(id) => Ok(locked(tx, id).await?.map(|row: customer::Model| row.id)),
        None => Ok(None),
    }
}

async fn entry(tx: &Tx, customer: CustomerId, product: ProductId) -> Result<Option<Model>, Fault> {
    let theirs = Column::CustomerId.eq(customer).and(Column::ProductId.eq(product));
    Ok(Entity::find().filter(theirs).one(tx.db()).await?)
}

/// Entries whose round has not ended.
pub(super) fn waits() -> Expr {
    let round = Expr::col((product::Entity, product::Column::Restocks)).equals((Entity, Column::Round));
    let its = Expr::col((product::Entity, product::Column::Id)).equals((Entity, Column::ProductId));
    let product =
        Query::select().expr(Expr::val(1)).from(product::Entity).and_where(its).and_where(round).take();
    Expr::exists(product)
}

/// How many of these wait.
pub(crate) async fn count(db: &impl ConnectionTrait, which: Expr) -> Result<u64, Fault> {
    Ok(Entity::find().filter(which).filter(waits()).count(db).await?)
}

/// What these customers wait for, what they asked for last first.
pub(crate) async fn of_customers(
    db: &impl ConnectionTrait,
    customers: impl IntoIterator<Item = CustomerId>,
) -> Result<Vec<Model>, Fault> {
    let among = is_among(db.get_database_backend(), "customer_id", customers.into_iter().map(|id| id.0));
    let query = Entity::find().filter(among).filter(waits());
    Ok(query.order_by_desc(Column::JoinedAt).order_by_desc(Column::Id).all(db).await?)
}

/// Gives `into` the places of `from`; of two for one product, the one in the later round, and of those the older, stays.
/// Both customers are locked.
pub(crate) async fn reassign(tx: &Tx, from: CustomerId, into: CustomerId) -> Result<(), Fault> {
    let backend = tx.db().get_database_backend();
    let both = Entity::find().filter(is_among(backend, "customer_id", [from.0, into.0]));
    let rows = both.lock_exclusive().all(tx.db()).await?;
    let mut kept: HashMap<ProductId, &Model> = HashMap::new();
    let mut dropped = Vec::new();
    for row in &rows {
        let Some(other) = kept.insert(row.product_id, row) else { continue };
        let is_better = (row.round, other.joined_at) > (other.round, row.joined_at);
        let (better, worse) = if is_better { (row, other) } else { (other, row) };
        kept.insert(row.product_id, better);
        dropped.push(worse.id.0);
    }
    // First, since a customer is on a list once.
    Entity::delete_many().filter(is_among(backend, "id", dropped)).exec(tx.db()).await?;
    Entity::update_many()
        .col_expr(Column::CustomerId, Expr::val(into))
        .filter(Column::CustomerId.eq(from))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Leaves an entry if staff did it.
async fn audited(tx: &Tx, act: &'static str, customer: CustomerId, product: ProductId) -> Result<(), Fault> {
    if tx.caller().actor.kind != ActorKind::Staff {
        return Ok(());
    }
    audit::record(tx, [Entry::of_customer(act, customer, json!({ "productId": product }))]).await
}
