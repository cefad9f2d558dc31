//! Pieces come and go: by guarded update, so that two who take the last one at once do not both get it.

use entity::id::ProductId;
use entity::points_entry::ActorKind;
use entity::product::{Column, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};
use serde::Serialize;
use serde_json::json;
use thiserror::Error;

use super::release::announce;
use crate::audit::{self, Entry};
use crate::error::{Fault, Outcome, refuse};
use crate::orders::rules::visible;
use crate::tx::Tx;

/// Pieces that came or went.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StockAdjust {
    /// Of which product.
    pub(crate) sku: String,
    /// How many came; went, if below 0.
    pub(crate) delta: i32,
}

/// Why the stock stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StockError {
    /// Nothing, or more than is ever kept.
    #[error("delta must be 1 to 2147483647, or the same below 0.")]
    InvalidDelta,
    /// No such product.
    #[error("There is no such product.")]
    NotFound,
    /// The stock of the product is not kept.
    #[error("The stock of this product is not kept.")]
    NotKept,
    /// Fewer are left than are to go.
    #[error("Only {left} are left.")]
    TooFew {
        /// Pieces.
        left: i32,
    },
    /// There would be more than can be counted.
    #[error("There are {there} already, and 2147483647 at most.")]
    TooMany {
        /// Pieces.
        there: i32,
    },
}

/// Adds to the stock or takes from it.
pub(crate) async fn adjust(tx: &Tx, adjust: &StockAdjust) -> Outcome<ProductId, StockError> {
    let StockAdjust { sku, delta } = adjust;
    if *delta == 0 || *delta == i32::MIN {
        return refuse(StockError::InvalidDelta);
    }
    if visible(sku).is_err() {
        return refuse(StockError::NotFound);
    }
    // Compared before anything is added up: a sum may be more than a column holds.
    let fits = if *delta < 0 { Column::Stock.gte(-*delta) } else { Column::Stock.lte(i32::MAX - *delta) };
    let adjusted = Entity::update_many()
        .col_expr(Column::Stock, Expr::col(Column::Stock).add(*delta))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Sku.eq(sku.as_str()).and(fits))
        .exec(tx.db())
        .await?;
    let found = Entity::find().filter(Column::Sku.eq(sku.as_str())).one(tx.db()).await?;
    let Some(product) = found else { return refuse(StockError::NotFound) };
    if adjusted.rows_affected == 0 {
        return refuse(refusal(&product, *delta));
    }
    announce(tx, std::iter::once(&product)).await?;
    audited(tx, &product, *delta).await?;
    Ok(product.id)
}

fn refusal(product: &Model, delta: i32) -> StockError {
    match product.stock {
        None => StockError::NotKept,
        Some(left) if delta < 0 => StockError::TooFew { left },
        Some(there) => StockError::TooMany { there },
    }
}

async fn audited(tx: &Tx, product: &Model, delta: i32) -> Result<(), Fault> {
    if tx.caller().actor.kind != ActorKind::Staff {
        return Ok(());
    }
    let before = product.stock.map(|stock| stock - delta);
    let detail = json!({ "before": { "stock": before }, "after": { "stock": product.stock } });
    audit::record(tx, [Entry::of("product.stock_adjust", "Product", product.id.0, detail)]).await
}
