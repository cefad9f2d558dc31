//! Templates that are tried: filled in with made-up values, and sent to whoever writes them.

use entity::id::{CustomerId, StaffId};
use entity::job::Model;
use entity::message::Channel;
use entity::staff;
use sea_orm::{ConnectionTrait, EntityTrait};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::class::Class;
use super::facts::Facts;
use super::gather::{self, Wanted};
use super::mailer::{Listed, Mail};
use super::recipient::Recipient;
use super::template::Language;
use super::templates::fill::{self, Note};
use super::templates::store::{self, TemplateError};
use super::templates::{Body, Refusal, samples};
use super::words::Rendered;
use crate::app::App;
use crate::audit::{self, Entry};
use crate::customers::email::EmailAddress;
use crate::error::{Fault, Outcome, refuse, split};
use crate::jobs::{self, Job};
use crate::tx::Tx;

/// The kind of the job that sends one.
pub(crate) const KIND: &str = "message_test";
/// Whoever waits for it does not wait for long.
const ATTEMPTS: i64 = 3;

/// What is tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// Of a template: its draft, else what is published.
    pub(crate) code: Option<String>,
    /// As it is being written.
    pub(crate) body: Option<Body>,
    /// A language tag; the shop's own, if none.
    pub(crate) locale: Option<String>,
}

/// What is tried; none if there is no such template.
pub(crate) async fn body(db: &impl ConnectionTrait, trial: &Trial) -> Result<Option<Body>, Fault> {
    if let Some(body) = &trial.body {
        return Ok(Some(body.clone()));
    }
    let Some(code) = &trial.code else { return Ok(None) };
    let found = store::one(db, code).await?;
    Ok(found.and_then(|template| template.draft.or(template.published)).map(|(_, body)| body))
}

/// What it looks like in one language.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) language: String,
    pub(crate) mail: Result<Rendered, Refusal>,
    pub(crate) note: Result<Note, Refusal>,
}

/// Fills it in.
pub(crate) async fn fill(
    app: &App,
    trial: &Trial,
    body: Body,
    customer: Option<CustomerId>,
) -> Outcome<Filled, TemplateError> {
    let settings = app.settings();
    let Some((language, content)) = body.in_language(trial.locale.as_deref(), &settings.locale) else {
        return refuse(TemplateError::Invalid("content", "must be in one language at least"));
    };
    let class = Class::of(body.purpose);
    let mut parts = samples::full(language);
    parts.shop.clone_from(&settings.name);
    if let Some(customer) = customer {
        let Some(recipient) = Recipient::find(&app.db.read, customer.into()).await? else {
            return refuse(TemplateError::NoCustomer);
        };
        let wanted = Wanted {
            recipient: &recipient,
            facts: &Facts::default(),
            class,
            language,
            companions: false,
            unsubscribe_url: None,
            message: None,
        };
        if let Ok(theirs) = gather::parts(app, &wanted).await? {
            (parts.person, parts.points, parts.tier) = (theirs.person, theirs.points, theirs.tier);
            parts.programme = theirs.programme;
            parts.shop_url = theirs.shop_url;
        }
    }
    let values = parts.shown(class, class.may_promote());
    let (language, content) = (language.to_owned(), content.clone());
    let filled = tokio::task::spawn_blocking(move || {
        let mail = fill::mail(&content, &values, &language);
        let note = fill::note(&content, &values, &language);
        Filled { language, mail, note }
    });
    Ok(filled.await?)
}

/// A mail of a template to the member of staff who asks for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Send {
    pub(crate) staff: StaffId,
    pub(crate) trial: Trial,
}

/// Queues it.
pub(crate) async fn queue(tx: &Tx, send: &Send) -> Outcome<(), TemplateError> {
    let Some(body) = body(tx.db(), &send.trial).await? else { return refuse(TemplateError::NotFound) };
    if !body.channels.contains(&Channel::Email) {
        return refuse(TemplateError::NotMail);
    }
    let job = Job {
        kind: KIND,
        payload: serde_json::to_value(send)?,
        due: None,
        dedup_key: None,
        max_attempts: ATTEMPTS,
    };
    jobs::enqueue(tx, job).await?;
    let detail = json!({ "after": { "code": send.trial.code } });
    audit::record(tx, [Entry::of("message_template.test_send", "Staff", send.staff.0, detail)]).await?;
    Ok(())
}

/// Sends it; what cannot be filled in is left out, as the preview says why.
pub(crate) async fn run(app: &App, job: &Model) -> Result<(), Fault> {
    let Send { staff, trial } = serde_json::from_value(job.payload.clone())?;
    let found = staff::Entity::find_by_id(staff).one(&app.db.read).await?;
    let Some(row) = found.filter(|row| row.disabled_at.is_none()) else { return Ok(()) };
    let Some(body) = body(&app.db.read, &trial).await? else { return Ok(()) };
    let Ok(filled) = split(fill(app, &trial, body, None).await)? else { return Ok(()) };
    let Ok(words) = filled.mail else {
        tracing::info!(job.id = %job.id.0, "a test of a template could not be filled in");
        return Ok(());
    };
    let mail = Mail {
        id: format!("{}.test", job.id.0),
        at: job.created_at,
        to: EmailAddress::try_from(row.email)?,
        language: Language::of(&filled.language),
        words,
    };
    app.mailer.send_listed(mail, Listed { language: filled.language, unsubscribe_url: None }).await?;
    Ok(())
}
