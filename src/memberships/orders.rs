//! What orders do to memberships: called by the orders slice inside its own transaction.

use std::collections::BTreeMap;

use entity::id::{CustomerId, MembershipId, OrderId};
use entity::membership::{Column, EndedWhy, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::calls::Asked;
use super::cancel::{end, give_back};
use super::plans::{self, Plan};
use super::store::{left_of, locked};
use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::tx::Tx;

/// Memberships that orders are joined with, locked until the transaction ends.
#[derive(Debug, Default)]
pub(crate) struct Locked {
    rows: BTreeMap<MembershipId, Model>,
    plans: Vec<Plan>,
}

impl Locked {
    /// Whether an order of `customer` can be joined with this membership: it is the customer's, has not ended, and no order
    /// was joined with it.
    pub(crate) fn is_for(&self, membership: MembershipId, customer: Option<CustomerId>) -> bool {
        self.rows.get(&membership).is_some_and(|row| row.open_for == customer && row.order_id.is_none())
    }

    /// The plan of a membership.
    pub(crate) fn plan(&self, membership: MembershipId) -> Option<&Plan> {
        let plan = self.rows.get(&membership)?.plan_id;
        self.plans.iter().find(|known| known.id == plan)
    }
}

/// Locks the memberships that orders name, by id.
pub(crate) async fn lock(tx: &Tx, named: impl Iterator<Item = MembershipId>) -> Result<Locked, Fault> {
    let ids: Vec<_> = named.map(|membership| membership.0).collect();
    if ids.is_empty() {
        return Ok(Locked::default());
    }
    let among = Entity::find().filter(is_among(tx.db().get_database_backend(), "id", ids));
    let rows = among.order_by_asc(Column::Id).lock_exclusive().all(tx.db()).await?;
    let plans = plans::with_ids(tx.db(), rows.iter().map(|row| row.plan_id)).await?;
    Ok(Locked { rows: rows.into_iter().map(|row| (row.id, row)).collect(), plans })
}

/// The order is joined with the membership.
pub(crate) async fn pin(tx: &Tx, membership: MembershipId, order: OrderId) -> Result<(), Fault> {
    let pinned = Entity::update_many()
        .col_expr(Column::OrderId, Expr::val(order))
        .filter(Column::Id.eq(membership))
        .filter(Column::OrderId.is_null())
        .exec(tx.db())
        .await?;
    if pinned.rows_affected == 1 { Ok(()) } else { Err(Fault::internal("two orders with one membership")) }
}

/// The membership that an order is joined with, and whether it is paid or its trial has begun.
pub(crate) async fn joined_with(tx: &Tx, order: OrderId) -> Result<Option<(MembershipId, bool)>, Fault> {
    let row = Entity::find().filter(Column::OrderId.eq(order)).lock_exclusive().one(tx.db()).await?;
    Ok(row.map(|row| (row.id, row.joined_at.is_some() && row.ended_at.is_none())))
}

/// Looks up whether the membership that an unpaid order is joined with is paid by now.
pub(crate) async fn look_up(app: &App, order: OrderId) -> Result<(), Fault> {
    let row = Entity::find().filter(Column::OrderId.eq(order)).one(&app.db.read).await?;
    match row.filter(|row| row.joined_at.is_none() && row.ended_at.is_none()) {
        Some(row) => Box::pin(super::calls::in_time(super::sync::sync(app, row.id))).await,
        None => Ok(()),
    }
}

/// The order goes on without the membership, which ends; should it be paid at this very moment, that is given back.
pub(crate) async fn give_up(tx: &Tx, membership: MembershipId) -> Result<(), Fault> {
    let Some(mut membership) = locked(tx, membership).await? else { return Ok(()) };
    if !membership.has_ended() {
        end(tx, &mut membership, EndedWhy::NeverPaid, Asked::ByJob).await?;
    }
    membership.row.order_id = None;
    membership.settle(tx, false).await.map(drop)
}

/// The order is cancelled: the membership that was joined with it ends and its fee goes back, unless a benefit was used
/// since.
pub(crate) async fn cancelled(tx: &Tx, order: OrderId) -> Result<(), Fault> {
    let Some((id, _)) = joined_with(tx, order).await? else { return Ok(()) };
    let Some(mut membership) = locked(tx, id).await? else { return Ok(()) };
    if membership.has_ended() || membership.row.benefit_used_at.is_some() {
        return Ok(());
    }
    let all = membership.charges.iter().map(|charge| (charge.invoice.clone(), left_of(charge)));
    let all = all.filter(|(_, left)| *left > 0).collect();
    end(tx, &mut membership, EndedWhy::Withdrawn, Asked::ByJob).await?;
    give_back(tx, &mut membership, all, Asked::ByJob).await?;
    membership.settle(tx, false).await.map(drop)
}

/// These customers used a benefit of the memberships that they have: withdrawing is over.
pub(crate) async fn used(tx: &Tx, customers: impl IntoIterator<Item = CustomerId>) -> Result<(), Fault> {
    let ids: Vec<_> = customers.into_iter().map(|customer| customer.0).collect();
    if ids.is_empty() {
        return Ok(());
    }
    Entity::update_many()
        .col_expr(Column::BenefitUsedAt, Expr::val(tx.now()))
        .filter(is_among(tx.db().get_database_backend(), "open_for", ids))
        .filter(Column::BenefitUsedAt.is_null())
        .exec(tx.db())
        .await?;
    Ok(())
}

/// The order that a membership was joined with left: its benefit is used.
pub(crate) async fn shipped(tx: &Tx, order: OrderId) -> Result<(), Fault> {
    Entity::update_many()
        .col_expr(Column::BenefitUsedAt, Expr::val(tx.now()))
        .filter(Column::OrderId.eq(order))
        .filter(Column::BenefitUsedAt.is_null())
        .exec(tx.db())
        .await?;
    Ok(())
}
