//! Whether somebody can order products now: what a storefront asks of a cart.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::id::CustomerId;
use entity::product::Model;

use super::loaders::{BySku, CatalogLoader, EarlyAccessOf};
use super::{sees_all, viewer};
use crate::app::App;
use crate::audit::reads::Person;
use crate::auth::viewer::Viewer;
use crate::catalog::EarlyAccess;
use crate::catalog::rules::{self, Visibility};
use crate::customers::api::note_read;
use crate::customers::{self, CustomerBy};
use crate::error::Fault;
use crate::graphql::access::{Allowed, Operation};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::orders::rules::visible;

/// Skus of one question.
const MOST_SKUS: usize = 100;

/// Why a product cannot be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum NotOrderableReason {
    /// There is no such product, or none that you may see.
    NotFound,
    /// It is not public yet, and the customer has no early access to it now; told only to those who see it all the same.
    NotYet,
    /// It is not sold any more; told only to those who see it all the same.
    Archived,
    /// None is left.
    OutOfStock,
}

/// Whether a product can be ordered now.
#[derive(Debug, SimpleObject)]
pub(super) struct ProductOrderability {
    /// The shop's.
    sku: String,
    /// Whether it can.
    orderable: bool,
    /// Why not; null if it can.
    reason: Option<NotOrderableReason>,
}

/// Queries about what can be ordered.
#[derive(Debug, Default)]
pub(super) struct OrderabilityQuery;

#[Object]
impl OrderabilityQuery {
    /// Whether the customer can order each of these products now, as asked; null for a customer whom the caller may not
    /// name. What is not public can be ordered by those with early access to it. Of what the caller may not see, the
    /// answer is as if it were not. An order with something else is recorded all the same, and tells so. For everyone.
    #[graphql(guard = "Allowed")]
    async fn product_orderability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The shop's, 1 to 100.")] skus: Vec<String>,
        #[graphql(
            desc = "Who is to order; for shop keys with `catalog:read` and staff with `catalog.read`."
        )]
        customer_id: Option<ID>,
    ) -> Result<Option<Vec<ProductOrderability>>, ApiError> {
        if skus.is_empty() || skus.len() > MOST_SKUS {
            return Err(ApiError::bad_input("skus must be 1 to 100"));
        }
        let customer = buyer(ctx, customer_id.as_ref()).await?;
        if customer_id.is_some() && customer.is_none() {
            return Ok(None);
        }
        let loader = ctx.data_unchecked::<DataLoader<CatalogLoader>>();
        // Only skus that can be stored are asked for.
        let known = skus.iter().filter(|sku| visible(sku).is_ok()).cloned().map(BySku);
        let products = loader.load_many(known).await.map_err(Fault::of)?;
        let early = match customer {
            Some(customer) => loader.load_one(EarlyAccessOf(customer)).await.map_err(Fault::of)?,
            None => None,
        };
        let (early, now) = (early.unwrap_or_default(), ctx.data_unchecked::<App>().clock.now());
        let sees_all = sees_all(viewer(ctx));
        let told = |sku: String| {
            let product = products.get(&BySku(sku.clone()));
            let reason = match product {
                Some(product) => reason(product, &early, now, sees_all),
                None => Some(NotOrderableReason::NotFound),
            };
            ProductOrderability { sku, orderable: reason.is_none(), reason }
        };
        Ok(Some(skus.into_iter().map(told).collect()))
    }
}

fn reason(
    product: &Model,
    early: &EarlyAccess,
    now: entity::Instant,
    sees_all: bool,
) -> Option<NotOrderableReason> {
    match early.visibility(product, now) {
        Visibility::Hidden if !sees_all => Some(NotOrderableReason::NotFound),
        Visibility::Hidden if product.archived => Some(NotOrderableReason::Archived),
        Visibility::Hidden => Some(NotOrderableReason::NotYet),
        Visibility::Early | Visibility::Public if !rules::in_stock(product) => {
            Some(NotOrderableReason::OutOfStock)
        }
        Visibility::Early | Visibility::Public => None,
    }
}

/// Customers themselves, or whom somebody who sees the whole catalogue names, or whom that one turned out to be.
async fn buyer(ctx: &Context<'_>, customer_id: Option<&ID>) -> Result<Option<CustomerId>, ApiError> {
    let named = customer_id.map(|id| local_id::<CustomerId>(id, NodeType::Customer));
    match (viewer(ctx), named) {
        (Viewer::Customer { customer, .. }, None) => Ok(Some(*customer)),
        (Viewer::Customer { customer, .. }, Some(named)) => Ok(named.filter(|named| named == customer)),
        (viewer, Some(Some(named))) if sees_all(viewer) && may_read_customers(viewer) => {
            let db = &ctx.data_unchecked::<App>().db.read;
            let found = customers::find(db, &CustomerBy::Id(named)).await?.map(|row| row.id);
            if let Some(customer) = found {
                note_read(ctx, Person::Customer(customer));
            }
            Ok(found)
        }
        _ => Ok(None),
    }
}

/// What somebody can order tells what they have.
fn may_read_customers(viewer: &Viewer) -> bool {
    Operation::of("customer").is_some_and(|operation| operation.allows(viewer))
}
