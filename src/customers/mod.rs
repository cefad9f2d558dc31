//! Customers and guest identities: who the shop's buyers are.
//!
//! Invariant: a customer is found by the shop's id or by a mailbox that is the customer's; an address that somebody merely
//! wrote down identifies nobody.

pub mod address;
pub mod addresses;
pub mod api;
pub mod birthday;
pub mod country;
pub mod email;
pub mod merge;
mod merge_plan;
pub mod owners;
pub mod preferences;
pub mod profile;
mod remembered;
pub(crate) mod search;
pub mod standing;
#[cfg(test)]
mod tests;
pub(crate) mod words;
pub mod write;

use std::collections::HashMap;

use entity::customer::{Column, Entity, Model};
use entity::guest_identity;
use entity::id::{CustomerId, GuestId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::Serialize;

use crate::app::App;
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::{Fault, Outcome, refuse};
use crate::external_id::ExternalId;
use crate::points::orders::{self as points, Owner};
use crate::tx::Tx;
use email::EmailAddress;
use profile::{Locale, PersonName};
pub(crate) use remembered::{OrderAddresses, remember};
use write::{Profile, locked, tell};

/// What a shop knows of a customer.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Which customer; a new one, if it is a new id.
    pub external_id: ExternalId,
    /// How to write to the customer; identifies nobody.
    pub email: Option<EmailAddress>,
    /// What is stated of the customer.
    pub profile: Profile,
}

/// A change of a profile.
#[derive(Clone, Debug, Serialize)]
pub struct Update {
    /// Whose; none if the id that was given is nobody's, or not the caller's to change.
    pub customer: Option<CustomerId>,
    /// What is stated of the customer.
    pub profile: Profile,
}

