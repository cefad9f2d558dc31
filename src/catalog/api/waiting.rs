//! Waiting lists of products.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::id::{CustomerId, ProductId};
use entity::waitlist_entry::{Column, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::loaders::{CatalogLoader, WaitlistOf};
use super::types::Product;
use super::{key, product_of, sees_all, viewer};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::catalog::waitlist::{self, Wait, WaitlistError};
use crate::customers::api::{Customer, changeable};
use crate::error::{Fault, Outcome, split};
use crate::graphql::access::{Allowed, AllowedAs};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::page::{Page, PageArguments, Pages};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::orders::rules::comparable;

/// A customer who waits for a product.
#[derive(Clone, Debug)]
pub(crate) struct WaitlistEntry(Model);

#[Object]
impl WaitlistEntry {
    /// What is waited for; null while you may not see it.
    async fn product(&self, ctx: &Context<'_>) -> Result<Option<Product>, ApiError> {
        product_of(ctx, self.0.product_id).await
    }

    /// Who waits; needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<Customer>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let found = app.shared.customers.one(app, self.0.customer_id).await?;
        Ok(found.map(|row| Customer::shown(ctx, row)))
    }

    /// Since when.
    async fn joined_at(&self) -> Instant {
        self.0.joined_at
    }
}

/// What a customer waits for, what was asked for last first.
pub(crate) async fn waitlist_of(
    ctx: &Context<'_>,
    customer: CustomerId,
) -> Result<Vec<WaitlistEntry>, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<CatalogLoader>>();
    let rows = loader.load_one(WaitlistOf(customer)).await.map_err(Fault::of)?.unwrap_or_default();
    Ok(rows.into_iter().map(WaitlistEntry).collect())
}

/// What waiting lists are paged by.
type Place = (Instant, Uuid);

/// Queries about waiting lists.
#[derive(Debug, Default)]
pub(super) struct WaitlistQuery;

#[Object]
impl WaitlistQuery {
    /// Who waits for a product, those who have waited longest first; `totalCount` says how many they are. Null if there is
    /// no such product. For shop keys with `customers:read`, staff with `customers.read`.
    #[graphql(guard = "Allowed")]
    async fn waitlist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which product.")] product_id: ID,
        #[graphql(desc = "This many from the one who has waited longest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the one who came last, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<Option<Pages<Place, WaitlistEntry>>, ApiError> {
        let page = Page::<Place>::of(PageArguments { first, after, last, before })?;
        let db = &ctx.data_unchecked::<App>().db.read;
        let Some(id) = local_id::<ProductId>(&product_id, NodeType::Product) else { return Ok(None) };
        let Some(product) = entity::product::Entity::find_by_id(id).one(db).await? else { return Ok(None) };
        let waiting = Column::ProductId.eq(id).and(Column::Round.eq(product.restocks));
        let counted = ctx.look_ahead().field("totalCount").exists();
        let total = if counted { i64::try_from(waitlist::count(db, waiting.clone()).await?)? } else { 0 };
        let place = || Expr::tuple([Expr::col(Column::JoinedAt), Expr::col(Column::Id)]);
        let at = |(joined_at, id): Place| Expr::tuple([Expr::val(comparable(joined_at)), Expr::val(id)]);
        let mut query = Entity::find().filter(waiting);
        if let Some(after) = page.after {
            query = query.filter(place().gt(at(after)));
        }
        if let Some(before) = page.before {
            query = query.filter(place().lt(at(before)));
        }
        let query = if page.backwards {
            query.order_by_desc(Column::JoinedAt).order_by_desc(Column::Id)
        } else {
            query.order_by_asc(Column::JoinedAt).order_by_asc(Column::Id)
        };
        let rows = query.limit(page.fetch()).all(db).await?;
        Ok(Some(page.connect(rows, total, |row| ((row.joined_at, row.id.0), WaitlistEntry(row)))))
    }
}

