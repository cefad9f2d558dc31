//! Mail that came back, and mail that its reader called spam: the address goes on the suppression list, and a complaint says
//! no to what the message was for.
//!
//! What is told twice changes nothing the second time. A report is a mail, which anybody can write: it is believed about a
//! message whose id only its reader knows, and about the address that went to. Whoever sends our mail is also believed about
//! addresses.

pub(crate) mod read;
pub(crate) mod signed;

use std::collections::BTreeSet;
use std::fmt;

use entity::consent::{ConsentSource, Purpose};
use entity::message::{Channel, Column, Entity, Model};
use entity::suppression::SuppressionReason;
use entity::{consent_request, mailbox_challenge};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, Iterable, QueryFilter};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::permit::needs_consent;
use super::person::all_of_mailbox;
use super::suppress::{Suppress, hash, suppress};
use super::unsubscribe::{withdraw, withdraw_because};
use crate::app::App;
use crate::customers::email::EmailAddress;
use crate::error::Fault;
use crate::tx::Tx;

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It came back for good.
    Bounced,
    /// It came back, or waits, and may arrive another time.
    Delayed,
    /// Its reader called it spam.
    Complained,
}

/// What somebody tells of one mail to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    /// What became of it.
    pub(crate) kind: Kind,
    /// Its `Message-ID`, with or without brackets.
    pub(crate) message: Option<String>,
    /// To whom it was at last.
    pub(crate) recipient: Option<String>,
    /// Such as `5.1.1`.
    pub(crate) status: Option<String>,
    /// Whether whoever sends our mail says so, and not anybody who can write a mail.
    pub(crate) is_signed: bool,
}

/// What was made of what was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Taken {
    /// Addresses that nothing is sent to any more, and messages that are known to have come back.
    pub(crate) bounces: u32,
    /// Complaints that were new.
    pub(crate) complaints: u32,
    /// What may arrive another time.
    pub(crate) delayed: u32,
    /// What was known already.
    pub(crate) known: u32,
    /// What is about no mail of ours and nobody whom the shop knows.
    pub(crate) unknown: u32,
}

impl Taken {
    /// Both.
    pub(crate) fn add(&mut self, more: Self) {
        self.bounces += more.bounces;
        self.complaints += more.complaints;
        self.delayed += more.delayed;
        self.known += more.known;
        self.unknown += more.unknown;
    }

