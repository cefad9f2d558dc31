//! Every entry of the points ledger.

use std::collections::{BTreeMap, BTreeSet};

use entity::id::{EntryId, OrderId};
use entity::{customer, order, points_entry};
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::PAGE;
use super::cells::{Cell, Sheet};
use crate::db::dialect::is_among;
use crate::error::Fault;

pub(super) const HEADER: [&str; 17] = [
    "id",
    "account_id",
    "customer_external_id",
    "seq",
    "kind",
    "from_bucket",
    "to_bucket",
    "points",
    "order_external_id",
    "order_line_id",
    "rule",
    "rule_version",
    "reason",
    "actor_kind",
    "actor_id",
    "effective_at",
    "recorded_at",
];

/// Writes the entries after this one; answers the last, if there may be more.
pub(super) async fn page(
    db: &impl ConnectionTrait,
    after: EntryId,
    sheet: &mut Sheet,
) -> Result<Option<EntryId>, Fault> {
    use points_entry::Column;

    let query =
        points_entry::Entity::find().filter(Column::Id.gt(after)).order_by_asc(Column::Id).limit(PAGE);
    let entries = query.all(db).await?;
    let customers = externals(db, &entries).await?;
    let orders = orders(db, &entries).await?;
    for row in &entries {
        sheet.row(&[
            Cell::plain(&row.id.0),
            Cell::plain(&row.account_id.0),
            Cell::maybe(customers.get(&row.account_id.0).map(String::as_str)),
            Cell::plain(&row.seq),
            Cell::plain(&row.kind.to_value()),
            Cell::plain(&row.from_bucket.to_value()),
            Cell::plain(&row.to_bucket.to_value()),
            Cell::plain(&row.amount),
            Cell::maybe(row.order_id.and_then(|id| orders.get(&id)).map(String::as_str)),
            Cell::plain(&row.order_line_id.map(|id| id.0.to_string()).unwrap_or_default()),
            Cell::maybe(row.rule.as_deref()),
            Cell::plain(&row.rule_version.map(|version| version.to_string()).unwrap_or_default()),
            Cell::maybe(row.reason.as_deref()),
            Cell::plain(&row.actor_kind.to_value()),
            Cell::plain(&row.actor_id.map(|id| id.to_string()).unwrap_or_default()),
            Cell::at(Some(row.effective_at)),
            Cell::at(Some(row.recorded_at)),
        ])?;
    }
    let is_full = u64::try_from(entries.len())? == PAGE;
    Ok(entries.last().map(|row| row.id).filter(|_| is_full))
}

/// The shop's ids of the customers whose accounts these are.
async fn externals(
    db: &impl ConnectionTrait,
    entries: &[points_entry::Model],
) -> Result<BTreeMap<Uuid, String>, Fault> {
    let ids: BTreeSet<Uuid> = entries.iter().map(|row| row.account_id.0).collect();
    let rows: Vec<(Uuid, Option<String>)> = customer::Entity::find()
        .select_only()
        .columns([customer::Column::Id, customer::Column::ExternalId])
        .filter(is_among(db.get_database_backend(), "id", ids))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().filter_map(|(id, external)| Some((id, external?))).collect())
}

async fn orders(
    db: &impl ConnectionTrait,
    entries: &[points_entry::Model],
) -> Result<BTreeMap<OrderId, String>, Fault> {
    let ids: BTreeSet<Uuid> = entries.iter().filter_map(|row| Some(row.order_id?.0)).collect();
    let rows: Vec<(OrderId, String)> = order::Entity::find()
        .select_only()
        .columns([order::Column::Id, order::Column::ExternalId])
        .filter(is_among(db.get_database_backend(), "id", ids))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}
