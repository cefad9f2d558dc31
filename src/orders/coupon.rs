//! What an order tells of its coupon.

use entity::id::OrderId;
use entity::order::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::error::Fault;
use crate::rewards::orders as coupons;
use crate::tx::Tx;

/// The order is paid: its coupon is used for good, or the order tells why it could not be any more.
pub(super) async fn paid(tx: &Tx, order: OrderId) -> Result<(), Fault> {
    match coupons::paid(tx, order).await? {
        Some(refusal) => refused(tx, order, refusal).await,
        None => Ok(()),
    }
}

/// Its coupon could not be used, which it tells with the reason.
pub(super) async fn refused(tx: &Tx, order: OrderId, refusal: &'static str) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::CouponRefusal, Expr::val(refusal))
        .filter(Column::Id.eq(order))
        .exec(tx.db())
        .await?;
    Ok(())
}
