//! Two customers turn out to be one: of two memberships that have not ended, the one that lasts longer goes on.

use entity::billing_customer;
use entity::id::{CustomerId, MembershipId};
use entity::membership::{Column, EndedWhy, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::calls::Asked;
use super::cancel;
use super::store::locked;
use crate::error::Fault;
use crate::tx::Tx;

/// `from` turned out to be `into`. What is paid for the membership that ends, for the time after, goes back.
pub(crate) async fn merge(tx: &Tx, from: CustomerId, into: CustomerId) -> Result<(), Fault> {
    let mut open = Entity::find()
        .filter(Column::OpenFor.is_in([from, into]))
        .order_by_asc(Column::Id)
        .lock_exclusive()
        .all(tx.db())
        .await?;
    open.sort_by_key(|row| std::cmp::Reverse((row.entitled_until, row.id)));
    for second in open.into_iter().skip(1) {
        end(tx, second.id).await?;
    }
    Entity::update_many()
        .col_expr(Column::OpenFor, Expr::val(into))
        .filter(Column::OpenFor.eq(from))
        .exec(tx.db())
        .await?;
    Entity::update_many()
        .col_expr(Column::CustomerId, Expr::val(into))
        .filter(Column::CustomerId.eq(from))
        .exec(tx.db())
        .await?;
    follow(tx, from, into).await
}

async fn end(tx: &Tx, id: MembershipId) -> Result<(), Fault> {
    let Some(mut membership) = locked(tx, id).await? else { return Ok(()) };
    let unused = membership.unused(tx.now());
    cancel::end(tx, &mut membership, EndedWhy::Shop, Asked::ByJob).await?;
    cancel::give_back(tx, &mut membership, unused, Asked::ByJob).await?;
    membership.settle(tx, false).await.map(drop)
}

/// Whoever stays is known where it is billed as the one who goes was, unless known there already.
async fn follow(tx: &Tx, from: CustomerId, into: CustomerId) -> Result<(), Fault> {
    use billing_customer::{Column, Entity};
    let known = Entity::find().filter(Column::CustomerId.eq(into)).all(tx.db()).await?;
    let known: Vec<String> = known.into_iter().map(|row| row.account).collect();
    Entity::update_many()
        .col_expr(Column::CustomerId, Expr::val(into))
        .filter(Column::CustomerId.eq(from))
        .filter(Column::Account.is_not_in(known))
        .exec(tx.db())
        .await?;
    Ok(())
}
