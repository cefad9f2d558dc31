//! Forgetting confirmations that nobody gave, or that were given long ago: what was said is kept apart from them.

use chrono::TimeDelta;
use entity::consent_request::{Column, Entity};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use crate::app::App;
use crate::error::Fault;
use crate::tx::Tx;

/// Rows one transaction deletes.
const BITE: u64 = 500;
/// So long after its end a link is still answered with what became of it.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Deletes what has ended.
pub(crate) async fn prune(app: &App) -> Result<(), Fault> {
    while app.change(&(), bite).await? == BITE {}
    Ok(())
}

async fn bite(tx: &Tx, (): &()) -> Result<u64, Fault> {
    let ended = Column::ExpiresAt.lt(tx.now() - KEPT);
    let ids = Query::select().column(Column::Id).from(Entity).and_where(ended).limit(BITE).take();
    let deleted = Entity::delete_many().filter(Expr::col(Column::Id).in_subquery(ids)).exec(tx.db()).await?;
    Ok(deleted.rows_affected)
}