/// Why a customer was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerError {
    /// No such customer, or not the caller's.
    NotFound,
    /// No such address, or not the caller's.
    AddressNotFound,
    /// As many addresses as a customer may have.
    AddressLimit,
    /// A merge of somebody who is not there; the API's name of who.
    NobodyToMerge(&'static str),
    /// A merge of a customer into that same customer.
    SameCustomer,
    /// A merge of somebody who turned out to be another already; the API's name of who.
    AlreadyMerged(&'static str),
    /// The account of both would hold more than a client can be told of.
    BalanceLimit,
}

/// How a customer is found.
#[derive(Clone, Debug)]
pub enum CustomerBy {
    /// By our id.
    Id(CustomerId),
    /// By the shop's id.
    ExternalId(ExternalId),
    /// By the mailbox that is the customer's: proven, or an import's.
    Mailbox(EmailAddress),
}

/// How a guest identity is found.
#[derive(Clone, Debug)]
pub enum GuestBy {
    /// By our id.
    Id(GuestId),
    /// By the address that ordered.
    Mailbox(EmailAddress),
}

/// Makes or updates the customer with this external id, and opens the points account.
pub(crate) async fn record(tx: &Tx, record: &Record) -> Result<CustomerId, Fault> {
    let new: CustomerId = tx.id();
    let columns = &["id", "external_id", "enrolled_at", "created_at", "updated_at"];
    let mut rows = Rows::new("customers", columns);
    let now = tx.now();
    rows.push([new.0.into(), record.external_id.as_str().into(), now.into(), now.into(), now.into()]);
    let created = rows.insert_missing(tx.db()).await? == 1;
    let which = Column::ExternalId.eq(record.external_id.as_str());
    let named: Option<CustomerId> =
        Entity::find().select_only().column(Column::Id).filter(which).into_tuple().one(tx.db()).await?;
    let row = match named {
        Some(id) => locked(tx, id).await?,
        None => None,
    };
    let Some(row) = row else {
        return Err(Fault::internal("a customer that was recorded is gone"));
    };
    points::open_accounts(tx, &[Owner::Customer(row.id)]).await?;
    let changed = write::profile(tx, &row, &record.profile, record.email.as_ref()).await?;
    if created {
        tell(tx, "customer.created", row.id).await?;
    } else if changed {
        tell(tx, "customer.updated", row.id).await?;
    }
    Ok(row.id)
}

/// Makes a customer for whom staff say an address is; it is the customer's once it is proven.
pub(crate) async fn prepare(
    tx: &Tx,
    email: &EmailAddress,
    name: Option<&PersonName>,
    locale: Option<&Locale>,
) -> Result<CustomerId, Fault> {
    let id: CustomerId = tx.id();
    let columns = &["id", "email", "name", "locale", "enrolled_at", "created_at", "updated_at"];
    let mut rows = Rows::new("customers", columns);
    let (name, locale, now) = (name.map(PersonName::as_str), locale.map(Locale::as_str), tx.now());
    rows.push([
        id.0.into(),
        email.as_str().into(),
        name.into(),
        locale.into(),
        now.into(),
        now.into(),
        now.into(),
    ]);
    rows.insert(tx.db()).await?;
    words::insert(tx, [(id, words::words_of(name, Some(email.as_str())))]).await?;
    points::open_accounts(tx, &[Owner::Customer(id)]).await?;
    tell(tx, "customer.created", id).await?;
    Ok(id)
}

/// Changes a profile.
pub(crate) async fn update(tx: &Tx, update: &Update) -> Outcome<CustomerId, CustomerError> {
    let Some(id) = update.customer else { return refuse(CustomerError::NotFound) };
    let Some(row) = locked(tx, id).await? else { return refuse(CustomerError::NotFound) };
    if write::profile(tx, &row, &update.profile, None).await? {
        tell(tx, "customer.updated", row.id).await?;
    }
    Ok(row.id)
}

/// Finds a customer, or whom the one that is named turned out to be.
pub(crate) async fn find(db: &impl ConnectionTrait, by: &CustomerBy) -> Result<Option<Model>, Fault> {
    let which = match by {
        CustomerBy::Id(id) => Column::Id.eq(*id),
        CustomerBy::ExternalId(id) => Column::ExternalId.eq(id.as_str()),
        CustomerBy::Mailbox(email) => Column::EmailKey.eq(email.key()),
    };
    let mut found = Entity::find().filter(which).one(db).await?;
    while let Some(into) = found.as_ref().and_then(|row| row.merged_into) {
        found = Entity::find_by_id(into).one(db).await?;
    }
    Ok(found)
}

/// The same, asked together with other requests.
pub(crate) async fn look_up(app: &App, by: &CustomerBy) -> Result<Option<Model>, Fault> {
    let CustomerBy::Id(id) = by else { return find(&app.db.read, by).await };
    let mut found = app.shared.customers.one(app, *id).await?;
    while let Some(into) = found.as_ref().and_then(|row| row.merged_into) {
        found = app.shared.customers.one(app, into).await?;
    }
    Ok(found)
}

/// Customers by our ids, not whom they turned out to be.
pub(crate) async fn by_id(app: App, ids: Vec<CustomerId>) -> Result<HashMap<CustomerId, Model>, Fault> {
    let db = &app.db.lookups;
    let among = is_among(db.get_database_backend(), "id", ids.into_iter().map(|id| id.0));
    let rows = Entity::find().filter(among).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Whether the mailbox that finds this customer is taken. That of somebody who was merged away goes on finding the one who
/// stays, but is anybody's who proves it; unless the customer was disabled before: a merge opens nothing that was shut.
pub(crate) fn holds_mailbox(row: &Model) -> bool {
    match (row.disabled_at, row.merged_at) {
        (Some(disabled), Some(merged)) => disabled < merged,
        (_, None) => true,
        (None, Some(_)) => false,
    }
}

/// Finds a guest identity.
pub(crate) async fn find_guest(
    db: &impl ConnectionTrait,
    by: &GuestBy,
) -> Result<Option<guest_identity::Model>, Fault> {
    use guest_identity::{Column, Entity};
    let which = match by {
        GuestBy::Id(id) => Column::Id.eq(*id),
        GuestBy::Mailbox(email) => Column::EmailKey.eq(email.key()),
    };
    Ok(Entity::find().filter(which).one(db).await?)
}
