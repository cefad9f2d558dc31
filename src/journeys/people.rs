//! To whom messages go: who people turned out to be, and where they are reached.

use std::collections::HashMap;

use entity::id::{CustomerId, PersonId};
use entity::message::Channel;
use entity::{customer, guest_identity};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter};

use crate::customers::email::EmailAddress;
use crate::db::dialect::is_among;
use crate::error::Fault;

/// Somebody, as who they turned out to be.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// Whose consents, budget and log count.
    pub(super) id: PersonId,
    /// None for a guest.
    pub(super) customer: Option<CustomerId>,
    /// As written.
    pub(super) email: Option<String>,
    phone: Option<String>,
    /// The shop's own id, by which it finds the person's devices.
    external_id: Option<String>,
    is_registered: bool,
    is_disabled: bool,
}

impl Person {
    fn of_customer(row: customer::Model) -> Self {
        Self {
            id: row.id.into(),
            customer: Some(row.id),
            email: row.email.or(row.email_key),
            phone: row.phone,
            external_id: row.external_id,
            is_registered: row.registered_at.is_some(),
            is_disabled: row.disabled_at.is_some(),
        }
    }

    fn of_guest(row: guest_identity::Model) -> Self {
        Self {
            id: row.id.into(),
            customer: None,
            email: Some(row.email),
            phone: None,
            external_id: None,
            is_registered: false,
            is_disabled: false,
        }
    }

    /// Somebody of whom nothing is asked.
    pub(super) fn unknown(id: PersonId) -> Self {
        Self {
            id,
            customer: None,
            email: None,
            phone: None,
            external_id: None,
            is_registered: false,
            is_disabled: false,
        }
    }

    pub(super) fn is_registered(&self) -> bool {
        self.is_registered
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.is_disabled
    }

    /// The mailbox.
    pub(super) fn email_key(&self) -> Option<String> {
        let address = EmailAddress::try_from(self.email.clone()?).ok()?;
        Some(address.key())
    }

    /// What the channel reaches the person by, as suppressions know it; none if it does not.
    pub(super) fn address(&self, channel: Channel) -> Option<String> {
        match channel {
            Channel::Email => self.email_key(),
            Channel::Sms => self.phone.clone(),
            Channel::Inbox => self.customer.filter(|_| self.is_registered).map(|id| id.0.to_string()),
            Channel::Push => self.external_id.clone(),
        }
    }
}

/// Who these people turned out to be, by who they were; two statements, and two more for each time that somebody turned
/// out to be another.
pub(super) async fn load(
    db: &impl ConnectionTrait,
    people: impl IntoIterator<Item = PersonId>,
) -> Result<HashMap<PersonId, Person>, Fault> {
    let mut asked: HashMap<PersonId, Vec<PersonId>> = HashMap::new();
    for person in people {
        asked.entry(person).or_insert_with(|| vec![person]);
    }
    let mut found = HashMap::new();
    while !asked.is_empty() {
        let mut next: HashMap<PersonId, Vec<PersonId>> = HashMap::new();
        let mut settle = |id: PersonId, into: Option<CustomerId>, person: Person| {
            let named = asked.get(&id).cloned().unwrap_or_default();
            match into {
                Some(into) => next.entry(into.into()).or_default().extend(named),
                None => found.extend(named.into_iter().map(|name| (name, person.clone()))),
            }
        };
        for row in customers(db, asked.keys()).await? {
            settle(row.id.into(), row.merged_into, Person::of_customer(row));
        }
        for row in guests(db, asked.keys()).await? {
            settle(row.id.into(), row.customer_id, Person::of_guest(row));
        }
        asked = next;
    }
    Ok(found)
}

async fn customers(
    db: &impl ConnectionTrait,
    ids: impl Iterator<Item = &PersonId>,
) -> Result<Vec<customer::Model>, Fault> {
    let among = is_among(db.get_database_backend(), "id", ids.map(|id| id.0));
    Ok(customer::Entity::find().filter(among).all(db).await?)
}

async fn guests(
    db: &impl ConnectionTrait,
    ids: impl Iterator<Item = &PersonId>,
) -> Result<Vec<guest_identity::Model>, Fault> {
    let among = is_among(db.get_database_backend(), "id", ids.map(|id| id.0));
    Ok(guest_identity::Entity::find().filter(among).all(db).await?)
}
