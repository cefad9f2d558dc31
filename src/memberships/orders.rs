//! What orders do to memberships: called by the orders slice inside its own transaction.

use std::collections::BTreeMap;

use entity::Instant;
use entity::id::{CustomerId, MembershipId, OrderId};
use entity::membership::{Column, EndedWhy, Entity, Model};
use entity::order::{self, OrderState};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::calls::Asked;
use super::cancel::{WITHDRAWAL, end, give_back};
use super::plans::{self, Plan};
use super::store::{left_of, locked};
use crate::app::App;
use crate::db::dialect::is_among;
use crate::delivery::freeze::is_shipped_for_less;
use crate::delivery::orders::has_members_place;
use crate::error::Fault;
use crate::tx::Tx;

/// The memberships of buyers, locked until the transaction ends: nobody withdraws from one while an order takes what it
/// gives.
#[derive(Debug, Default)]
pub(crate) struct Locked {
    /// Those that have not ended, by whose they are.
    rows: BTreeMap<CustomerId, Model>,
    plans: Vec<Plan>,
    now: Instant,
}

impl Locked {
    /// The plan of a membership that an order of `customer` can be joined with: it is the customer's, waits for its first
    /// payment or had it so lately that it can be withdrawn from, and no order was joined with it.
    pub(crate) fn joinable(&self, membership: MembershipId, customer: Option<CustomerId>) -> Option<&Plan> {
        let row = self.rows.get(&customer?)?;
        let is_entitled = row.entitled_until.is_some_and(|until| self.now < until);
        let is_new = row.joined_at.is_none_or(|joined| is_entitled && self.now < joined + WITHDRAWAL);
        if row.id == membership && row.order_id.is_none() && is_new { self.plan(row) } else { None }
    }

    /// The plan whose benefits `customer` is given at `at`.
    pub(crate) fn held(&self, customer: Option<CustomerId>, at: Instant) -> Option<&Plan> {
        let row = self.rows.get(&customer?)?;
        let (from, until) = row.joined_at.zip(row.entitled_until)?;
        if from <= at && at < until { self.plan(row) } else { None }
    }

    fn plan(&self, row: &Model) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == row.plan_id)
    }
}

/// Locks the memberships of these customers, by id; whoever locks accounts too does so after.
pub(crate) async fn lock(tx: &Tx, customers: impl IntoIterator<Item = CustomerId>) -> Result<Locked, Fault> {
    let ids: Vec<_> = customers.into_iter().map(|customer| customer.0).collect();
    if ids.is_empty() {
        return Ok(Locked::default());
    }
    let open = Entity::find().filter(is_among(tx.db().get_database_backend(), "open_for", ids));
    let rows = open.order_by_asc(Column::Id).lock_exclusive().all(tx.db()).await?;
    if rows.is_empty() {
        return Ok(Locked::default());
    }
    let plans = plans::with_ids(tx.db(), rows.iter().map(|row| row.plan_id)).await?;
    let rows = rows.into_iter().filter_map(|row| Some((row.open_for?, row))).collect();
    Ok(Locked { rows, plans, now: tx.now() })
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

/// Whether the order that a membership was joined with is paid and has what others pay for, or cannot have.
pub(super) async fn has_benefit(tx: &Tx, id: OrderId) -> Result<bool, Fault> {
    let order = order::Entity::find_by_id(id).one(tx.db()).await?;
    let is_paid = order.is_some_and(|order| match order.state {
        OrderState::Paid | OrderState::Shipped | OrderState::Delivered => true,
        OrderState::Placed | OrderState::Cancelled => false,
    });
    Ok(is_paid && (is_shipped_for_less(tx, id).await? || has_members_place(tx, id).await?))
}
