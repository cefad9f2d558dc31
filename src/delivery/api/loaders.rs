//! What belongs to many orders, slots and methods at once, within one request.

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, Loader};
use entity::id::{CustomerId, DeliverySlotId, OrderId, ShippingMethodId};
use entity::{delivery_slot, order_shipping, shipping_method, shipping_rate, slot_hold};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder};

use crate::app::App;
use crate::db::dialect::is_among;
use crate::delivery::holds::upcoming;
use crate::delivery::slots::{Destination, open};
use crate::error::{Fault, FaultKind};

/// Places of one customer that are shown.
const MOST_PLACES: i32 = 20;

/// Loads what belongs to deliveries.
#[derive(Clone, Debug)]
pub struct DeliveryLoader {
    app: App,
}

/// The loader of one request: nothing that it keeps is seen by another viewer.
pub fn loader(app: &App) -> DataLoader<DeliveryLoader> {
    DataLoader::new(DeliveryLoader { app: app.clone() }, tokio::spawn)
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct MethodRow(pub(super) ShippingMethodId);

/// The rates of a method, as stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RatesOf(pub(super) ShippingMethodId);

/// A slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SlotRow(pub(super) DeliverySlotId);

/// The place in a slot that an order has, or had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct HoldOf(pub(super) OrderId);

/// The places in slots that a customer has, and that are not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlacesOf(pub(super) CustomerId);

/// What shipping cost for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TermsOf(pub(super) OrderId);

/// The first open slots of a method for a destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OpenSlots {
    pub(super) method: ShippingMethodId,
    pub(super) to: Destination,
    pub(super) first: i32,
}

impl Loader<MethodRow> for DeliveryLoader {
    type Value = shipping_method::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[MethodRow]) -> Result<HashMap<MethodRow, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "id", keys.iter().map(|key| key.0.0));
        let rows = shipping_method::Entity::find().filter(among).all(db).await;
        let rows = rows.map_err(|error| logged(error.into()))?;
        Ok(rows.into_iter().map(|row| (MethodRow(row.id), row)).collect())
    }
}

impl Loader<SlotRow> for DeliveryLoader {
    type Value = delivery_slot::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[SlotRow]) -> Result<HashMap<SlotRow, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "id", keys.iter().map(|key| key.0.0));
        let rows = delivery_slot::Entity::find().filter(among).all(db).await;
        let rows = rows.map_err(|error| logged(error.into()))?;
        Ok(rows.into_iter().map(|row| (SlotRow(row.id), row)).collect())
    }
}

impl Loader<TermsOf> for DeliveryLoader {
    type Value = order_shipping::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[TermsOf]) -> Result<HashMap<TermsOf, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "order_id", keys.iter().map(|key| key.0.0));
        let rows = order_shipping::Entity::find().filter(among).all(db).await;
        let rows = rows.map_err(|error| logged(error.into()))?;
        Ok(rows.into_iter().map(|row| (TermsOf(row.order_id), row)).collect())
    }
}

impl Loader<HoldOf> for DeliveryLoader {
    type Value = slot_hold::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[HoldOf]) -> Result<HashMap<HoldOf, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "order_id", keys.iter().map(|key| key.0.0));
        let rows = slot_hold::Entity::find().filter(among).all(db).await;
        let rows = rows.map_err(|error| logged(error.into()))?;
        Ok(rows.into_iter().filter_map(|row| Some((HoldOf(row.order_id?), row))).collect())
    }
}

impl Loader<PlacesOf> for DeliveryLoader {
    type Value = Vec<slot_hold::Model>;
    type Error = FaultKind;

    async fn load(&self, keys: &[PlacesOf]) -> Result<HashMap<PlacesOf, Self::Value>, FaultKind> {
        let (db, now) = (&self.app.db.read, self.app.clock.now());
        let rows = upcoming(db, keys.iter().map(|key| key.0), now, MOST_PLACES).await.map_err(logged)?;
        let mut places: HashMap<PlacesOf, Self::Value> = HashMap::new();
        for row in rows {
            if let Some(customer) = row.customer_id {
                places.entry(PlacesOf(customer)).or_default().push(row);
            }
        }
        Ok(places)
    }
}

impl Loader<RatesOf> for DeliveryLoader {
    type Value = Vec<shipping_rate::Model>;
    type Error = FaultKind;

    async fn load(&self, keys: &[RatesOf]) -> Result<HashMap<RatesOf, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "method_id", keys.iter().map(|key| key.0.0));
        let query = shipping_rate::Entity::find().filter(among).order_by_asc(shipping_rate::Column::Position);
        let rows = query.all(db).await.map_err(|error| logged(error.into()))?;
        let mut rates: HashMap<RatesOf, Self::Value> = HashMap::new();
        for row in rows {
            rates.entry(RatesOf(row.method_id)).or_default().push(row);
        }
        Ok(rates)
    }
}

impl Loader<OpenSlots> for DeliveryLoader {
    type Value = Vec<delivery_slot::Model>;
    type Error = FaultKind;

    async fn load(&self, keys: &[OpenSlots]) -> Result<HashMap<OpenSlots, Self::Value>, FaultKind> {
        let now = self.app.clock.now();
        let mut by_destination: HashMap<&Destination, Vec<&OpenSlots>> = HashMap::new();
        for key in keys {
            by_destination.entry(&key.to).or_default().push(key);
        }
        let mut found = HashMap::new();
        // All of a quote goes to one.
        for (to, keys) in by_destination {
            let most = keys.iter().map(|key| key.first).max().unwrap_or_default();
            let methods = keys.iter().map(|key| key.method);
            let slots = open(&self.app.db.read, methods, to, now, most).await.map_err(logged)?;
            for key in keys {
                let first = usize::try_from(key.first).unwrap_or_default();
                let of_method = slots.iter().filter(|slot| slot.method_id == key.method);
                found.insert(key.clone(), of_method.take(first).cloned().collect());
            }
        }
        Ok(found)
    }
}

/// One fault fails many fields: it is logged once here, and each field tells its kind.
#[expect(clippy::needless_pass_by_value, reason = "ends the fault's way")]
fn logged(fault: Fault) -> FaultKind {
    tracing::error!(?fault, "what belongs to deliveries could not be loaded");
    fault.kind()
}
