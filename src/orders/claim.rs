//! The claim of an order: for a day after it was recorded, once.

use chrono::TimeDelta;
use entity::Instant;
use entity::id::OrderId;
use entity::order::{Column, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use crate::customers::address::Address;
use crate::error::Fault;
use crate::tx::Tx;

/// How long a claim token is good.
pub(super) const LIFE: TimeDelta = TimeDelta::hours(24);

/// Whether the order's claim token is good at `now`.
pub(crate) fn is_claimable(order: &Model, now: Instant) -> bool {
    order.claimed_at.is_none() && order.claim_until.is_some_and(|until| now < until)
}

/// Where an order and its invoice went, for the account that is made from it.
pub(crate) async fn addresses_of(tx: &Tx, order: OrderId) -> Result<[Option<Address>; 2], Fault> {
    let Some(order) = Entity::find_by_id(order).one(tx.db()).await? else {
        return Err(Fault::internal("an order that an account is made from is gone"));
    };
    let address = |stored: Option<serde_json::Value>| stored.map(serde_json::from_value).transpose();
    Ok([address(order.shipping_address)?, address(order.billing_address)?])
}

/// Uses up the claim token of an order; none if it was used, has ended or never was.
pub(crate) async fn use_claim(tx: &Tx, order: OrderId) -> Result<Option<Model>, Fault> {
    let open = Column::ClaimedAt.is_null().and(Column::ClaimUntil.gt(tx.now()));
    let used = Entity::update_many()
        .col_expr(Column::ClaimedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(order).and(open))
        .exec(tx.db())
        .await?;
    if used.rows_affected == 0 {
        return Ok(None);
    }
    Ok(Entity::find_by_id(order).one(tx.db()).await?)
}
