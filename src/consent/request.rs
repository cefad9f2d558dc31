//! Double opt-in: what somebody is said to want is mailed to the mailbox, and counts once whoever reads it says so.
//!
//! Nothing but a request is written before that: a form on a web page makes nobody known to the shop and changes nothing
//! that stands, whoever fills it in with whatever address. So the work is the same for known and unknown addresses.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use entity::Instant;
use entity::consent::{ConsentSource, ConsentState, OptIn, Purpose};
use entity::consent_request::{Column, Entity, Model};
use entity::id::{ConsentRequestId, PersonId};
use entity::message::Channel;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::person::{self, mailbox};
use super::record::{Said, record, who};
use super::{ConsentError, suppress};
use crate::app::App;
use crate::auth::link::{self, Link};
use crate::customers::email::EmailAddress;
use crate::customers::owners::{Buyer, Named, find_or_create};
use crate::customers::profile::Locale;
use crate::db::bulk::Rows;
use crate::db::dialect;
use crate::error::{Fault, Outcome, refuse};
use crate::messages::{self, Letter};
use crate::points::orders::Owner;
use crate::throttle;
use crate::tx::Tx;

/// How long a link is good: a first mail is read at leisure.
const LIFE: TimeDelta = TimeDelta::days(7);
/// Between two mails to one mailbox.
const PAUSE: TimeDelta = TimeDelta::minutes(10);
/// What the cap on a mailbox is counted over.
const DAY: TimeDelta = TimeDelta::hours(24);
/// Mails to one mailbox a day.
const MAILS_A_DAY: usize = 5;

/// What is to be confirmed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ask {
    /// Whose mailbox it is, if the shop knows; else whoever it is of when it is confirmed.
    pub(crate) person: Option<PersonId>,
    /// To whom the mail goes.
    pub(crate) email: EmailAddress,
    /// What for, by mail.
    pub(crate) purposes: BTreeSet<Purpose>,
    /// Where it was asked for.
    pub(crate) source: ConsentSource,
    /// What shows it.
    pub(crate) proof: BTreeMap<String, String>,
    /// Of the mail.
    pub(crate) locale: Option<Locale>,
}

/// Mails a link on the word of anybody. [`crate::error::FaultKind::RateLimited`] if a mailbox is asked for too often.
pub(crate) async fn request(app: &App, wanted: &Ask) -> Result<(), Fault> {
    throttle::credential(app, throttle::Tried::Consent, &wanted.email.key()).await?;
    app.change(wanted, ask).await
}

/// Mails a link that confirms: at once, or a while after the last one. None, if one that is good asks for all of it, or the
/// mailbox got too many today: the answer is the same. What anybody asks for uses up nothing of what the shop does.
pub(super) async fn ask(tx: &Tx, ask: &Ask) -> Result<(), Fault> {
    let email_key = ask.email.key();
    // Two at once are counted one after the other.
    dialect::lock(tx.db(), &format!("consent requests\u{1f}{email_key}")).await?;
    let of_door =
        if ask.person.is_some() { Column::PersonId.is_not_null() } else { Column::PersonId.is_null() };
    let today: Vec<Model> = Entity::find()
        .filter(Column::EmailKey.eq(email_key.as_str()).and(Column::CreatedAt.gt(tx.now() - DAY)))
        .filter(of_door)
        .all(tx.db())
        .await?;
    let last = today.iter().map(|row| row.created_at).max();
    let paused = last.map(|last| last + PAUSE).filter(|until| *until > tx.now());
    let mut asked = BTreeSet::new();
    for row in today.iter().filter(|row| row.confirmed_at.is_none() && row.created_at > tx.now() - PAUSE) {
        asked.extend(serde_json::from_value::<BTreeSet<Purpose>>(row.purposes.clone())?);
    }
    if today.len() >= MAILS_A_DAY || (paused.is_some() && ask.purposes.is_subset(&asked)) {
        tracing::info!("a mailbox was asked for a confirmation too often: no mail");
        return Ok(());
    }
    let columns = &[
        "id",
        "person_id",
        "email",
        "email_key",
        "purposes",
        "source",
        "proof",
        "locale",
        "created_at",
        "expires_at",
    ];
    let mut rows = Rows::new("consent_requests", columns);
    let id: ConsentRequestId = tx.id();
    rows.push([
        id.0.into(),
        ask.person.map(|person| person.0).into(),
        ask.email.as_str().into(),
        email_key.into(),
        serde_json::to_value(&ask.purposes)?.into(),
        ask.source.to_value().into(),
        serde_json::to_value(&ask.proof)?.into(),
        ask.locale.as_ref().map(Locale::as_str).into(),
        tx.now().into(),
        tx.after(LIFE).into(),
    ]);
    rows.insert(tx.db()).await?;
    messages::enqueue_for(tx, &Letter::ConsentConfirm { request_id: id }, paused).await
}

/// A confirmation that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// What for.
    pub(crate) purposes: BTreeSet<Purpose>,
    /// The language of who is asked; the shop's own if none.
    pub(crate) locale: Option<String>,
    /// Whether it was given.
    pub(crate) is_confirmed: bool,
}

/// What is mailed: to whom, in which language, the link, and from when until when it is good.
#[derive(Debug)]
pub(crate) struct LetterOf {
    pub(crate) to: EmailAddress,
    pub(crate) locale: Option<String>,
    pub(crate) link: String,
    pub(crate) at: Instant,
    pub(crate) expires_at: Instant,
}

