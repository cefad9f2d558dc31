//! Ways through journeys of somebody who turned out to be another.

use entity::id::{CustomerId, PersonId};
use entity::journey_run::{Column, Entity, RunState};
use entity::message::Reason;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement, SimpleExpr};
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, QueryFilter};

use super::lock;
use crate::error::Fault;
use crate::tx::Tx;

/// Gives `into` the ways through journeys of `from`. Of two that wait in one lane the newer one goes on, and what both wait
/// for by one cause comes once. Whoever takes in events or acts on what is due waits meanwhile, and waits for nothing that a
/// merge holds: what it began for `from` is seen here, and what it begins after this is for `into`.
pub(crate) async fn follow(tx: &Tx, from: PersonId, into: CustomerId) -> Result<(), Fault> {
    lock(tx).await?;
    let into = PersonId::from(into);
    let in_lane = || waits().and(other(Column::Lane).equals(own(Column::Lane)));
    let newer = || other(Column::HappenedAt).gt(Expr::col(own(Column::HappenedAt)));
    let as_new = || other(Column::HappenedAt).gte(Expr::col(own(Column::HappenedAt)));
    end(tx, into, &of(from, in_lane().and(newer()))).await?;
    end(tx, from, &of(into, in_lane().and(as_new()))).await?;
    end(tx, from, &of(into, same_cause())).await?;
    Entity::update_many()
        .col_expr(Column::PersonId, Expr::val(into))
        .filter(Column::PersonId.eq(from))
        .filter(Expr::exists(of(into, same_cause())).not())
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Ends what `person` waits for if there is one like `other`.
async fn end(tx: &Tx, person: PersonId, other: &SelectStatement) -> Result<(), Fault> {
    let (dropped, done) = (RunState::Dropped.to_value(), RunState::Done.to_value());
    Entity::update_many()
        .col_expr(Column::State, Expr::case(Column::Sent.eq(0), dropped).finally(done).into())
        .col_expr(Column::Reason, Expr::val(Reason::Superseded.to_value()))
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(Column::PersonId.eq(person).and(Column::EndedAt.is_null()))
        .filter(Expr::exists(other.clone()))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Ways of `person` through the same journey that are `like` the one that is looked at.
fn of(person: PersonId, like: SimpleExpr) -> SelectStatement {
    Query::select()
        .expr(Expr::val(1))
        .from_as(Entity, Alias::new("other"))
        .and_where(other(Column::PersonId).eq(person.0))
        .and_where(other(Column::JourneyId).equals(own(Column::JourneyId)))
        .and_where(like)
        .take()
}

fn waits() -> SimpleExpr {
    other(Column::EndedAt).is_null()
}

fn same_cause() -> SimpleExpr {
    other(Column::Cause).equals(own(Column::Cause))
}

fn other(column: Column) -> Expr {
    Expr::col((Alias::new("other"), column))
}

fn own(column: Column) -> (Entity, Column) {
    (Entity, column)
}
