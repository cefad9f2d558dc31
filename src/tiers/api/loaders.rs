//! Tiers of many customers in a constant number of statements.

use std::collections::HashMap;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use entity::id::CustomerId;

use super::types::{CustomerTier, tiers_of};
use crate::app::App;
use crate::error::{Fault, FaultKind};
use crate::graphql::fault::ApiError;

/// Loads the tiers of customers.
#[derive(Debug)]
pub struct TierLoader {
    app: App,
}

/// A loader for one request.
pub fn loader(app: &App) -> DataLoader<TierLoader> {
    DataLoader::new(TierLoader { app: app.clone() }, tokio::spawn)
}

impl Loader<CustomerId> for TierLoader {
    type Value = CustomerTier;
    type Error = FaultKind;

    async fn load(&self, keys: &[CustomerId]) -> Result<HashMap<CustomerId, CustomerTier>, FaultKind> {
        match tiers_of(&self.app, keys).await {
            Ok(tiers) => Ok(tiers.into_iter().collect()),
            Err(fault) => {
                // One fault fails many fields: it is logged once here, and each field tells its kind.
                tracing::error!(?fault, "tiers could not be loaded");
                Err(fault.kind())
            }
        }
    }
}

/// The tier of a customer; none if the shop has no tiers.
pub(crate) async fn tier_of(
    ctx: &Context<'_>,
    customer: CustomerId,
) -> Result<Option<CustomerTier>, ApiError> {
    Ok(ctx.data_unchecked::<DataLoader<TierLoader>>().load_one(customer).await.map_err(Fault::of)?)
}
