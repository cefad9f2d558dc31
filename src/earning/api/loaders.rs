//! Versions of many rules at once, within one request.

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, Loader};
use entity::earning_rule_version::{Column, Entity, Model};
use entity::id::EarningRuleId;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder};

use crate::app::App;
use crate::db::dialect::is_among;
use crate::error::{Fault, FaultKind};

/// Loads what belongs to rules.
#[derive(Clone, Debug)]
pub struct RuleLoader {
    app: App,
}

/// The loader of one request: nothing that it keeps is seen by another viewer.
pub fn loader(app: &App) -> DataLoader<RuleLoader> {
    DataLoader::new(RuleLoader { app: app.clone() }, tokio::spawn)
}

/// The versions of a rule, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct VersionsOf(pub(super) EarningRuleId);

impl Loader<VersionsOf> for RuleLoader {
    type Value = Vec<Model>;
    type Error = FaultKind;

    async fn load(&self, keys: &[VersionsOf]) -> Result<HashMap<VersionsOf, Self::Value>, FaultKind> {
        let db = &self.app.db.read;
        let among = is_among(db.get_database_backend(), "rule_id", keys.iter().map(|key| key.0.0));
        let found = Entity::find().filter(among).order_by_desc(Column::Version).all(db).await;
        let rows = found.map_err(|error| {
            let fault = Fault::from(error);
            tracing::error!(?fault, "versions of rules could not be loaded");
            fault.kind()
        })?;
        let mut versions: HashMap<VersionsOf, Vec<Model>> = HashMap::new();
        for row in rows {
            versions.entry(VersionsOf(row.rule_id)).or_default().push(row);
        }
        Ok(versions)
    }
}