    fn count(&mut self, kind: Kind, found: Found) {
        let counted = match (kind, found) {
            (Kind::Delayed, _) => &mut self.delayed,
            (_, Found::Nobody) => &mut self.unknown,
            (_, Found::Known) => &mut self.known,
            (Kind::Bounced, Found::New) => &mut self.bounces,
            (Kind::Complained, Found::New) => &mut self.complaints,
        };
        *counted += 1;
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            ("bounces", self.bounces),
            ("complaints", self.complaints),
            ("delayed", self.delayed),
            ("known", self.known),
            ("unknown", self.unknown),
        ];
        counts.iter().try_for_each(|(name, count)| writeln!(f, "{name:<12} {count:>8}"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    New,
    Known,
    Nobody,
}

/// Takes what is told, each in a transaction of its own.
pub(crate) async fn take(app: &App, told: &[Returned]) -> Result<Taken, Fault> {
    let mut taken = Taken::default();
    for one in told {
        let found = match reason(one.kind) {
            Some(reason) => {
                let ours = app.config.mail_from.email.domain().to_ascii_lowercase();
                let message = one.message.as_deref().and_then(|id| ours_of(id, &ours));
                app.change(&(one.clone(), reason, message), take_one).await?
            }
            None => Found::Nobody,
        };
        taken.count(one.kind, found);
    }
    Ok(taken)
}

fn reason(kind: Kind) -> Option<SuppressionReason> {
    match kind {
        Kind::Bounced => Some(SuppressionReason::Bounced),
        Kind::Complained => Some(SuppressionReason::Complained),
        Kind::Delayed => None,
    }
}

/// What a `Message-ID` of ours is made of: `<id@domain>`, or `<id.more@domain>`.
fn ours_of(message_id: &str, domain: &str) -> Option<Uuid> {
    let id = message_id.trim().trim_start_matches('<').trim_end_matches('>');
    let (local, at) = id.rsplit_once('@')?;
    if !at.eq_ignore_ascii_case(domain) {
        return None;
    }
    Uuid::try_parse(local.split('.').next()?).ok()
}

type Told = (Returned, SuppressionReason, Option<Uuid>);

async fn take_one(tx: &Tx, (told, reason, id): &Told) -> Result<Found, Fault> {
    if let Some(id) = id {
        if let Some(row) = Entity::find_by_id(*id).one(tx.db()).await? {
            return of_message(tx, told, *reason, &row).await;
        }
        if let Some(email) = of_letter(tx, *id).await?.filter(|_| told.is_signed) {
            return of_address(tx, told, *reason, &email).await;
        }
    }
    let recipient = told.recipient.clone().filter(|_| told.is_signed);
    match recipient.and_then(|email| EmailAddress::try_from(email).ok()) {
        Some(email) => of_address(tx, told, *reason, &email).await,
        None => Ok(Found::Nobody),
    }
}

/// A message of ours came back, or its reader complained.
async fn of_message(
    tx: &Tx,
    told: &Returned,
    reason: SuppressionReason,
    row: &Model,
) -> Result<Found, Fault> {
    let column = if told.kind == Kind::Complained { Column::ComplainedAt } else { Column::BouncedAt };
    let first = Entity::update_many()
        .col_expr(column, Expr::val(tx.now()))
        .filter(Column::Id.eq(row.id).and(column.is_null()))
        .exec(tx.db())
        .await?;
    if first.rows_affected == 0 {
        return Ok(Found::Known);
    }
    // The person may have another address by now: this is about the one that the message went to.
    if let (Some(address_hash), Channel::Email) = (&row.address_hash, row.channel) {
        let (message, detail) = (Some(row.id), told.status.as_deref());
        suppress(tx, &Suppress { channel: Channel::Email, address_hash, reason, message, detail }).await?;
    }
    if let (Kind::Complained, Some(purpose)) = (told.kind, row.purpose) {
        let purposes = BTreeSet::from([purpose]);
        withdraw(tx, row, purposes, ConsentSource::Complaint).await?;
    }
    Ok(Found::New)
}

/// To whom a letter was that is no message of a journey: a code, or a confirmation.
async fn of_letter(tx: &Tx, id: Uuid) -> Result<Option<EmailAddress>, Fault> {
    let code = mailbox_challenge::Entity::find_by_id(id).one(tx.db()).await?.map(|row| row.email);
    let email = match code {
        Some(email) => Some(email),
        None => consent_request::Entity::find_by_id(id).one(tx.db()).await?.map(|row| row.email),
    };
    Ok(email.and_then(|email| EmailAddress::try_from(email).ok()))
}

/// Nothing but the address is known. A complaint says no to all that is sent with a consent only.
async fn of_address(
    tx: &Tx,
    told: &Returned,
    reason: SuppressionReason,
    email: &EmailAddress,
) -> Result<Found, Fault> {
    let hash = hash(&tx.keys().comparison()?, Channel::Email, &email.key());
    let (channel, detail) = (Channel::Email, told.status.as_deref());
    let new = Suppress { channel, address_hash: &hash, reason, message: None, detail };
    if !suppress(tx, &new).await? {
        return Ok(Found::Known);
    }
    let people = all_of_mailbox(tx.db(), email).await?;
    if told.kind == Kind::Complained && !people.is_empty() {
        let purposes = Purpose::iter().filter(|purpose| needs_consent(*purpose)).collect();
        let proof = json!({ "complaint": "of the address" });
        withdraw_because(tx, &people, Channel::Email, purposes, ConsentSource::Complaint, &proof).await?;
    }
    Ok(Found::New)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_ours_by_its_domain() {
        let id = Uuid::from_u128(7);
        let of = |text: &str| ours_of(text, "shop.example");
        assert_eq!(of(&format!("<{id}@shop.example>")), Some(id));
        assert_eq!(of(&format!(" {id}.email_changed@Shop.Example ")), Some(id));
        assert_eq!(of(&format!("<{id}@evil.example>")), None);
        for other in ["", "<@shop.example>", "<x@shop.example>", "no id at all"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
