//! Forgetting what has ended: challenges, sessions and their tokens, idempotency keys, retired keys of the server. Once
//! a day, in small bites.

use chrono::TimeDelta;
use entity::mailbox_challenge::Purpose;
use entity::{idempotency_key, mailbox_challenge, refresh_token, session};
use sea_orm::sea_query::{Expr, Order, Query, SelectStatement, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use super::rotation;
use crate::app::App;
use crate::error::Fault;
use crate::tx::Tx;

/// The kind of the job.
pub(crate) const KIND: &str = "auth.prune";
/// At night, off the full hour.
pub(crate) const SCHEDULE: &str = "0 17 3 * * *";
/// Rows one transaction deletes.
const BITE: u64 = 500;
/// Idempotency keys are kept so long; so are revoked sessions, for whoever asks what happened.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Invitations are remembered so long.
const INVITATIONS_KEPT: TimeDelta = TimeDelta::days(365);

/// Deletes all that has ended.
pub(crate) async fn run(app: &App) -> Result<(), Fault> {
    // The caps of a mailbox look back a day.
    while app.change(&(), challenges).await? == BITE {}
    while app.change(&(), tokens).await? == BITE {}
    while app.change(&(), sessions).await? == BITE {}
    while app.change(&(), idempotency_keys).await? == BITE {}
    app.change(&(), rotation::forget_retired).await?;
    Ok(())
}

async fn challenges(tx: &Tx, (): &()) -> Result<u64, Fault> {
    use mailbox_challenge::{Column, Entity};
    // Whom staff prepared an account for is found by the invitation, however late they come.
    let is_invitation = Column::Purpose.eq(Purpose::Invitation);
    let ended = Column::ExpiresAt
        .lt(tx.now() - INVITATIONS_KEPT)
        .or(Column::ExpiresAt.lt(tx.now() - TimeDelta::days(1)).and(is_invitation.not()));
    let ids = bite(Query::select().column(Column::Id).from(Entity).and_where(ended));
    let deleted = Entity::delete_many().filter(Expr::col(Column::Id).in_subquery(ids)).exec(tx.db()).await?;
    Ok(deleted.rows_affected)
}

async fn tokens(tx: &Tx, (): &()) -> Result<u64, Fault> {
    use refresh_token::{Column, Entity};
    let ended = Column::ExpiresAt.lt(tx.now());
    let hashes = bite(Query::select().column(Column::Hash).from(Entity).and_where(ended));
    let which = Expr::col(Column::Hash).in_subquery(hashes);
    Ok(Entity::delete_many().filter(which).exec(tx.db()).await?.rows_affected)
}

async fn sessions(tx: &Tx, (): &()) -> Result<u64, Fault> {
    use session::{Column, Entity};
    let ended: SimpleExpr = Column::ExpiresAt.lt(tx.now()).or(Column::RevokedAt.lt(tx.now() - KEPT));
    // In order, so that both statements mean the same rows.
    let mut ids = Query::select().column(Column::Id).from(Entity).and_where(ended).take();
    let ids = bite(ids.order_by(Column::Id, Order::Asc));
    let theirs = Expr::col(refresh_token::Column::SessionId).in_subquery(ids.clone());
    refresh_token::Entity::delete_many().filter(theirs).exec(tx.db()).await?;
    let deleted = Entity::delete_many().filter(Expr::col(Column::Id).in_subquery(ids)).exec(tx.db()).await?;
    Ok(deleted.rows_affected)
}

async fn idempotency_keys(tx: &Tx, (): &()) -> Result<u64, Fault> {
    use idempotency_key::{Column, Entity};
    let old = Column::CreatedAt.lt(tx.now() - KEPT);
    let keys = bite(Query::select().columns([Column::Scope, Column::Key]).from(Entity).and_where(old));
    let which = Expr::tuple([Expr::col(Column::Scope), Expr::col(Column::Key)]).in_subquery(keys);
    Ok(Entity::delete_many().filter(which).exec(tx.db()).await?.rows_affected)
}

fn bite(query: &mut SelectStatement) -> SelectStatement {
    query.limit(BITE).take()
}
