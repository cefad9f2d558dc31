//! Disabling a customer: no sign-in and no session, while orders go on being recorded; and enabling one again.

use entity::Instant;
use entity::customer::{Column, Entity};
use entity::id::CustomerId;
use entity::session::Audience;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use serde_json::json;

use super::CustomerError;
use super::write::{locked, tell};
use crate::audit::{self, Entry};
use crate::auth::sessions;
use crate::error::{Outcome, refuse};
use crate::tx::Tx;

/// A change of whether a customer may sign in.
#[derive(Clone, Debug, Serialize)]
pub struct Stand {
    /// Who; none if the id that was given is nobody's.
    pub customer: Option<CustomerId>,
    /// As staff wrote it.
    pub reason: Option<String>,
}

/// Refuses sign-in and ends every session at once; who is disabled already stays so, and nothing is written.
pub(crate) async fn disable(tx: &Tx, stand: &Stand) -> Outcome<CustomerId, CustomerError> {
    let since = Some(tx.now());
    stand_as(tx, stand, since, ("customer.disable", "customer.disabled")).await
}

/// Allows sign-in again; sessions stay ended.
pub(crate) async fn enable(tx: &Tx, stand: &Stand) -> Outcome<CustomerId, CustomerError> {
    stand_as(tx, stand, None, ("customer.enable", "customer.enabled")).await
}

async fn stand_as(
    tx: &Tx,
    stand: &Stand,
    since: Option<Instant>,
    (act, topic): (&'static str, &'static str),
) -> Outcome<CustomerId, CustomerError> {
    let Some(id) = stand.customer else { return refuse(CustomerError::NotFound) };
    let Some(row) = locked(tx, id).await? else { return refuse(CustomerError::NotFound) };
    if row.disabled_at.is_some() == since.is_some() {
        return Ok(row.id);
    }
    Entity::update_many()
        .col_expr(Column::DisabledAt, Expr::val(since))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(row.id))
        .exec(tx.db())
        .await?;
    if since.is_some() {
        sessions::end_all(tx, Audience::Customer, row.id.0, None).await?;
    }
    let detail = json!({
        "reason": stand.reason,
        "before": { "disabledAt": row.disabled_at },
        "after": { "disabledAt": since },
    });
    audit::record(tx, [Entry::of_customer(act, row.id, detail)]).await?;
    tell(tx, topic, row.id).await?;
    Ok(row.id)
}
