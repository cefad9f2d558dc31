//! Early access that customers claimed.

use std::collections::{BTreeMap, BTreeSet};

use entity::id::CustomerId;
use entity::reward_claim::{Column, Entity, RewardClaimState};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde_json::Value as Json;

use crate::db::dialect::is_among;
use crate::error::Fault;

/// The skus to which the claims of these customers give early access, as long as they are not undone.
pub(crate) async fn early_access(
    db: &impl ConnectionTrait,
    customers: impl IntoIterator<Item = CustomerId>,
) -> Result<BTreeMap<CustomerId, BTreeSet<String>>, Fault> {
    let among = is_among(db.get_database_backend(), "customer_id", customers.into_iter().map(|id| id.0));
    let claimed: Vec<(CustomerId, Json)> = Entity::find()
        .select_only()
        .columns([Column::CustomerId, Column::EarlyAccess])
        .filter(among)
        .filter(Column::EarlyAccess.is_not_null())
        .filter(Column::State.ne(RewardClaimState::Cancelled))
        .into_tuple()
        .all(db)
        .await?;
    let mut found: BTreeMap<CustomerId, BTreeSet<String>> = BTreeMap::new();
    for (customer, skus) in claimed {
        let skus: BTreeSet<String> = serde_json::from_value(skus)?;
        found.entry(customer).or_default().extend(skus);
    }
    Ok(found)
}
