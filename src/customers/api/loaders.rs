//! Many customers at once, within one request.

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, Loader};
use entity::customer;
use entity::id::CustomerId;
use sea_orm::{EntityTrait, QueryFilter};

use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::{Fault, FaultKind};

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
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "id", keys.iter().map(|key| key.0.0));
        match customer::Entity::find().filter(among).all(db).await {
            Ok(rows) => Ok(rows.into_iter().map(|row| (CustomerRow(row.id), row)).collect()),
            Err(error) => {
                // One fault fails many fields: it is logged once here, and each field tells its kind.
                let fault = Fault::from(error);
                tracing::error!(?fault, "customers could not be loaded");
                Err(fault.kind())
            }
        }
    }
}
