//! Ratings of many products at once, within one request.

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, Loader};
use entity::id::ProductId;

use crate::app::App;
use crate::error::FaultKind;
use crate::feedback::ratings;

/// Loads ratings of products.
#[derive(Clone, Debug)]
pub struct FeedbackLoader {
    app: App,
}

/// The loader of one request: nothing that it keeps is seen by another viewer.
pub fn loader(app: &App) -> DataLoader<FeedbackLoader> {
    DataLoader::new(FeedbackLoader { app: app.clone() }, tokio::spawn)
}

/// How many published reviews give a product which rating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RatingsOf(pub(super) ProductId);

impl Loader<RatingsOf> for FeedbackLoader {
    type Value = Vec<(i32, i32)>;
    type Error = FaultKind;

    async fn load(&self, keys: &[RatingsOf]) -> Result<HashMap<RatingsOf, Self::Value>, FaultKind> {
        let found = ratings::of_products(&self.app.db.read, keys.iter().map(|key| key.0)).await;
        let found = found.map_err(|fault| {
            // One fault fails many fields: it is logged once here, and each field tells its kind.
            tracing::error!(?fault, "ratings could not be loaded");
            fault.kind()
        })?;
        Ok(found.into_iter().map(|(product, counts)| (RatingsOf(product), counts)).collect())
    }
}
