//! Mails that tell of something that was done. They hold neither a code nor what became of it.

use entity::Instant;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use super::code::is_dutch;
use super::mailer::{Mail, Sent};
use crate::app::App;
use crate::customers::email::EmailAddress;
use crate::error::Fault;
use crate::jobs::{self, Job};
use crate::tx::Tx;

/// The kind of the job.
pub(crate) const KIND: &str = "mail.notice";
/// With the back-off of jobs that is a day.
const ATTEMPTS: i64 = 36;

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tells {
    /// To the old address: the account has another now.
    EmailChanged,
    /// The account has another password now.
    PasswordChanged,
}

/// A mail to be sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// What.
    pub(crate) tells: Tells,
    /// Whom.
    pub(crate) to: EmailAddress,
    /// Of the reader; the shop's own if none.
    pub(crate) locale: Option<String>,
    /// What happened: the mail's `Message-ID` is made of it.
    pub(crate) cause: Uuid,
    /// When it happened.
    pub(crate) at: Instant,
}

/// Queues the mail with the change of this transaction.
pub(crate) async fn enqueue(tx: &Tx, notice: &Notice) -> Result<(), Fault> {
    let payload = serde_json::to_value(notice)?;
    jobs::enqueue(tx, Job { kind: KIND, payload, due: None, dedup_key: None, max_attempts: ATTEMPTS }).await
}

/// Sends the mail.
pub(crate) async fn send(app: &App, payload: &Json) -> Result<(), Fault> {
    let Notice { tells, to, locale, cause, at } = serde_json::from_value(payload.clone())?;
    let settings = app.settings();
    let (subject, text) =
        words(tells, is_dutch(locale.as_deref().unwrap_or(&settings.locale)), &settings.name);
    match app.mailer.send(Mail { cause, at, to, subject, text }).await? {
        Sent::Yes | Sent::Refused => Ok(()),
    }
}

fn words(tells: Tells, dutch: bool, shop: &str) -> (String, String) {
    let (subject, hello, first, second) = match (tells, dutch) {
        (Tells::EmailChanged, false) => (
            format!("Your account at {shop} has another e-mail address"),
            "Hello",
            format!("The e-mail address of your account at {shop} was changed: it is no longer this one."),
            "Was it not you? Then get in touch with the shop at once.",
        ),
        (Tells::EmailChanged, true) => (
            format!("Je account bij {shop} heeft een ander e-mailadres"),
            "Hallo",
            format!("Het e-mailadres van je account bij {shop} is gewijzigd: het is niet meer dit adres."),
            "Was jij dat niet? Neem dan meteen contact op met de winkel.",
        ),
        (Tells::PasswordChanged, false) => (
            format!("Your password at {shop} was changed"),
            "Hello",
            format!("The password of your account at {shop} was changed. Every other device was signed out."),
            "Was it not you? Then set another password at once, and get in touch with the shop.",
        ),
        (Tells::PasswordChanged, true) => (
            format!("Je wachtwoord bij {shop} is gewijzigd"),
            "Hallo",
            format!(
                "Het wachtwoord van je account bij {shop} is gewijzigd. Elk ander apparaat is uitgelogd."
            ),
            "Was jij dat niet? Stel dan meteen een ander wachtwoord in en neem contact op met de winkel.",
        ),
    };
    (subject, format!("{hello},\n\n{first}\n\n{second}\n\n{shop}\n"))
}
