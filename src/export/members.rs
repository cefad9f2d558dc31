//! Every customer with the sums of the points account and the tier.

use std::collections::BTreeMap;

use entity::id::CustomerId;
use entity::{customer, points_account};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::PAGE;
use super::cells::{Cell, Sheet};
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::tiers;

pub(super) const HEADER: [&str; 16] = [
    "id",
    "external_id",
    "email",
    "name",
    "registered_at",
    "enrolled_at",
    "disabled_at",
    "created_at",
    "tier",
    "available",
    "pending",
    "held",
    "debt",
    "redeemed",
    "expired",
    "revoked",
];

/// Writes the customers after this one; answers the last, if there may be more.
pub(super) async fn page(
    db: &impl ConnectionTrait,
    after: CustomerId,
    sheet: &mut Sheet,
) -> Result<Option<CustomerId>, Fault> {
    use customer::Column;

    let query = customer::Entity::find().filter(Column::Id.gt(after)).order_by_asc(Column::Id).limit(PAGE);
    let customers = query.all(db).await?;
    let ids: Vec<Uuid> = customers.iter().map(|row| row.id.0).collect();
    let among = is_among(db.get_database_backend(), "id", ids);
    let accounts = points_account::Entity::find().filter(among).all(db).await?;
    let accounts: BTreeMap<Uuid, _> = accounts.into_iter().map(|row| (row.id.0, row)).collect();
    let tiers = tiers::held(db, customers.iter().map(|row| row.id)).await?;
    // Whoever turned out to be another is in the row of that one.
    for row in customers.iter().filter(|row| row.merged_into.is_none()) {
        let account = accounts.get(&row.id.0);
        let sum = |of: fn(&points_account::Model) -> i64| Cell::plain(&account.map_or(0, of));
        sheet.row(&[
            Cell::plain(&row.id.0),
            Cell::maybe(row.external_id.as_deref()),
            Cell::maybe(row.email.as_deref()),
            Cell::maybe(row.name.as_deref()),
            Cell::at(row.registered_at),
            Cell::at(row.enrolled_at),
            Cell::at(row.disabled_at),
            Cell::at(Some(row.created_at)),
            Cell::maybe(tiers.get(&row.id).map(String::as_str)),
            sum(|account| account.available),
            sum(|account| account.pending),
            sum(|account| account.held),
            sum(|account| account.debt),
            sum(|account| account.redeemed),
            sum(|account| account.expired),
            sum(|account| account.revoked),
        ])?;
    }
    let is_full = u64::try_from(customers.len())? == PAGE;
    Ok(customers.last().map(|row| row.id).filter(|_| is_full))
}
