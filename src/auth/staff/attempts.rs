//! How often a member of staff may give a wrong second factor: five times, then not for a quarter of an hour. It counts once
//! the password was right, so that nobody shuts a member out without it.
//!
//! A try is counted before it is looked at, so that tries at once are no way around the limit.

use chrono::TimeDelta;
use entity::id::StaffId;
use entity::staff::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use super::Rejected;
use crate::error::{Fault, Outcome, refuse};
use crate::tx::Tx;

/// Wrong tries before none is looked at.
const MOST: i32 = 5;
/// For so long none is looked at, and after so long without one the wrong ones are forgotten.
const QUIET: TimeDelta = TimeDelta::minutes(15);

/// Counts a try that is about to be looked at; refuses if there were too many.
pub(crate) async fn count<R: From<Rejected>>(tx: &Tx, member: StaffId) -> Outcome<(), R> {
    let forgotten = Column::FailedAt.is_null().or(Column::FailedAt.lte(tx.now() - QUIET));
    let next = Expr::case(forgotten.clone(), 1).finally(Expr::col(Column::FailedAttempts).add(1));
    let counted = Entity::update_many()
        .col_expr(Column::FailedAttempts, next.into())
        .col_expr(Column::FailedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(member))
        .filter(forgotten.or(Column::FailedAttempts.lt(MOST)))
        .exec(tx.db())
        .await?;
    if counted.rows_affected == 1 { Ok(()) } else { refuse(Rejected::TooMany) }
}

/// Everything that was asked for was right: the wrong tries before it are forgotten.
pub(crate) async fn forget(tx: &Tx, member: StaffId) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::FailedAttempts, Expr::val(0))
        .col_expr(Column::FailedAt, Expr::val(None::<entity::Instant>))
        .filter(Column::Id.eq(member))
        .exec(tx.db())
        .await?;
    Ok(())
}
