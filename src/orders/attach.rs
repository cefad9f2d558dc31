//! Orders become another's: a guest proved the mailbox, or two customers turned out to be one.

use entity::id::{CustomerId, GuestId};
use entity::order::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::delivery::orders as slots;
use crate::error::Fault;
use crate::tx::Tx;

/// Moves every order of `guest` to `customer`; answers how many. To be called before the points move, since a payment
/// locks its order before the account.
pub(crate) async fn attach(tx: &Tx, guest: GuestId, customer: CustomerId) -> Result<u64, Fault> {
    let moved = Entity::update_many()
        .col_expr(Column::CustomerId, Expr::val(Some(customer)))
        .col_expr(Column::GuestId, Expr::val(None::<GuestId>))
        .filter(Column::GuestId.eq(guest))
        .exec(tx.db())
        .await?;
    if moved.rows_affected > 0 {
        slots::attached(tx, customer).await?;
    }
    Ok(moved.rows_affected)
}

/// Moves every order of `from` to `into`; before the points move, as above.
pub(crate) async fn reassign(tx: &Tx, from: CustomerId, into: CustomerId) -> Result<u64, Fault> {
    let moved = Entity::update_many()
        .col_expr(Column::CustomerId, Expr::val(Some(into)))
        .filter(Column::CustomerId.eq(from))
        .exec(tx.db())
        .await?;
    Ok(moved.rows_affected)
}
