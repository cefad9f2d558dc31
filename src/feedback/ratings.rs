//! How many published reviews give a product which rating: counters, moved in the transaction that publishes or rejects.

use std::collections::HashMap;

use entity::id::ProductId;
use entity::product_rating::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter};

use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::tx::Tx;

/// The ratings there are.
pub(super) const SCALE: std::ops::RangeInclusive<i32> = 1..=5;

/// One more published review gives this rating.
pub(super) async fn add(tx: &Tx, product: ProductId, rating: i32) -> Result<(), Fault> {
    let mut rows = Rows::new("product_ratings", &["product_id", "rating", "count"]);
    rows.push([product.0.into(), rating.into(), 1_i32.into()]);
    rows.insert_or_add(tx.db(), &["product_id", "rating"]).await
}

/// One less does.
pub(super) async fn take(tx: &Tx, product: ProductId, rating: i32) -> Result<(), Fault> {
    let which = Column::ProductId.eq(product).and(Column::Rating.eq(rating)).and(Column::Count.gt(0));
    let taken = Entity::update_many()
        .col_expr(Column::Count, Expr::col(Column::Count).sub(1))
        .filter(which)
        .exec(tx.db())
        .await?;
    if taken.rows_affected == 1 {
        return Ok(());
    }
    Err(Fault::internal("a published review was not counted"))
}

/// How many published reviews give which rating, by product.
pub(super) async fn of_products(
    db: &impl ConnectionTrait,
    products: impl IntoIterator<Item = ProductId>,
) -> Result<HashMap<ProductId, Vec<(i32, i32)>>, Fault> {
    let among = is_among(db.get_database_backend(), "product_id", products.into_iter().map(|id| id.0));
    let mut found: HashMap<ProductId, Vec<(i32, i32)>> = HashMap::new();
    for row in Entity::find().filter(among).all(db).await? {
        found.entry(row.product_id).or_default().push((row.rating, row.count));
    }
    Ok(found)
}
