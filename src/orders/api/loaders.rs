//! Lines and returns of many orders at once, within one request.

use std::collections::HashMap;
use std::hash::Hash;

use async_graphql::dataloader::{DataLoader, Loader};
use entity::id::{HoldId, OrderId};
use entity::{order, order_line, order_return, points_hold};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder};

use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::{Fault, FaultKind};

/// Loads what belongs to orders.
#[derive(Clone, Debug)]
pub struct OrderLoader {
    app: App,
}

/// The loader of one request: nothing that it keeps is seen by another viewer.
pub fn loader(app: &App) -> DataLoader<OrderLoader> {
    DataLoader::new(OrderLoader { app: app.clone() }, tokio::spawn)
}

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct OrderRow(pub(super) OrderId);

/// The lines of an order, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LinesOf(pub(super) OrderId);

/// The returns of an order, the first recorded first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReturnsOf(pub(super) OrderId);

/// Points that pay part of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct HoldOf(pub(super) HoldId);

impl Loader<OrderRow> for OrderLoader {
    type Value = order::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[OrderRow]) -> Result<HashMap<OrderRow, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "id", keys.iter().map(|key| key.0.0));
        let rows = order::Entity::find().filter(among).all(db).await;
        let rows = rows.map_err(|error| logged(error.into()))?;
        Ok(rows.into_iter().map(|row| (OrderRow(row.id), row)).collect())
    }
}

impl Loader<LinesOf> for OrderLoader {
    type Value = Vec<order_line::Model>;
    type Error = FaultKind;

    async fn load(&self, keys: &[LinesOf]) -> Result<HashMap<LinesOf, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "order_id", keys.iter().map(|key| key.0.0));
        let query = order_line::Entity::find().filter(among).order_by_asc(order_line::Column::Position);
        let rows = query.all(db).await.map_err(|error| logged(error.into()))?;
        Ok(grouped(rows, |row| LinesOf(row.order_id)))
    }
}

impl Loader<ReturnsOf> for OrderLoader {
    type Value = Vec<order_return::Model>;
    type Error = FaultKind;

    async fn load(&self, keys: &[ReturnsOf]) -> Result<HashMap<ReturnsOf, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "order_id", keys.iter().map(|key| key.0.0));
        let query = order_return::Entity::find().filter(among).order_by_asc(order_return::Column::Id);
        let rows = query.all(db).await.map_err(|error| logged(error.into()))?;
        Ok(grouped(rows, |row| ReturnsOf(row.order_id)))
    }
}

impl Loader<HoldOf> for OrderLoader {
    type Value = points_hold::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[HoldOf]) -> Result<HashMap<HoldOf, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "id", keys.iter().map(|key| key.0.0));
        let rows = points_hold::Entity::find().filter(among).all(db).await;
        let rows = rows.map_err(|error| logged(error.into()))?;
        Ok(rows.into_iter().map(|row| (HoldOf(row.id), row)).collect())
    }
}

/// One fault fails many fields: it is logged once here, and each field tells its kind.
#[expect(clippy::needless_pass_by_value, reason = "ends the fault's way")]
fn logged(fault: Fault) -> FaultKind {
    tracing::error!(?fault, "what belongs to orders could not be loaded");
    fault.kind()
}

fn grouped<K: Hash + Eq, R>(rows: Vec<R>, key: impl Fn(&R) -> K) -> HashMap<K, Vec<R>> {
    let mut groups: HashMap<K, Vec<R>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}
