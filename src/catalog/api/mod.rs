//! The catalogue over GraphQL.

#![expect(clippy::unused_async, reason = "async-graphql takes no resolver that is not async")]

mod inputs;
mod loaders;
mod mutations;
mod orderability;
mod queries;
mod types;
mod waiting;

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, MergedObject};
use entity::id::ProductId;

pub use self::loaders::{CatalogLoader, loader};
pub use self::types::Product;
pub(crate) use self::waiting::{WaitlistEntry, waitlist_of};
use crate::auth::viewer::{Permission, Scope, Viewer};
use crate::error::Fault;
use crate::graphql::fault::ApiError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Key;

/// Queries about products.
#[derive(Debug, Default, MergedObject)]
pub struct CatalogQuery(queries::ProductsQuery, orderability::OrderabilityQuery, waiting::WaitlistQuery);

/// Mutations of products and waiting lists.
#[derive(Debug, Default, MergedObject)]
pub struct CatalogMutation(mutations::ProductsMutation, waiting::WaitlistMutation);

fn viewer<'a>(ctx: &Context<'a>) -> &'a Viewer {
    ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous)
}

/// The product with this id, if the viewer may see it now.
pub(crate) async fn product_of(ctx: &Context<'_>, id: ProductId) -> Result<Option<Product>, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<CatalogLoader>>();
    match loader.load_one(loaders::ById(id)).await.map_err(Fault::of)? {
        Some(row) => Product::shown(ctx, row).await,
        None => Ok(None),
    }
}

/// Whether products that are not public are shown to the viewer.
fn sees_all(viewer: &Viewer) -> bool {
    match viewer {
        Viewer::Anonymous | Viewer::Customer { .. } => false,
        Viewer::Shop { scopes, .. } => scopes.contains(&Scope::CatalogRead),
        Viewer::Staff { role, .. } => Permission::CatalogRead.is_of(*role),
    }
}

fn key(ctx: &Context<'_>, key: IdempotencyKey, operation: &'static str) -> Key {
    Key { scope: viewer(ctx).key_scope(), key: key.0, operation }
}
