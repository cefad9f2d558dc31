//! Whom a plan would have saved more than it costs, many customers at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::id::CustomerId;
use entity::order::{self, OrderState};
use entity::{order_line, order_shipping};
use sea_orm::sea_query::{Expr, ExprTrait, Func, Order, OverStatement, Query, WindowStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationDef};

use super::plans;
use super::savings::{MOST_ORDERS, Span};
use crate::db::dialect::is_among;
use crate::delivery::terms::Frozen;
use crate::error::Fault;

/// The code of the plan that would have left each of these customers most after its fee in that time; whom no plan would have
/// left anything is not there. Two statements.
pub(crate) async fn would_have_saved(
    db: &impl ConnectionTrait,
    customers: BTreeSet<CustomerId>,
    span: Span,
) -> Result<HashMap<CustomerId, String>, Fault> {
    let plans = plans::offered(db).await?;
    if plans.is_empty() {
        return Ok(HashMap::new());
    }
    let mut frozen: BTreeMap<CustomerId, Vec<(String, Frozen)>> = BTreeMap::new();
    for (row, order) in kept_orders(db, customers, span).await? {
        let Some(order) = order else { continue };
        let Some(customer) = order.customer_id else { continue };
        frozen.entry(customer).or_default().push((order.currency, Frozen::try_from(row)?));
    }
    let best = |orders: Vec<(String, Frozen)>| {
        let left = plans.iter().map(|plan| {
            let of_currency = orders.iter().filter(|(currency, _)| currency == plan.price.currency.code());
            let saved: i64 =
                of_currency.map(|(_, order)| std::cmp::max(0, order.would_have_saved(&plan.code))).sum();
            (saved - span.fee(plan), plan)
        });
        left.filter(|(net, _)| *net > 0).max_by_key(|(net, _)| *net).map(|(_, plan)| plan.code.clone())
    };
    Ok(frozen.into_iter().filter_map(|(customer, orders)| Some((customer, best(orders)?))).collect())
}

/// Orders that were not cancelled and did not come back whole: of each customer and currency the last ones, as [`super::savings`]
/// looks at them.
async fn kept_orders(
    db: &impl ConnectionTrait,
    customers: BTreeSet<CustomerId>,
    Span { from, until }: Span,
) -> Result<Vec<(order_shipping::Model, Option<order::Model>)>, Fault> {
    let kept = Query::select()
        .expr(Expr::val(1))
        .from(order_line::Entity)
        .and_where(
            Expr::col((order_line::Entity, order_line::Column::OrderId))
                .equals((order::Entity, order::Column::Id)),
        )
        .and_where(
            Expr::col((order_line::Entity, order_line::Column::Returned))
                .lt(Expr::col((order_line::Entity, order_line::Column::Quantity))),
        )
        .take();
    let of_customers =
        is_among(db.get_database_backend(), "customer_id", customers.into_iter().map(|id| id.0));
    let last_first = WindowStatement::partition_by(order::Column::CustomerId)
        .add_partition_by(order::Column::Currency.into_expr())
        .order_by(order::Column::PlacedAt, Order::Desc)
        .take();
    let ranked = Query::select()
        .column((order::Entity, order::Column::Id))
        .expr_window_as(Func::cust("ROW_NUMBER"), last_first, "place")
        .from(order::Entity)
        .and_where(of_customers)
        .and_where(order::Column::State.ne(OrderState::Cancelled))
        .and_where(order::Column::PlacedAt.gte(from).and(order::Column::PlacedAt.lt(until)))
        .and_where(Expr::exists(kept))
        .take();
    let last = Query::select()
        .column(order::Column::Id)
        .from_subquery(ranked, "ranked")
        .and_where(Expr::col("place").lte(i64::try_from(MOST_ORDERS)?))
        .take();
    let of: RelationDef = order_shipping::Entity::belongs_to(order::Entity)
        .from(order_shipping::Column::OrderId)
        .to(order::Column::Id)
        .into();
    Ok(order_shipping::Entity::find()
        .join(JoinType::InnerJoin, of)
        .select_also(order::Entity)
        .filter(order::Column::Id.in_subquery(last))
        .all(db)
        .await?)
}
