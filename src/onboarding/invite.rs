//! Accounts that staff prepare: a one-time sign-in is mailed, and whoever proves the mailbox has the account.

use entity::customer;
use entity::id::CustomerId;
use entity::mailbox_challenge::{self, Purpose};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::json;

use crate::audit::{self, Entry};
use crate::auth::mailbox::{self, Prepared};
use crate::customers;
use crate::customers::email::EmailAddress;
use crate::customers::profile::{Locale, PersonName};
use crate::error::{Fault, Outcome, refuse};
use crate::tx::Tx;

/// An account for somebody.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Invite {
    pub(crate) email: EmailAddress,
    pub(crate) name: Option<PersonName>,
    pub(crate) locale: Option<Locale>,
}

/// Why staff cannot make the account. They may look customers up: it is no secret to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InviteError {
    /// There is an account with this proven address.
    AlreadyRegistered,
}

/// Prepares a customer and mails the one-time sign-in; for an address that was invited before, the same customer again.
pub(crate) async fn invite(tx: &Tx, invite: &Invite) -> Outcome<CustomerId, InviteError> {
    let email_key = invite.email.key();
    mailbox::lock(tx, &email_key).await?;
    let held = customer::Entity::find().filter(customer::Column::EmailKey.eq(email_key.as_str()));
    let held = held.one(tx.db()).await?.filter(customers::holds_mailbox);
    if held.as_ref().is_some_and(|customer| customer.registered_at.is_some()) {
        return refuse(InviteError::AlreadyRegistered);
    }
    let customer = match held {
        Some(customer) => customer.id,
        None => match invited(tx, &email_key).await? {
            Some(customer) => customer,
            None => {
                customers::prepare(tx, &invite.email, invite.name.as_ref(), invite.locale.as_ref()).await?
            }
        },
    };
    let prepared = Prepared {
        name: invite.name.clone(),
        locale: invite.locale.clone(),
        customer: Some(customer),
        ..Prepared::new(Purpose::Invitation, invite.email.clone())
    };
    mailbox::begin(tx, &prepared).await?;
    let detail = json!({ "after": { "email": invite.email, "name": invite.name } });
    audit::record(tx, [Entry::of_customer("customer.invite", customer, detail)]).await?;
    Ok(customer)
}

/// The customer whom staff prepared for this mailbox, if nobody has the account yet.
pub(crate) async fn invited(tx: &Tx, email_key: &str) -> Result<Option<CustomerId>, Fault> {
    use mailbox_challenge::{Column, Entity};
    let invitation = Entity::find()
        .filter(Column::EmailKey.eq(email_key))
        .filter(Column::Purpose.eq(Purpose::Invitation))
        .order_by_desc(Column::CreatedAt)
        .one(tx.db())
        .await?;
    let Some(prepared) = invitation.and_then(|invitation| invitation.customer_id) else {
        return Ok(None);
    };
    let found = customer::Entity::find_by_id(prepared).lock_exclusive().one(tx.db()).await?;
    let is_free = |row: &customer::Model| {
        let is_alone = row.merged_into.is_none() && row.disabled_at.is_none();
        is_alone && row.registered_at.is_none() && row.email_key.is_none()
    };
    Ok(found.filter(is_free).map(|row| row.id))
}
