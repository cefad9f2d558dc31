//! How the tiers of many customers came to be, in one statement.

use std::collections::HashMap;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use entity::id::CustomerId;

use super::types::{TierChange, changes_of_all};
use crate::app::App;
use crate::error::{Fault, FaultKind};
use crate::graphql::fault::ApiError;

/// Loads how tiers came to be.
#[derive(Debug)]
pub struct TierLoader {
    app: App,
}

/// A loader for one request.
pub fn loader(app: &App) -> DataLoader<TierLoader> {
    DataLoader::new(TierLoader { app: app.clone() }, tokio::spawn)
}

/// How the tier of a customer came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ChangesOf(CustomerId);

impl Loader<ChangesOf> for TierLoader {
    type Value = Vec<TierChange>;
    type Error = FaultKind;

    async fn load(&self, keys: &[ChangesOf]) -> Result<HashMap<ChangesOf, Vec<TierChange>>, FaultKind> {
        match changes_of_all(&self.app, keys.iter().map(|key| key.0)).await {
            Ok(changes) => Ok(changes.into_iter().map(|(of, changes)| (ChangesOf(of), changes)).collect()),
            Err(fault) => {
                tracing::error!(?fault, "changes of tiers could not be loaded");
                Err(fault.kind())
            }
        }
    }
}

/// The last changes of the tier of a customer, the last first.
pub(super) async fn changes_of(ctx: &Context<'_>, customer: CustomerId) -> Result<Vec<TierChange>, ApiError> {
    let loader = ctx.data_unchecked::<DataLoader<TierLoader>>();
    Ok(loader.load_one(ChangesOf(customer)).await.map_err(Fault::of)?.unwrap_or_default())
}
