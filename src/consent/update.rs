//! Saying yes or no: in the preference centre, at the checkout, to the staff.

use std::collections::{BTreeMap, BTreeSet};

use entity::consent::{ConsentSource, ConsentState, OptIn, Purpose};
use entity::id::{CustomerId, PersonId};
use entity::message::Channel;
use entity::points_entry::ActorKind;
use entity::{Instant, customer};
use sea_orm::EntityTrait;
use serde::Serialize;
use serde_json::json;

use super::ConsentError;
use super::permit::needs_confirmation;
use super::person::{Mailbox, mailbox};
use super::record::{Said, held, record, standing};
use super::request::{self, Ask};
use crate::audit::{self, Entry};
use crate::customers::email::EmailAddress;
use crate::customers::owners::{Buyer, Named, find_or_create};
use crate::customers::profile::Locale;
use crate::customers::{self, CustomerBy};
use crate::error::{Fault, Outcome, refuse};
use crate::points::orders::Owner;
use crate::tx::Tx;

/// Of whom something is said.
#[derive(Clone, Debug, Serialize)]
pub(crate) enum Whose {
    /// A customer's; none if the id that was given is nobody's, or not the caller's.
    Customer(Option<CustomerId>),
    /// Of whoever has this mailbox; a guest identity is made for one that nobody has.
    Mailbox(EmailAddress),
}

/// A yes or a no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Choice {
    /// What for.
    pub(crate) purpose: Purpose,
    /// By which way.
    pub(crate) channel: Channel,
    /// Yes.
    pub(crate) granted: bool,
}

/// What somebody said, or who says it for them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Update {
    /// Of whom.
    pub(crate) whose: Whose,
    /// Whether they say it themselves, signed in.
    pub(crate) by_themself: bool,
    /// Each purpose and channel once.
    pub(crate) choices: Vec<Choice>,
    /// Where.
    pub(crate) source: ConsentSource,
    /// How sure the shop says that a yes by mail is; what it comes to follows from the shop's terms, if it does not say.
    pub(crate) stated: Option<OptIn>,
    /// What shows it.
    pub(crate) proof: BTreeMap<String, String>,
    /// When, if not now.
    pub(crate) at: Option<Instant>,
    /// Of the mail that asks for a confirmation.
    pub(crate) locale: Option<Locale>,
}

/// Writes down what was said; mails a link where that has to be confirmed. Answers of whom it was.
pub(crate) async fn update(tx: &Tx, update: &Update) -> Outcome<PersonId, ConsentError> {
    let Some(named) = person(tx, &update.whose).await? else {
        return refuse(ConsentError::CustomerNotFound);
    };
    if update.stated == Some(OptIn::Double) && update.proof.is_empty() {
        return refuse(ConsentError::ProofMissing);
    }
    let people = held(tx, [named]).await?;
    let person = people.get(&named).copied().unwrap_or(named);
    let mailbox = mailbox(tx.db(), person).await?;
    let at = update.at.unwrap_or_else(|| tx.now());
    let proof = serde_json::to_value(&update.proof)?;
    let said = |choice: &Choice| {
        let (state, opt_in) = comes_to(tx, update, mailbox.as_ref(), *choice);
        let (purpose, channel) = (choice.purpose, choice.channel);
        Said { person, purpose, channel, state, opt_in, source: update.source, proof: proof.clone(), at }
    };
    let said: Vec<Said> = update.choices.iter().map(said).collect();
    record(tx, &said).await?;
    let open = open(tx, person, &said).await?;
    if let (Some(mailbox), false) = (mailbox, open.is_empty()) {
        let ask = Ask {
            person: Some(person),
            email: mailbox.email,
            purposes: open,
            source: update.source,
            proof: update.proof.clone(),
            locale: update.locale.clone(),
        };
        request::ask(tx, &ask).await?;
    }
    audited(tx, person, update).await?;
    Ok(person)
}

async fn person(tx: &Tx, whose: &Whose) -> Result<Option<PersonId>, Fault> {
    match whose {
        Whose::Customer(None) => Ok(None),
        Whose::Customer(Some(id)) => {
            Ok(customers::find(tx.db(), &CustomerBy::Id(*id)).await?.map(|row| row.id.into()))
        }
        Whose::Mailbox(email) => {
            let named = Named::Email(email.clone());
            let found = find_or_create(tx, &[Buyer { named: &named, contact: None }]).await?;
            Ok(found.owners.into_iter().flatten().next().map(Owner::person))
        }
    }
}

/// What a choice comes to, and how sure a yes is.
fn comes_to(
    tx: &Tx,
    update: &Update,
    mailbox: Option<&Mailbox>,
    choice: Choice,
) -> (ConsentState, Option<OptIn>) {
    if !choice.granted {
        return (ConsentState::Withdrawn, None);
    }
    let own = update.by_themself && mailbox.is_some_and(|mailbox| mailbox.is_proven);
    if choice.channel == Channel::Email && (own || update.stated == Some(OptIn::Double)) {
        return (ConsentState::Granted, Some(OptIn::Double));
    }
    // What was said elsewhere, long ago, causes no mail now: it is kept as what it was.
    let is_history = update.source == ConsentSource::Import;
    let terms = &tx.settings().messages;
    if !is_history && needs_confirmation(terms, choice.purpose, choice.channel) {
        return (ConsentState::Requested, None);
    }
    (ConsentState::Granted, Some(OptIn::Single))
}

/// What of this is to be confirmed still: not what is confirmed, nor what was refused since.
async fn open(tx: &Tx, person: PersonId, said: &[Said]) -> Result<BTreeSet<Purpose>, Fault> {
    let asked = said.iter().filter(|said| said.state == ConsentState::Requested);
    let asked: Vec<&Said> = asked.collect();
    if asked.is_empty() {
        return Ok(BTreeSet::new());
    }
    let stands = standing(tx.db(), [person]).await?;
    let is_open = |said: &&&Said| {
        stands.get(&(person, said.purpose, said.channel)).is_none_or(|stands| match stands.state {
            ConsentState::Requested => true,
            ConsentState::Granted => stands.opt_in != Some(OptIn::Double),
            ConsentState::Withdrawn => stands.at < said.at,
        })
    };
    Ok(asked.iter().filter(is_open).map(|said| said.purpose).collect())
}

/// Leaves an entry if staff did it.
async fn audited(tx: &Tx, person: PersonId, update: &Update) -> Result<(), Fault> {
    if tx.caller().actor.kind != ActorKind::Staff {
        return Ok(());
    }
    let detail = json!({ "after": update.choices, "source": update.source, "proof": update.proof });
    let found = customer::Entity::find_by_id(person.0).one(tx.db()).await?;
    let entry = match found {
        Some(row) => Entry::of_customer("customer.consent", row.id, detail),
        // Of a guest nothing can be encrypted: the proof, which may name the person, stays with the consent.
        None => Entry::of("guest.consent", "Guest", person.0, json!({ "after": update.choices })),
    };
    audit::record(tx, [entry]).await
}
