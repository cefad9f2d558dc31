//! The link in every message that is not transactional: it says no to what the message is for, for ever, whoever follows it.

use std::collections::BTreeSet;

use entity::consent::{ConsentSource, ConsentState, Purpose};
use entity::id::{MessageId, PersonId};
use entity::message::{Channel, Entity, Model};
use sea_orm::{ConnectionTrait, EntityTrait, Iterable};
use serde_json::json;

use super::person::{self, all_of_mailbox, mailbox};
use super::record::{Said, held, record, standing, who};
use crate::app::App;
use crate::auth::link::{self, Link};
use crate::error::Fault;
use crate::messages::class::Class;
use crate::tx::Tx;

/// What a link says no to.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// What the message was for.
    pub(crate) purpose: Purpose,
    /// By which way it came.
    pub(crate) channel: Channel,
    /// The language of its reader; the shop's own if none.
    pub(crate) locale: Option<String>,
}

/// Where a message that is not transactional leads its reader who wants no more of them.
pub(crate) fn unsubscribe_url(app: &App, message: MessageId) -> Result<String, Fault> {
    let token = link::token(&app.keys.link()?, Link::Unsubscribe, message.0);
    Ok(format!("{}/unsubscribe/{token}", app.config.public_url))
}

fn read(app: &App, token: &str) -> Result<Option<MessageId>, Fault> {
    Ok(link::read(&app.keys.link()?, Link::Unsubscribe, token).map(MessageId))
}

/// Whether we made this token: nobody can guess one.
pub(crate) fn is_token(app: &App, token: &str) -> Result<bool, Fault> {
    Ok(read(app, token)?.is_some())
}

/// What the token says no to; none if it is none of ours. Changes nothing.
pub(crate) async fn subject(app: &App, token: &str) -> Result<Option<Subject>, Fault> {
    let Some(id) = read(app, token)? else { return Ok(None) };
    match message(&app.db.read, id).await? {
        Some((row, purpose)) => {
            let people = who(&app.db.read, [row.person_id]).await?;
            let person = people.get(&row.person_id).copied().unwrap_or(row.person_id);
            let locale = person::locale(&app.db.read, person).await?;
            Ok(Some(Subject { purpose, channel: row.channel, locale }))
        }
        None => Ok(None),
    }
}

/// A message that somebody may say no to; what is transactional is sent anyhow.
async fn message(db: &impl ConnectionTrait, id: MessageId) -> Result<Option<(Model, Purpose)>, Fault> {
    let found = Entity::find_by_id(id).one(db).await?;
    Ok(found.and_then(|row| row.purpose.map(|purpose| (row, purpose))))
}

/// Says no to what the message was for, on its channel; with `all` to everything that is promotional as well. Answers to what;
/// none if the token is none of ours. Doing it again changes nothing.
pub(crate) async fn unsubscribe(
    app: &App,
    token: &str,
    all: bool,
    source: ConsentSource,
) -> Result<Option<Subject>, Fault> {
    let Some(id) = read(app, token)? else { return Ok(None) };
    app.change(&(id, all, source), unsubscribe_in).await
}

async fn unsubscribe_in(
    tx: &Tx,
    (id, all, source): &(MessageId, bool, ConsentSource),
) -> Result<Option<Subject>, Fault> {
    let Some((row, purpose)) = message(tx.db(), *id).await? else { return Ok(None) };
    let promotional = |purpose: &Purpose| Class::of(Some(*purpose)) == Class::Promotional;
    let mut purposes: BTreeSet<Purpose> =
        if *all { Purpose::iter().filter(promotional).collect() } else { BTreeSet::new() };
    purposes.insert(purpose);
    let person = withdraw(tx, &row, purposes, *source).await?;
    let locale = person::locale(tx.db(), person).await?;
    Ok(Some(Subject { purpose, channel: row.channel, locale }))
}

/// Writes down that somebody wants none of these any more because of a message; what they do not want already is left as it
/// is. Answers who that is. Of a mail it is the word of whoever reads the mailbox, under whatever names the shop knows them.
pub(super) async fn withdraw(
    tx: &Tx,
    row: &Model,
    purposes: BTreeSet<Purpose>,
    source: ConsentSource,
) -> Result<PersonId, Fault> {
    let person = who(tx.db(), [row.person_id]).await?.get(&row.person_id).copied().unwrap_or(row.person_id);
    let mut people = BTreeSet::from([person]);
    if row.channel == Channel::Email
        && let Some(mailbox) = mailbox(tx.db(), person).await?
    {
        people.extend(all_of_mailbox(tx.db(), &mailbox.email).await?);
    }
    let proof = json!({ "message": row.id.0.to_string() });
    withdraw_because(tx, &people, row.channel, purposes, source, &proof).await?;
    Ok(person)
}

/// The same of these people, with what shows it.
pub(super) async fn withdraw_because(
    tx: &Tx,
    named: &BTreeSet<PersonId>,
    channel: Channel,
    purposes: BTreeSet<Purpose>,
    source: ConsentSource,
    proof: &serde_json::Value,
) -> Result<(), Fault> {
    // Two at once: the second finds what the first wrote.
    let people: BTreeSet<PersonId> = held(tx, named.iter().copied()).await?.into_values().collect();
    let stands = standing(tx.db(), people.iter().copied()).await?;
    let is_no = |person: PersonId, purpose: Purpose| {
        let said = stands.get(&(person, purpose, channel));
        said.is_some_and(|said| said.state == ConsentState::Withdrawn)
    };
    let said = |(person, purpose)| Said {
        person,
        purpose,
        channel,
        state: ConsentState::Withdrawn,
        opt_in: None,
        source,
        proof: proof.clone(),
        at: tx.now(),
    };
    let all = people.iter().flat_map(|person| purposes.iter().map(|purpose| (*person, *purpose)));
    let said: Vec<Said> = all.filter(|(person, purpose)| !is_no(*person, *purpose)).map(said).collect();
    record(tx, &said).await
}
