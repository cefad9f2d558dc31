//! The GraphQL API as a whole: roots, who may call what, scalars, ids, pages and limits. Types live with their slice.

pub mod access;
pub(crate) mod fault;
pub mod node;
pub mod page;
pub mod payload;
pub mod scalars;

use async_graphql::{EmptySubscription, MergedObject};

use crate::app::App;
use crate::auth::api::AuthMutation;
use crate::customers::api::{CustomersMutation, CustomersQuery};
use crate::points::api::PointsMutation;
use crate::settings::api::SettingsQuery;

/// Reading.
#[derive(Debug, Default, MergedObject)]
pub struct Query(SettingsQuery, CustomersQuery);

/// Changing.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(AuthMutation, CustomersMutation, PointsMutation);

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