/// What is mailed for a request; none if it was confirmed or ended meanwhile, or nothing is sent to the address.
pub(crate) async fn letter(app: &App, id: ConsentRequestId) -> Result<Option<LetterOf>, Fault> {
    let db = &app.db.read;
    let Some(row) = Entity::find_by_id(id).one(db).await? else { return Ok(None) };
    if row.confirmed_at.is_some() || app.clock.now() >= row.expires_at {
        return Ok(None);
    }
    let addresses = [row.email_key.clone()];
    if !suppress::suppressed(db, &app.keys, Channel::Email, &addresses).await?.is_empty() {
        return Ok(None);
    }
    let locale = locale(db, &row).await?;
    let to = EmailAddress::try_from(row.email)?;
    let token = link::token(&app.keys.link()?, Link::ConsentConfirm, id.0);
    let link = format!("{}/consent/{token}", app.config.public_url);
    Ok(Some(LetterOf { to, locale, link, at: row.created_at, expires_at: row.expires_at }))
}

async fn locale(db: &impl ConnectionTrait, row: &Model) -> Result<Option<String>, Fault> {
    match (&row.locale, row.person_id) {
        (Some(locale), _) => Ok(Some(locale.clone())),
        (None, Some(person)) => person::locale(db, person).await,
        (None, None) => Ok(None),
    }
}

fn read(app: &App, token: &str) -> Result<Option<ConsentRequestId>, Fault> {
    Ok(link::read(&app.keys.link()?, Link::ConsentConfirm, token).map(ConsentRequestId))
}

/// Whether we made this token: nobody can guess one.
pub(crate) fn is_token(app: &App, token: &str) -> Result<bool, Fault> {
    Ok(read(app, token)?.is_some())
}

/// What the token asks to confirm; none if the link is not good, or not any more. Changes nothing.
pub(crate) async fn find(app: &App, token: &str) -> Result<Option<Request>, Fault> {
    let Some(id) = read(app, token)? else { return Ok(None) };
    let Some(row) = Entity::find_by_id(id).one(&app.db.read).await? else { return Ok(None) };
    if row.confirmed_at.is_none() && app.clock.now() >= row.expires_at {
        return Ok(None);
    }
    shown(&app.db.read, row).await.map(Some)
}

async fn shown(db: &impl ConnectionTrait, row: Model) -> Result<Request, Fault> {
    let locale = locale(db, &row).await?;
    let purposes = serde_json::from_value(row.purposes)?;
    Ok(Request { purposes, locale, is_confirmed: row.confirmed_at.is_some() })
}

/// Confirms what the token asks for. Doing it again changes nothing: also not what was said in between.
pub(crate) async fn confirm(app: &App, token: &str) -> Outcome<Request, ConsentError> {
    let Some(id) = read(app, token)? else { return refuse(ConsentError::LinkInvalid) };
    app.write(&id, confirm_in).await
}

async fn confirm_in(tx: &Tx, id: &ConsentRequestId) -> Outcome<Request, ConsentError> {
    let found = Entity::find_by_id(*id).lock_exclusive().one(tx.db()).await?;
    let Some(row) = found else { return refuse(ConsentError::LinkInvalid) };
    if row.confirmed_at.is_some() {
        return Ok(shown(tx.db(), row).await?);
    }
    if tx.now() >= row.expires_at {
        return refuse(ConsentError::LinkInvalid);
    }
    let Some(person) = reader(tx, &row).await? else { return refuse(ConsentError::LinkInvalid) };
    Entity::update_many()
        .col_expr(Column::ConfirmedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(*id).and(Column::ConfirmedAt.is_null()))
        .exec(tx.db())
        .await?;
    let proof = proof(&row)?;
    let request = shown(tx.db(), row).await?;
    let said = |purpose: &Purpose| Said {
        person,
        purpose: *purpose,
        channel: Channel::Email,
        state: ConsentState::Granted,
        opt_in: Some(OptIn::Double),
        source: ConsentSource::Confirmation,
        proof: proof.clone(),
        at: tx.now(),
    };
    let said: Vec<Said> = request.purposes.iter().map(said).collect();
    record(tx, &said).await?;
    Ok(Request { is_confirmed: true, ..request })
}

/// Who reads the mailbox: the person whom the shop named, if it is their mailbox still; else whoever it is of, or a guest.
async fn reader(tx: &Tx, row: &Model) -> Result<Option<PersonId>, Fault> {
    let person = if let Some(named) = row.person_id {
        who(tx.db(), [named]).await?.get(&named).copied()
    } else {
        let named = Named::Email(EmailAddress::try_from(row.email.clone())?);
        let found = find_or_create(tx, &[Buyer { named: &named, contact: None }]).await?;
        found.owners.into_iter().flatten().next().map(Owner::person)
    };
    let Some(person) = person else { return Ok(None) };
    // Who is written to elsewhere by now has confirmed nothing for there.
    let written_to = mailbox(tx.db(), person).await?;
    Ok(written_to.filter(|mailbox| mailbox.email.key() == row.email_key).map(|_its| person))
}

/// What was shown when it was asked for, and when and where that was.
fn proof(row: &Model) -> Result<Json, Fault> {
    let mut proof: BTreeMap<String, String> = serde_json::from_value(row.proof.clone())?;
    proof.insert("request.at".to_owned(), row.created_at.to_rfc3339());
    proof.insert("request.source".to_owned(), row.source.to_value());
    Ok(json!(proof))
}
