//! The first sign-in that is mailed after the first order of an address that nobody has proven.

use std::collections::HashMap;

use entity::id::{GuestId, OrderId};
use entity::mailbox_challenge::Purpose;
use entity::order::{Column, Entity};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::auth::mailbox::{self, Prepared};
use crate::customers::email::EmailAddress;
use crate::customers::profile::{Locale, PersonName};
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::tx::Tx;

/// An order of a guest that was just written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstOrder<'a> {
    pub(crate) order: OrderId,
    pub(crate) guest: GuestId,
    pub(crate) email: &'a EmailAddress,
    pub(crate) name: Option<&'a PersonName>,
    pub(crate) locale: Option<&'a Locale>,
}

/// Mails a one-time sign-in for each of these orders that is the first of its guest. The guests are locked: of two orders
/// that are recorded at once, one is the first.
pub(crate) async fn welcome(tx: &Tx, orders: &[FirstOrder<'_>]) -> Result<(), Fault> {
    if orders.is_empty() {
        return Ok(());
    }
    let guests = orders.iter().map(|order| order.guest.0);
    let among = is_among(tx.db().get_database_backend(), "guest_id", guests);
    let counted: Vec<(GuestId, i64)> = Entity::find()
        .select_only()
        .column(Column::GuestId)
        .column_as(Column::Id.count(), "orders")
        .filter(among)
        .group_by(Column::GuestId)
        .into_tuple()
        .all(tx.db())
        .await?;
    let counts: HashMap<GuestId, i64> = counted.into_iter().collect();
    for first in orders.iter().filter(|order| counts.get(&order.guest) == Some(&1)) {
        let prepared = Prepared {
            name: first.name.cloned(),
            locale: first.locale.cloned(),
            order: Some(first.order),
            ..Prepared::new(Purpose::Welcome, first.email.clone())
        };
        mailbox::begin(tx, &prepared).await?;
    }
    Ok(())
}