/// Who wants to wait for what, or no longer.
#[derive(Debug, InputObject)]
pub(super) struct WaitlistInput {
    /// For which product.
    product_id: ID,
    /// Who; customers may leave out their own.
    customer_id: Option<ID>,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// Why a waiting list stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum WaitlistErrorCode {
    /// No such customer or product, or not yours to see; `field` says which.
    NotFound,
    /// The product can be bought now.
    Available,
    /// The customer waits for 100 products already.
    LimitReached,
}

/// What became of the place on the list.
#[derive(Debug, SimpleObject)]
pub(super) struct WaitlistPayload {
    /// What the customer waits for now, what was asked for last first; null if nothing was done.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    waitlist: Option<Vec<WaitlistEntry>>,
    /// Whether an earlier request with this idempotency key did it.
    replayed: bool,
    /// Why nothing was done; empty if it was.
    user_errors: Vec<UserError<WaitlistErrorCode>>,
}

/// Joining and leaving waiting lists.
#[derive(Debug, Default)]
pub(super) struct WaitlistMutation;

#[Object]
impl WaitlistMutation {
    /// Puts a customer on the waiting list of a product that cannot be bought now; who is on it keeps the place. The
    /// customer is told once when it is back. A customer waits for 100 products at most.
    /// For the customer, shop keys with `customers:write`, staff with `customers.write`.
    #[graphql(guard = "Allowed")]
    async fn waitlist_join(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and for which product.")] input: WaitlistInput,
    ) -> Result<WaitlistPayload, ApiError> {
        let command = command(viewer(ctx), &input);
        let key = key(ctx, input.idempotency_key, "waitlistJoin");
        let app = ctx.data_unchecked::<App>();
        answer(ctx, app.write_once(&key, &command, waitlist::join).await).await
    }

    /// Takes a customer off the waiting list of a product; who is not on it stays so.
    /// For the customer, shop keys with `customers:write`, staff with `customers.write`.
    #[graphql(guard = "Allowed")]
    async fn waitlist_leave(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and for which product.")] input: WaitlistInput,
    ) -> Result<WaitlistPayload, ApiError> {
        let command = command(viewer(ctx), &input);
        let key = key(ctx, input.idempotency_key, "waitlistLeave");
        let app = ctx.data_unchecked::<App>();
        answer(ctx, app.write_once(&key, &command, waitlist::leave).await).await
    }
}

fn command(viewer: &Viewer, input: &WaitlistInput) -> Wait {
    Wait {
        customer: changeable(viewer, input.customer_id.as_ref()),
        product: local_id(&input.product_id, NodeType::Product),
        // A server of the shop, or staff, who may write to the customer may offer what is to come.
        sees_all: sees_all(viewer),
    }
}

async fn answer(
    ctx: &Context<'_>,
    outcome: Outcome<Once<CustomerId>, WaitlistError>,
) -> Result<WaitlistPayload, ApiError> {
    match split(outcome)? {
        Ok(Once { value, replayed }) => {
            let waitlist = waitlist_of(ctx, value).await?;
            Ok(WaitlistPayload { waitlist: Some(waitlist), replayed, user_errors: Vec::new() })
        }
        Err(reason) => {
            let user_errors = vec![user_error(reason)];
            Ok(WaitlistPayload { waitlist: None, replayed: false, user_errors })
        }
    }
}

fn user_error(reason: WaitlistError) -> UserError<WaitlistErrorCode> {
    use WaitlistErrorCode as Code;
    let (code, field, message) = match reason {
        WaitlistError::CustomerNotFound => (Code::NotFound, "customerId", "There is no such customer."),
        WaitlistError::ProductNotFound => (Code::NotFound, "productId", "There is no such product."),
        WaitlistError::Available => (Code::Available, "productId", "This product can be bought now."),
        WaitlistError::Limit => {
            (Code::LimitReached, "customerId", "A customer waits for 100 products at most.")
        }
    };
    let field = Some(vec!["input".to_owned(), field.to_owned()]);
    UserError { code, field, message: message.to_owned() }
}
