//! Whom a message is for: the customer or guest of an id, or who that turned out to be.

use entity::id::{CustomerId, GuestId, PersonId};
use entity::{customer, guest_identity};
use sea_orm::{ConnectionTrait, EntityTrait};

use crate::customers::email::EmailAddress;
use crate::customers::{self, CustomerBy};
use crate::error::Fault;

/// Who is written to.
#[derive(Clone, Debug)]
pub(crate) enum Recipient {
    Customer(Box<customer::Model>),
    Guest(guest_identity::Model),
}

impl Recipient {
    /// Whoever `person` is by now; none if nobody.
    pub(crate) async fn find(db: &impl ConnectionTrait, person: PersonId) -> Result<Option<Self>, Fault> {
        if let Some(row) = customers::find(db, &CustomerBy::Id(CustomerId(person.0))).await? {
            return Ok(Some(Self::Customer(Box::new(row))));
        }
        let Some(guest) = guest_identity::Entity::find_by_id(GuestId(person.0)).one(db).await? else {
            return Ok(None);
        };
        match guest.customer_id {
            Some(customer) => {
                let row = customers::find(db, &CustomerBy::Id(customer)).await?;
                Ok(row.map(|row| Self::Customer(Box::new(row))))
            }
            None => Ok(Some(Self::Guest(guest))),
        }
    }

    /// By which rights and lists know them.
    pub(crate) fn person(&self) -> PersonId {
        match self {
            Self::Customer(row) => row.id.into(),
            Self::Guest(row) => row.id.into(),
        }
    }

    pub(crate) fn customer(&self) -> Option<&customer::Model> {
        match self {
            Self::Customer(row) => Some(row),
            Self::Guest(_) => None,
        }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.customer().and_then(|row| row.name.as_deref())
    }

    /// A language tag.
    pub(crate) fn locale(&self) -> Option<&str> {
        self.customer().and_then(|row| row.locale.as_deref())
    }

    pub(crate) fn email(&self) -> Option<EmailAddress> {
        let written = match self {
            Self::Customer(row) => row.email.clone().or_else(|| row.email_key.clone()),
            Self::Guest(row) => Some(row.email.clone()),
        };
        written.and_then(|email| EmailAddress::try_from(email).ok())
    }

    /// Whether staff disabled the account: it gets nothing but what is transactional.
    pub(crate) fn is_closed(&self) -> bool {
        self.customer().is_some_and(|row| row.disabled_at.is_some())
    }
}
