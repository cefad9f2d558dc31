//! Letters: what is queued when something has to be told by mail, and how the worker sends it.
//!
//! A mail cannot be sent exactly once: what was on its way when its worker ended may have arrived. Such a mail is counted
//! and sent again under the same `Message-ID`; every letter there is has to arrive.

use chrono::TimeDelta;
use entity::Instant;
use entity::id::{ChallengeId, ConsentRequestId, StaffInvitationId};
use entity::job::Model;
use entity::message::Channel;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::code;
use super::consent_confirm;
use super::mailer::{Mail, Sent};
use super::staff_invitation;
use super::template::{Language, Shows, Template};
use super::words::Values;
use crate::app::App;
use crate::consent::suppress;
use crate::customers::email::EmailAddress;
use crate::error::{Fault, FaultKind};
use crate::jobs::{self, Job};
use crate::tx::Tx;

/// The kind of the job.
pub(crate) const KIND: &str = "mail";
/// With the back-off of jobs that is a day; a code that ends meanwhile ends its letter as well.
const ATTEMPTS: i64 = 36;

/// A mail to be sent. It holds nothing secret, and no words: they are found when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Letter {
    /// What is true of a mailbox that was asked to be proven, with the code that proves it.
    Code {
        /// The code is derived from it.
        challenge_id: ChallengeId,
    },
    /// An invitation to the shop's staff, with the token that accepts it.
    StaffInvitation {
        /// The token is derived from it.
        invitation_id: StaffInvitationId,
    },
    /// A double opt-in, with the link that confirms it.
    ConsentConfirm {
        /// The token is derived from it.
        request_id: ConsentRequestId,
    },
    /// Something that happened, told to an address.
    Notice {
        /// One that shows no code and no token.
        template: Template,
        /// Who is told.
        to: EmailAddress,
        /// Of the reader; the shop's own if none.
        locale: Option<String>,
        /// What happened: each template tells a cause once.
        cause: Uuid,
        /// When it happened.
        at: Instant,
    },
}

/// Queues `letter` with the change of this transaction.
pub async fn enqueue(tx: &Tx, letter: &Letter) -> Result<(), Fault> {
    enqueue_for(tx, letter, None).await
}

/// The same, to be sent not before `due`.
pub(crate) async fn enqueue_for(tx: &Tx, letter: &Letter, due: Option<Instant>) -> Result<(), Fault> {
    if let Letter::Notice { template, .. } = letter
        && template.shows() != Shows::Nothing
    {
        return Err(Fault::internal("a notice has no code and no token to show"));
    }
    let payload = serde_json::to_value(letter)?;
    jobs::enqueue(tx, Job { kind: KIND, payload, due, dedup_key: None, max_attempts: ATTEMPTS }).await
}

/// Sends the letter of `job`, if there is still something to say.
pub(crate) async fn send(app: &App, job: &Model) -> Result<(), Fault> {
    if job.lost_lease {
        metrics::counter!("regulars_mails_unknown_outcome_total").increment(1);
        tracing::warn!(job.id = %job.id.0, "a worker ended while it sent this mail, which may have arrived");
    }
    let mail = match serde_json::from_value(job.payload.clone())? {
        Letter::Code { challenge_id } => code::mail(app, challenge_id).await?,
        Letter::StaffInvitation { invitation_id } => staff_invitation::mail(app, invitation_id).await?,
        Letter::ConsentConfirm { request_id } => consent_confirm::mail(app, request_id).await?,
        Letter::Notice { template, to, locale, cause, at } => {
            Some(notice(app, template, to, locale.as_deref(), cause, at)?)
        }
    };
    let Some(mail) = mail else { return Ok(()) };
    let to = mail.to.clone();
    let sent = app.mailer.send(mail).await;
    let outcome = match &sent {
        Ok(Sent::Yes) => "sent",
        Ok(Sent::Refused | Sent::NoMailbox(_)) => "refused",
        Ok(Sent::Unknown) => "unknown",
        Err(_) => "failed",
    };
    metrics::counter!("regulars_mails_total", "outcome" => outcome).increment(1);
    match sent? {
        Sent::Yes | Sent::Refused => Ok(()),
        Sent::NoMailbox(status) => {
            let hash = suppress::hash(&app.keys.comparison()?, Channel::Email, &to.key());
            app.change(&(hash, status), async |tx: &Tx, (hash, status)| {
                suppress::no_mailbox(tx, hash, None, status).await
            })
            .await
        }
        // Whoever waits for it would rather have it twice.
        Sent::Unknown => Err(Fault::of(FaultKind::Unavailable)),
    }
}

fn notice(
    app: &App,
    template: Template,
    to: EmailAddress,
    locale: Option<&str>,
    cause: Uuid,
    at: Instant,
) -> Result<Mail, Fault> {
    let settings = app.settings();
    let language = Language::of(locale.unwrap_or(&settings.locale));
    let (shop, zone, life) = (settings.name.as_str(), settings.time_zone, TimeDelta::zero());
    let values = Values { shop, zone, at, life, code: None, token: None, link: None };
    let words = app.words.render(template, language, &values)?;
    // One cause may be told by several templates, or by a code as well: each is a mail of its own.
    let id = format!("{cause}.{}", template.name());
    Ok(Mail { id, at, to, language, words })
}
