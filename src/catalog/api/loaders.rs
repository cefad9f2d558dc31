//! Products and waiting lists of many things at once, within one request.

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, Loader};
use entity::id::{CustomerId, ProductId};
use entity::{product, waitlist_entry};
use sea_orm::{EntityTrait, QueryFilter};

use crate::app::App;
use crate::catalog::{EarlyAccess, entitled, list, waitlist};
use crate::db::dialect::is_among;
use crate::error::{Fault, FaultKind};

/// Loads products and what belongs to them.
#[derive(Clone, Debug)]
pub struct CatalogLoader {
    app: App,
}

/// The loader of one request: nothing that it keeps is seen by another viewer.
pub fn loader(app: &App) -> DataLoader<CatalogLoader> {
    DataLoader::new(CatalogLoader { app: app.clone() }, tokio::spawn)
}

/// A product by sku, if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct BySku(pub(super) String);

/// A product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ById(pub(super) ProductId);

/// What a customer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct WaitlistOf(pub(super) CustomerId);

/// What a customer has early access to; nothing, if none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EarlyAccessOf(pub(super) CustomerId);

impl Loader<EarlyAccessOf> for CatalogLoader {
    type Value = EarlyAccess;
    type Error = FaultKind;

    async fn load(&self, keys: &[EarlyAccessOf]) -> Result<HashMap<EarlyAccessOf, Self::Value>, FaultKind> {
        let customers = keys.iter().map(|key| key.0);
        let found = entitled(&self.app.db.read, &self.app.settings(), self.app.clock.now(), customers)
            .await
            .map_err(logged)?;
        Ok(found.into_iter().map(|(customer, early)| (EarlyAccessOf(customer), early)).collect())
    }
}

impl Loader<BySku> for CatalogLoader {
    type Value = product::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[BySku]) -> Result<HashMap<BySku, Self::Value>, FaultKind> {
        let skus = keys.iter().map(|key| key.0.clone());
        let rows = list::by_skus(&self.app.db.read, skus).await.map_err(logged)?;
        Ok(rows.into_iter().map(|row| (BySku(row.sku.clone()), row)).collect())
    }
}

impl Loader<ById> for CatalogLoader {
    type Value = product::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[ById]) -> Result<HashMap<ById, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "id", keys.iter().map(|key| key.0.0));
        let rows = product::Entity::find().filter(among).all(db).await;
        let rows = rows.map_err(|error| logged(error.into()))?;
        Ok(rows.into_iter().map(|row| (ById(row.id), row)).collect())
    }
}

impl Loader<WaitlistOf> for CatalogLoader {
    type Value = Vec<waitlist_entry::Model>;
    type Error = FaultKind;

    async fn load(&self, keys: &[WaitlistOf]) -> Result<HashMap<WaitlistOf, Self::Value>, FaultKind> {
        let customers = keys.iter().map(|key| key.0);
        let rows = waitlist::of_customers(&self.app.db.read, customers).await.map_err(logged)?;
        let mut lists: HashMap<WaitlistOf, Self::Value> = HashMap::new();
        for row in rows {
            lists.entry(WaitlistOf(row.customer_id)).or_default().push(row);
        }
        Ok(lists)
    }
}

/// One fault fails many fields: it is logged once here, and each field tells its kind.
#[expect(clippy::needless_pass_by_value, reason = "ends the fault's way")]
fn logged(fault: Fault) -> FaultKind {
    tracing::error!(?fault, "what belongs to products could not be loaded");
    fault.kind()
}
