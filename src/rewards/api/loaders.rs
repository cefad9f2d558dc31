//! What belongs to many claims at once, within one request.

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, Loader};
use entity::id::{CouponId, RewardCodeId, RewardId};
use entity::{coupon, reward, reward_code};
use sea_orm::{EntityTrait, QueryFilter};

use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::{Fault, FaultKind};

/// Loads what belongs to claims of rewards.
#[derive(Clone, Debug)]
pub struct RewardLoader {
    app: App,
}

/// The loader of one request: nothing that it keeps is seen by another viewer.
pub fn loader(app: &App) -> DataLoader<RewardLoader> {
    DataLoader::new(RewardLoader { app: app.clone() }, tokio::spawn)
}

/// A reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RewardRow(pub(super) RewardId);

/// The code of a coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CouponCode(pub(super) CouponId);

/// The text of a code of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ExternalCode(pub(super) RewardCodeId);

impl Loader<RewardRow> for RewardLoader {
    type Value = reward::Model;
    type Error = FaultKind;

    async fn load(&self, keys: &[RewardRow]) -> Result<HashMap<RewardRow, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "id", keys.iter().map(|key| key.0.0));
        let rows = reward::Entity::find().filter(among).all(db).await;
        let rows = rows.map_err(|error| logged(error.into()))?;
        Ok(rows.into_iter().map(|row| (RewardRow(row.id), row)).collect())
    }
}

impl Loader<CouponCode> for RewardLoader {
    type Value = String;
    type Error = FaultKind;

    async fn load(&self, keys: &[CouponCode]) -> Result<HashMap<CouponCode, String>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "id", keys.iter().map(|key| key.0.0));
        let rows = coupon::Entity::find().filter(among).all(db).await;
        let rows = rows.map_err(|error| logged(error.into()))?;
        Ok(rows.into_iter().map(|row| (CouponCode(row.id), row.code)).collect())
    }
}

impl Loader<ExternalCode> for RewardLoader {
    type Value = String;
    type Error = FaultKind;

    async fn load(&self, keys: &[ExternalCode]) -> Result<HashMap<ExternalCode, String>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "id", keys.iter().map(|key| key.0.0));
        let rows = reward_code::Entity::find().filter(among).all(db).await;
        let rows = rows.map_err(|error| logged(error.into()))?;
        Ok(rows.into_iter().map(|row| (ExternalCode(row.id), row.code)).collect())
    }
}

/// One fault fails many fields: it is logged once here, and each field tells its kind.
#[expect(clippy::needless_pass_by_value, reason = "ends the fault's way")]
fn logged(fault: Fault) -> FaultKind {
    tracing::error!(?fault, "what belongs to claims could not be loaded");
    fault.kind()
}
