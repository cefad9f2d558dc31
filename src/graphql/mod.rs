//! The GraphQL API as a whole: roots, who may call what, scalars, ids, pages and limits. Types live with their slice.

pub mod access;
pub(crate) mod fault;
pub mod node;
pub mod page;
pub mod payload;
pub mod scalars;

use async_graphql::{EmptySubscription, MergedObject, Request};

use crate::app::App;
use crate::catalog::api::{CatalogMutation, CatalogQuery};
use crate::orders::api::{OrdersMutation, OrdersQuery};
use crate::settings::api::SettingsQuery;

/// Reading.
#[derive(Debug, Default, MergedObject)]
pub struct Query(SettingsQuery, OrdersQuery, CatalogQuery);

/// Changing; every mutation takes an idempotency key, except those whose credential can be used once only.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(OrdersMutation, CatalogMutation);

/// The schema with the application in it.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Builds the schema; with `app` it answers, without it only describes itself.
pub fn schema(app: Option<App>) -> Schema {
    let builder = Schema::build(Query::default(), Mutation::default(), EmptySubscription);
    match app {
        Some(app) => builder.data(app).finish(),
        None => builder.finish(),
    }
}

/// Gives `request` its loaders: they live as long as it does, so that nothing they keep is seen by another viewer.
pub fn request_data(app: &App, request: Request) -> Request {
    request.data(crate::orders::api::loader(app))
}
