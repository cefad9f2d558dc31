//! What an order tells of products that its buyer could not order yet.

use entity::id::OrderId;
use entity::order::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::catalog::{Ordered, not_yet};
use crate::error::Fault;
use crate::tx::Tx;

/// The order exists, whatever is in it: those that have such products tell which.
pub(super) async fn mark(tx: &Tx, placed: Vec<(OrderId, Ordered<'_>)>) -> Result<(), Fault> {
    let (ids, ordered): (Vec<OrderId>, Vec<Ordered<'_>>) = placed.into_iter().unzip();
    let found = not_yet(tx.db(), tx.settings(), &ordered).await?;
    for (order, skus) in ids.into_iter().zip(found).filter(|(_, skus)| !skus.is_empty()) {
        Entity::update_many()
            .col_expr(Column::NotYetOrderable, Expr::val(serde_json::to_value(&skus)?))
            .filter(Column::Id.eq(order))
            .exec(tx.db())
            .await?;
    }
    Ok(())
}
