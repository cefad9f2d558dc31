//! How a person is written to by mail.

use entity::id::PersonId;
use entity::{customer, guest_identity};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::customers::email::EmailAddress;
use crate::error::Fault;

/// How a person is written to by mail.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    pub(super) email: EmailAddress,
    /// Whether it is the mailbox of an account, which its owner proved.
    pub(super) is_proven: bool,
}

/// The mailbox of a person, who is nobody else by now; none if there is no address.
pub(super) async fn mailbox(db: &impl ConnectionTrait, person: PersonId) -> Result<Option<Mailbox>, Fault> {
    let found = match customer::Entity::find_by_id(person.0).one(db).await? {
        Some(row) => {
            let written = row.email.clone().or_else(|| row.email_key.clone());
            let Some(email) = written.and_then(|email| EmailAddress::try_from(email).ok()) else {
                return Ok(None);
            };
            // The shop may write to another address than the one that was proven.
            let is_proven = row.registered_at.is_some() && row.email_key == Some(email.key());
            Some(Mailbox { email, is_proven })
        }
        None => guest_identity::Entity::find_by_id(person.0)
            .one(db)
            .await?
            .and_then(|row| EmailAddress::try_from(row.email).ok())
            .map(|email| Mailbox { email, is_proven: false }),
    };
    Ok(found)
}

/// The language of a person, if that is known.
pub(super) async fn locale(db: &impl ConnectionTrait, person: PersonId) -> Result<Option<String>, Fault> {
    Ok(customer::Entity::find_by_id(person.0).one(db).await?.and_then(|row| row.locale))
}

/// Who has this mailbox, if anybody is known by it.
pub(super) async fn of_mailbox(
    db: &impl ConnectionTrait,
    email: &EmailAddress,
) -> Result<Option<PersonId>, Fault> {
    let by_key = customer::Column::EmailKey.eq(email.key());
    if let Some(row) = customer::Entity::find().filter(by_key).one(db).await? {
        return Ok(Some(row.id.into()));
    }
    let by_key = guest_identity::Column::EmailKey.eq(email.key());
    Ok(guest_identity::Entity::find().filter(by_key).one(db).await?.map(|row| row.id.into()))
}
