//! Many customers at once, within one request.

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, Loader};
use entity::customer;
use entity::id::CustomerId;

use crate::app::App;
use crate::error::FaultKind;

/// Loads customers.
#[derive(Clone, Debug)]
pub struct CustomerLoader {
    app: App,
}

/// The loader of one request: nothing that it keeps is seen by another viewer.
pub fn loader(app: &App) -> DataLoader<CustomerLoader> {
    DataLoader::new(CustomerLoader { app: app.clone() }, tokio::spawn)
}

/// A customer by our id, not whom that one turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CustomerRow(pub(crate) CustomerId);

impl Loader<CustomerRow> for CustomerLoader {
    type Value = customer::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[CustomerRow]) -> Result<HashMap<CustomerRow, Self::Value>, FaultKind> {
        let ids = keys.iter().map(|key| key.0).collect();
        let found = self.app.shared.customers.all(&self.app, ids).await.map_err(|fault| fault.kind())?;
        Ok(found.into_iter().map(|(id, row)| (CustomerRow(id), row)).collect())
    }
}
