//! Pages of orders, those placed last first.

use async_graphql::Context;
use entity::Instant;
use entity::order::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::types::Order;
use crate::app::App;
use crate::graphql::fault::ApiError;
use crate::graphql::page::{Page, PageArguments, Pages};
use crate::orders::rules::comparable;
use crate::points::orders::Owner;

/// What orders are paged by.
pub type OrderKey = (Instant, Uuid);

/// A page of orders.
pub type OrderPages = Pages<OrderKey, Order>;

/// The orders of one customer or guest identity, those placed last first.
pub async fn orders_of(
    ctx: &Context<'_>,
    owner: Owner,
    arguments: PageArguments,
) -> Result<OrderPages, ApiError> {
    let theirs = match owner {
        Owner::Customer(customer) => Column::CustomerId.eq(customer),
        Owner::Guest(guest) => Column::GuestId.eq(guest),
    };
    list(ctx, Condition::all().add(theirs), &Page::of(arguments)?).await
}

/// A page of the orders that `filter` lets through.
pub(super) async fn list(
    ctx: &Context<'_>,
    filter: Condition,
    page: &Page<OrderKey>,
) -> Result<OrderPages, ApiError> {
    let all = Entity::find().filter(filter);
    let app = ctx.data_unchecked::<App>();
    // Counting costs what there is: only if somebody asks.
    let counted = ctx.look_ahead().field("totalCount").exists();
    let total = if counted { i64::try_from(all.clone().count(&app.db.read).await?)? } else { 0 };
    let mut query = all;
    if let Some((placed_at, id)) = page.after {
        query = query.filter(place().lt(values(placed_at, id)));
    }
    if let Some((placed_at, id)) = page.before {
        query = query.filter(place().gt(values(placed_at, id)));
    }
    let query = if page.backwards {
        query.order_by_asc(Column::PlacedAt).order_by_asc(Column::Id)
    } else {
        query.order_by_desc(Column::PlacedAt).order_by_desc(Column::Id)
    };
    let rows = query.limit(page.fetch()).all(&app.db.read).await?;
    Ok(page.connect(rows, total, |row| ((row.placed_at, row.id.0), Order(row))))
}

fn place() -> Expr {
    Expr::tuple([Expr::col(Column::PlacedAt), Expr::col(Column::Id)])
}

fn values(placed_at: Instant, id: Uuid) -> Expr {
    Expr::tuple([Expr::val(comparable(placed_at)), Expr::val(id)])
}
