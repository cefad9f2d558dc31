//! The GraphQL API as a whole: roots, who may call what, scalars, ids, pages and limits. Types live with their slice.

pub mod access;
pub mod execute;
pub mod fault;
mod lexer;
pub mod limits;
mod measure;
pub mod node;
pub mod page;
pub mod payload;
pub mod scalars;

use async_graphql::{EmptySubscription, MergedObject};

use crate::app::App;
use crate::points::api::PointsMutation;
use crate::settings::api::{SettingsMutation, SettingsQuery};

/// Reading.
#[derive(Debug, Default, MergedObject)]
pub struct Query(SettingsQuery);

/// Changing.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(PointsMutation, SettingsMutation);

/// The schema with the application in it.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Builds the schema; with `app` it answers, without it only describes itself.
pub fn schema(app: Option<App>) -> Schema {
    let builder =
        Schema::build(Query::default(), Mutation::default(), EmptySubscription).disable_suggestions();
    match app {
        Some(app) => builder.data(app).finish(),
        None => builder.finish(),
    }
}

/// The schema as written in `schema.graphql`, ending without a line break.
pub fn sdl() -> String {
    schema(None).sdl().trim_end().to_owned()
}
