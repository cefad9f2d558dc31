//! Customers and guest identities: who the shop's buyers are.
//!
//! Invariant: a customer is found by the shop's id or by a mailbox that is the customer's; an address that somebody merely
//! wrote down identifies nobody.

pub mod address;
pub mod api;
pub mod country;
pub mod email;
pub mod owners;
pub mod profile;
mod remembered;
#[cfg(test)]
mod tests;

use entity::customer::{Column, Entity, Model};
use entity::id::{CustomerId, GuestId};
use entity::{customer, guest_identity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::Serialize;
use serde_json::json;

use crate::db::bulk::Rows;
use crate::error::{Fault, Outcome, refuse};
use crate::external_id::ExternalId;
use crate::outbox::{self, Event};
use crate::points::orders::{self as points, Owner};
use crate::tx::Tx;
use email::EmailAddress;
use profile::{Locale, PersonName};
pub(crate) use remembered::{OrderAddresses, remember};

/// What a shop knows of a customer; what it leaves out stays as it is.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Which customer; a new one, if it is a new id.
    pub external_id: ExternalId,
    /// What the customer is called.
    pub name: Option<PersonName>,
    /// How to write to the customer; identifies nobody.
    pub email: Option<EmailAddress>,
    /// For mails.
    pub locale: Option<Locale>,
}

/// A change of a profile; what is left out stays as it is.
#[derive(Clone, Debug, Serialize)]
pub struct Update {
    /// Whose; none if the id that was given is nobody's, or not the caller's to change.
    pub customer: Option<CustomerId>,
    /// What the customer is called.
    pub name: Option<PersonName>,
    /// For mails.
    pub locale: Option<Locale>,
}

/// Why a customer was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerError {
    /// No such customer, or not the caller's.
    NotFound,
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
    let Some(row) = Entity::find().filter(which).lock_exclusive().one(tx.db()).await? else {
        return Err(Fault::internal("a customer that was recorded is gone"));
    };
    let id = row.id;
    points::open_accounts(tx, &[Owner::Customer(id)]).await?;
    let stated = Stated {
        name: record.name.as_ref().map(PersonName::as_str),
        email: record.email.as_ref().map(EmailAddress::as_str),
        locale: record.locale.as_ref().map(Locale::as_str),
    };
    let changed = write(tx, &row, &stated).await?;
    if created {
        tell(tx, "customer.created", id).await?;
    } else if changed {
        tell(tx, "customer.updated", id).await?;
    }
    Ok(id)
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
    points::open_accounts(tx, &[Owner::Customer(id)]).await?;
    tell(tx, "customer.created", id).await?;
    Ok(id)
}

/// Changes a profile.
pub(crate) async fn update(tx: &Tx, update: &Update) -> Outcome<CustomerId, CustomerError> {
    let Some(id) = update.customer else {
        return refuse(CustomerError::NotFound);
    };
    let Some(row) = Entity::find_by_id(id).lock_exclusive().one(tx.db()).await? else {
        return refuse(CustomerError::NotFound);
    };
    let stated = Stated {
        name: update.name.as_ref().map(PersonName::as_str),
        email: None,
        locale: update.locale.as_ref().map(Locale::as_str),
    };
    if write(tx, &row, &stated).await? {
        tell(tx, "customer.updated", id).await?;
    }
    Ok(id)
}

struct Stated<'a> {
    name: Option<&'a str>,
    email: Option<&'a str>,
    locale: Option<&'a str>,
}

/// Writes what differs from the locked `row`; answers whether anything did.
async fn write(tx: &Tx, row: &Model, stated: &Stated<'_>) -> Result<bool, Fault> {
    // The contact of a registered customer is the mailbox that the customer proved.
    let email = stated.email.filter(|_| row.registered_at.is_none());
    let pairs = [
        (Column::Name, stated.name, row.name.as_deref()),
        (Column::Email, email, row.email.as_deref()),
        (Column::Locale, stated.locale, row.locale.as_deref()),
    ];
    let mut update = customer::Entity::update_many();
    let mut changed = false;
    for (column, stated, kept) in pairs {
        if stated.is_some() && stated != kept {
            update = update.col_expr(column, Expr::val(stated));
            changed = true;
        }
    }
    if changed {
        let update = update.col_expr(Column::UpdatedAt, Expr::val(tx.now()));
        update.filter(Column::Id.eq(row.id)).exec(tx.db()).await?;
    }
    Ok(changed)
}

async fn tell(tx: &Tx, topic: &'static str, customer: CustomerId) -> Result<(), Fault> {
    let payload = json!({ "customerId": customer });
    let aggregate_id = customer.0;
    outbox::emit(tx, [Event { topic, aggregate_id, payload, imported: false, occurred_at: tx.now() }]).await
}

/// Finds a customer.
pub(crate) async fn find(db: &impl ConnectionTrait, by: &CustomerBy) -> Result<Option<Model>, Fault> {
    let which = match by {
        CustomerBy::Id(id) => Column::Id.eq(*id),
        CustomerBy::ExternalId(id) => Column::ExternalId.eq(id.as_str()),
        CustomerBy::Mailbox(email) => Column::EmailKey.eq(email.key()),
    };
    Ok(Entity::find().filter(which).one(db).await?)
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
