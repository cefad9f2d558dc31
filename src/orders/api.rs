//! Orders over GraphQL.

mod inputs;
mod list;
mod loaders;
mod refusals;
mod types;

use async_graphql::{Context, ID, Object};
use entity::id::OrderId;
use entity::order;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;

pub use self::inputs::{
    OrderCancelInput, OrderDeliverInput, OrderPayInput, OrderRecordInput, OrderReturnInput, OrderShipInput,
    OrdersFilter,
};
pub use self::list::{OrderKey, OrderPages, orders_of};
pub use self::loaders::{OrderLoader, loader};
pub use self::refusals::{OrderErrorCode, Payload};
pub(crate) use self::types::order_of;
pub use self::types::{Order, OrderFlag, OrderLine, OrderReturn, OrderState};
use super::{OrderError, OrderRef, cancel, deliver, look_up_membership, pay, record_one, return_lines, ship};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::error::{Fault, Outcome, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::page::{Page, PageArguments};
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::{Key, Once};
use crate::tx::Tx;

/// Queries about orders.
#[derive(Debug, Default)]
pub struct OrdersQuery;

#[Object]
impl OrdersQuery {
    /// One order, by exactly one of its ids; null if there is none, or none of yours.
    /// For the customer, shop keys with `orders:read`, staff with `orders.read`.
    #[graphql(guard = "Allowed")]
    async fn order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Our id.")] id: Option<ID>,
        #[graphql(desc = "The shop's id.")] external_id: Option<String>,
    ) -> Result<Option<Order>, ApiError> {
        let (app, viewer) = caller(ctx);
        let Some(order) = inputs::order_ref(id, external_id)? else {
            return Ok(None);
        };
        let mut query = match order {
            OrderRef::Id(id) => order::Entity::find_by_id(id),
            OrderRef::External(id) => order::Entity::find().filter(order::Column::ExternalId.eq(id)),
        };
        if let Viewer::Customer { customer, .. } = viewer {
            query = query.filter(order::Column::CustomerId.eq(*customer));
        }
        Ok(query.one(&app.db.read).await?.map(Order))
    }

    /// Orders, those placed last first.
    /// For shop keys with `orders:read`, staff with `orders.read`.
    #[graphql(guard = "Allowed")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start; 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end; 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only orders that match all of it.")] filter: Option<OrdersFilter>,
    ) -> Result<OrderPages, ApiError> {
        let page = Page::of(PageArguments { first, after, last, before })?;
        let filter = filter.map_or_else(sea_orm::Condition::all, OrdersFilter::condition);
        list::list(ctx, filter, &page).await
    }
}

/// Mutations of orders.
#[derive(Debug, Default)]
pub struct OrdersMutation;

#[Object]
impl OrdersMutation {
    /// Records an order. The same body again changes nothing, another body under the same external id is refused.
    /// For shop keys with `orders:write`, staff with `orders.write`.
    #[graphql(guard = "Allowed")]
    async fn order_record(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] input: OrderRecordInput,
    ) -> Result<Payload<refusals::Record>, ApiError> {
        let key = input.idempotency_key.clone();
        let (app, viewer) = caller(ctx);
        let record = match input.into_record(&app.keys.comparison()?, viewer.actor()) {
            Ok(record) => record,
            Err(reason) => return Ok(Payload::refused(&reason)),
        };
        once(ctx, "orderRecord", key, &record, record_one).await
    }

    /// The order is paid: points set aside for it are spent, and it earns.
    /// For shop keys with `orders:write`, staff with `orders.write`.
    #[graphql(guard = "Allowed")]
    async fn order_pay(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which order, and how it was paid.")] input: OrderPayInput,
    ) -> Result<Payload<refusals::Pay>, ApiError> {
        let key = input.idempotency_key.clone();
        let (app, viewer) = caller(ctx);
        match input.command(&app.keys.comparison()?, viewer.actor())? {
            Ok(command) => {
                // Outside of the transaction: whoever takes the money is asked.
                Box::pin(look_up_membership(app, &command)).await?;
                once(ctx, "orderPay", key, &command, pay).await
            }
            Err(reason) => Ok(Payload::refused(&reason)),
        }
    }

    /// The order left.
    /// For shop keys with `orders:write`, staff with `orders.write`.
    #[graphql(guard = "Allowed")]
    async fn order_ship(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which order, and when.")] input: OrderShipInput,
    ) -> Result<Payload<refusals::Ship>, ApiError> {
        let key = input.idempotency_key.clone();
        match input.command(caller(ctx).1.actor())? {
            Some(command) => once(ctx, "orderShip", key, &command, ship).await,
            None => Ok(Payload::refused(&OrderError::NotFound)),
        }
    }

    /// The order arrived, shipped before or not.
    /// For shop keys with `orders:write`, staff with `orders.write`.
    #[graphql(guard = "Allowed")]
    async fn order_deliver(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which order, and when.")] input: OrderDeliverInput,
    ) -> Result<Payload<refusals::Deliver>, ApiError> {
        let key = input.idempotency_key.clone();
        match input.command(caller(ctx).1.actor())? {
            Some(command) => once(ctx, "orderDeliver", key, &command, deliver).await,
            None => Ok(Payload::refused(&OrderError::NotFound)),
        }
    }

    /// Undoes an order that has not left: gives back the points that were to pay it, takes back what it earned.
    /// For shop keys with `orders:write`, staff with `orders.write`.
    #[graphql(guard = "Allowed")]
    async fn order_cancel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which order, and when.")] input: OrderCancelInput,
    ) -> Result<Payload<refusals::Cancel>, ApiError> {
        let key = input.idempotency_key.clone();
        match input.command(caller(ctx).1.actor())? {
            Some(command) => once(ctx, "orderCancel", key, &command, cancel).await,
            None => Ok(Payload::refused(&OrderError::NotFound)),
        }
    }

    /// Pieces of a paid order come back; may be called for each part that does.
    /// For shop keys with `orders:write`, staff with `orders.write`.
    #[graphql(guard = "Allowed")]
    async fn order_return(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which pieces of which order.")] input: OrderReturnInput,
    ) -> Result<Payload<refusals::Return>, ApiError> {
        let key = input.idempotency_key.clone();
        match input.command(caller(ctx).1.actor())? {
            Some(command) => once(ctx, "orderReturn", key, &command, return_lines).await,
            None => Ok(Payload::refused(&OrderError::NotFound)),
        }
    }
}

/// The application and who is asking.
fn caller<'a>(ctx: &Context<'a>) -> (&'a App, &'a Viewer) {
    (ctx.data_unchecked::<App>(), ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous))
}

/// Does `work` once for the caller's key, and reads the order as it is now.
async fn once<C: Serialize, M: refusals::Mutation>(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    command: &C,
    work: impl AsyncFn(&Tx, &C) -> Outcome<OrderId, OrderError>,
) -> Result<Payload<M>, ApiError> {
    let (app, viewer) = caller(ctx);
    let key = Key { scope: viewer.key_scope(), key: key.0, operation };
    match split(app.write_once(&key, command, work).await)? {
        Err(reason) => Ok(Payload::refused(&reason)),
        Ok(Once { value, replayed }) => {
            let order = order::Entity::find_by_id(value).one(&app.db.read).await?;
            let order = order.ok_or_else(|| Fault::internal("an order that was written is gone"))?;
            Ok(Payload::done(Order(order), replayed))
        }
    }
}
