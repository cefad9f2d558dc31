//! Who gives feedback: a customer who is signed in, or the person to whom a message went, as who they turned out to be.

use chrono::TimeDelta;
use entity::id::{CustomerId, GuestId, MessageId, PersonId};
use entity::{Instant, customer, guest_identity, message};
use sea_orm::sea_query::LockType;
use sea_orm::{ConnectionTrait, EntityTrait, QuerySelect};

use crate::error::Fault;
use crate::messages::facts::Facts;

/// Links of feedback are good for so long after their message was queued.
const GOOD_FOR: TimeDelta = TimeDelta::days(90);
/// Waits for a merge or a proof, and lets others refer to the row, as entries of the audit log do.
const LOCK: LockType = LockType::NoKeyUpdate;

/// Somebody, as who they turned out to be.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(super) id: PersonId,
    /// None for a guest.
    pub(super) customer: Option<CustomerId>,
    /// BCP 47, if known.
    pub(crate) locale: Option<String>,
    is_disabled: bool,
}

/// What a message asked, and whom.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) person: PersonId,
    pub(super) facts: Facts,
    /// When its links end.
    pub(super) until: Instant,
}

/// What a message asked, while its links are good.
pub(super) async fn asked(
    db: &impl ConnectionTrait,
    message: MessageId,
    now: Instant,
) -> Result<Option<Asked>, Fault> {
    let Some(row) = message::Entity::find_by_id(message).one(db).await? else { return Ok(None) };
    let until = row.queued_at.checked_add_signed(GOOD_FOR).unwrap_or(Instant::MAX_UTC);
    if now >= until {
        return Ok(None);
    }
    Ok(Some(Asked { person: row.person_id, facts: Facts::read(&row.facts)?, until }))
}

/// Who somebody turned out to be, locked: a merge, or a proof of the mailbox, comes before or after what is done for them.
/// None if there is nobody, or the account is disabled.
pub(super) async fn locked(db: &impl ConnectionTrait, id: PersonId) -> Result<Option<Person>, Fault> {
    resolve(db, id, true).await
}

/// The same without the lock.
pub(super) async fn found(db: &impl ConnectionTrait, id: PersonId) -> Result<Option<Person>, Fault> {
    resolve(db, id, false).await
}

async fn resolve(
    db: &impl ConnectionTrait,
    mut id: PersonId,
    is_locked: bool,
) -> Result<Option<Person>, Fault> {
    loop {
        let customer = customer::Entity::find_by_id(CustomerId(id.0));
        let customer = if is_locked { customer.lock(LOCK) } else { customer };
        if let Some(row) = customer.one(db).await? {
            match row.merged_into {
                Some(into) => id = into.into(),
                None => return Ok(Some(Person::of_customer(row)).filter(|person| !person.is_disabled)),
            }
            continue;
        }
        let guest = guest_identity::Entity::find_by_id(GuestId(id.0));
        let guest = if is_locked { guest.lock(LOCK) } else { guest };
        match guest.one(db).await? {
            None => return Ok(None),
            Some(row) => match row.customer_id {
                Some(into) => id = into.into(),
                None => return Ok(Some(Person::guest(id))),
            },
        }
    }
}

/// The customer that a person is; none for a guest.
pub(super) async fn customer(db: &impl ConnectionTrait, id: PersonId) -> Result<Option<CustomerId>, Fault> {
    let found = customer::Entity::find_by_id(CustomerId(id.0)).one(db).await?;
    Ok(found.map(|row| row.id))
}

impl Person {
    fn of_customer(row: customer::Model) -> Self {
        Self {
            id: row.id.into(),
            customer: Some(row.id),
            locale: row.locale,
            is_disabled: row.disabled_at.is_some(),
        }
    }

    fn guest(id: PersonId) -> Self {
        Self { id, customer: None, locale: None, is_disabled: false }
    }
}
