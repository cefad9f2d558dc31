//! Finding one order to change it, and moving its state.

use entity::Instant;
use entity::id::OrderId;
use entity::order::{Column, Entity, Model, OrderState};
use entity::order_line;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};
use serde::Serialize;

use super::OrderError;
use crate::error::{Fault, Outcome, refuse};
use crate::points::orders::Owner;
use crate::tx::Tx;

/// An order by one of its two names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum OrderRef {
    /// By our id.
    Id(OrderId),
    /// By the shop's.
    External(String),
}

/// The order as it is now.
pub(super) async fn find(db: &impl ConnectionTrait, order: &OrderRef) -> Result<Option<Model>, Fault> {
    Ok(which(order).one(db).await?)
}

fn which(order: &OrderRef) -> Select<Entity> {
    match order {
        OrderRef::Id(id) => Entity::find_by_id(*id),
        OrderRef::External(id) => Entity::find().filter(Column::ExternalId.eq(id.as_str())),
    }
}

/// The order, locked until the transaction ends.
pub(super) async fn locked(tx: &Tx, order: &OrderRef) -> Outcome<Model, OrderError> {
    match which(order).lock_exclusive().one(tx.db()).await? {
        Some(order) => Ok(order),
        None => refuse(OrderError::NotFound),
    }
}

/// The order's lines by position.
pub(super) async fn lines_of(tx: &Tx, order: OrderId) -> Result<Vec<order_line::Model>, Fault> {
    let query = order_line::Entity::find().filter(order_line::Column::OrderId.eq(order));
    Ok(query.order_by_asc(order_line::Column::Position).all(tx.db()).await?)
}

/// Whose the order is.
pub(super) fn owner_of(order: &Model) -> Result<Owner, Fault> {
    match (order.customer_id, order.guest_id) {
        (Some(customer), None) => Ok(Owner::Customer(customer)),
        (None, Some(guest)) => Ok(Owner::Guest(guest)),
        (Some(_), Some(_)) | (None, None) => Err(Fault::internal("an order without one owner")),
    }
}

/// Moves the order from the state it was read in to `to`, and writes down when.
pub(super) async fn move_to(
    tx: &Tx,
    order: &Model,
    to: OrderState,
    instant: Column,
    at: Instant,
) -> Result<(), Fault> {
    let moved = Entity::update_many()
        .col_expr(Column::State, Expr::val(to.to_value()))
        .col_expr(instant, Expr::val(at))
        .filter(Column::Id.eq(order.id).and(Column::State.eq(order.state)))
        .exec(tx.db())
        .await?;
    if moved.rows_affected == 1 { Ok(()) } else { Err(Fault::internal("a locked order changed its state")) }
}
