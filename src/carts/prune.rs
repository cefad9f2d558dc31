//! Forgetting carts that were bought long ago.

use chrono::TimeDelta;
use entity::cart::{Column, Entity};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use crate::app::App;
use crate::error::Fault;
use crate::tx::Tx;

/// Rows one transaction deletes.
const BITE: u64 = 500;
/// Closed carts are kept so long.
const KEPT: TimeDelta = TimeDelta::days(90);

/// Forgets the carts that were closed so long ago.
pub(crate) async fn run(app: &App) -> Result<(), Fault> {
    while app.change(&(), closed).await? == BITE {}
    Ok(())
}

async fn closed(tx: &Tx, (): &()) -> Result<u64, Fault> {
    let old = Column::ClosedAt.lt(tx.now() - KEPT);
    let ids = Query::select().column(Column::Id).from(Entity).and_where(old).limit(BITE).take();
    let deleted = Entity::delete_many().filter(Expr::col(Column::Id).in_subquery(ids)).exec(tx.db()).await?;
    Ok(deleted.rows_affected)
}
