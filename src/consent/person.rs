//! How a person is written to by mail.

use std::collections::BTreeSet;

use entity::id::PersonId;
use entity::{customer, customer_word, guest_identity};
use sea_orm::sea_query::{ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::customers::email::EmailAddress;
use crate::customers::words;
use crate::error::Fault;

/// Of one mailbox: more are not one person's.
const MOST: u64 = 100;

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

/// Everybody who is written to at this mailbox: whose account it is of, the shop's customers whose contact it is, and a guest.
pub(super) async fn all_of_mailbox(
    db: &impl ConnectionTrait,
    email: &EmailAddress,
) -> Result<BTreeSet<PersonId>, Fault> {
    let key = email.key();
    let named = Query::select()
        .column(customer_word::Column::CustomerId)
        .from(customer_word::Entity)
        .and_where(customer_word::Column::Word.eq(words::normal(email.as_str())))
        .take();
    let by_key = customer::Column::EmailKey.eq(key.as_str());
    let by_contact = customer::Column::Id.in_subquery(named);
    let standing = customer::Column::MergedInto.is_null();
    let customers =
        customer::Entity::find().filter(standing).filter(by_key.or(by_contact)).limit(MOST).all(db).await?;
    let is_theirs = |row: &customer::Model| {
        let written = row.email.clone().or_else(|| row.email_key.clone());
        written.and_then(|email| EmailAddress::try_from(email).ok()).is_some_and(|email| email.key() == key)
    };
    let mut people: BTreeSet<PersonId> =
        customers.iter().filter(|row| is_theirs(row)).map(|row| row.id.into()).collect();
    let guest = guest_identity::Column::EmailKey.eq(key.as_str());
    let guest = guest.and(guest_identity::Column::CustomerId.is_null());
    people.extend(
        guest_identity::Entity::find().filter(guest).one(db).await?.map(|row| PersonId::from(row.id)),
    );
    Ok(people)
}
