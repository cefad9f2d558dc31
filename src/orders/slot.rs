//! What an order tells of its place in a delivery slot.

use entity::id::OrderId;
use entity::order::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::delivery::orders::Refusal;
use crate::error::Fault;
use crate::tx::Tx;

/// It has no place in the slot that it was to have, which it tells with the reason.
pub(super) async fn refused(tx: &Tx, order: OrderId, refusal: Refusal) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::DeliverySlotRefusal, Expr::val(refusal.name()))
        .filter(Column::Id.eq(order))
        .exec(tx.db())
        .await?;
    Ok(())
}
