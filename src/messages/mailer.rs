//! Sends mail over SMTP; in development, without a server for it, writes it to files or to the log instead.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use entity::Instant;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;

use super::template::Language;
use super::words::Rendered;
use crate::config::{Config, Mode};
use crate::consent::bounces::read;
use crate::customers::email::EmailAddress;
use crate::error::{Fault, FaultKind};

/// How long a mail server may take to be reached, each of its addresses.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// How long one that went silent may take to show that it is there again.
const PROBE_LIMIT: Duration = Duration::from_secs(10);
/// Idle connections that are kept for the next mails: as many as a worker sends at once.
const KEPT_CONNECTIONS: u32 = 16;
/// How long they are kept; many servers close them soon after.
const KEPT_FOR: Duration = Duration::from_mins(1);

/// What a mail server answers that takes no mail for a mailbox; some say so for other reasons, and say those too.
const MAILBOX_REFUSED: [&str; 3] = ["550", "551", "553"];

type Smtp = AsyncSmtpTransport<Tokio1Executor>;

/// Sends mail.
pub struct Mailer {
    from: Mailbox,
    /// How long a whole sending may take; a worker's patience ends later.
    limit: Duration,
    /// The last mail broke off on its way: no other is begun before the mail server shows that it is there.
    is_doubtful: Arc<AtomicBool>,
    way: Way,
}

enum Way {
    Smtp(Smtp),
    Directory(PathBuf),
    Log,
}

/// A mail, written.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    /// What a repeated sending has in common with the first, and with no other mail: the `Message-ID` is made of it.
    pub(crate) id: String,
    /// When it was caused.
    pub(crate) at: Instant,
    pub(crate) to: EmailAddress,
    pub(crate) language: Language,
    pub(crate) words: Rendered,
}

/// What a message has besides a mail: what it is read in, and how to end such messages.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// A language tag.
    pub(crate) language: String,
    /// None for what is transactional. Takes a POST, as RFC 8058 has it.
    pub(crate) unsubscribe_url: Option<String>,
}

/// What became of a mail that was no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Taken by the mail server, or written to a file or the log.
    Yes,
    /// Refused for good: trying again is no use.
    Refused,
    /// Refused since there is no such mailbox, by this status (RFC 3463).
    NoMailbox(String),
    /// It was on its way when the conversation broke off: nobody knows whether it arrived.
    Unknown,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::Smtp(_) => "smtp",
            Way::Directory(_) => "directory",
            Way::Log => "log",
        };
        f.debug_struct("Mailer").field("way", &way).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Over the server that `config` names.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let way = match &config.smtp_url {
            Some(url) if is_directory(url.expose_secret()) => {
                anyhow::ensure!(
                    config.mode == Mode::Development,
                    "production sends mail, and not to a directory"
                );
                Way::Directory(directory(url.expose_secret())?)
            }
            Some(url) => Way::Smtp(over_smtp(url.expose_secret())?),
            None => {
                anyhow::ensure!(config.mode == Mode::Development, "production needs REGULARS_SMTP_URL");
                Way::Log
            }
        };
        Ok(Self {
            from: config.mail_from.clone(),
            limit: config.job_lease / 2,
            is_doubtful: Arc::default(),
            way,
        })
    }

    /// Sends `mail`.
    pub(crate) async fn send(&self, mail: Mail) -> Result<Sent, Fault> {
        let message = self.message(&mail, None)?;
        self.hand_over(&mail, message).await
    }

    /// The same with the headers of a message.
    pub(crate) async fn send_listed(&self, mail: Mail, listed: Listed) -> Result<Sent, Fault> {
        let message = self.message(&mail, Some(&listed))?;
        self.hand_over(&mail, message).await
    }

    async fn hand_over(&self, mail: &Mail, message: Message) -> Result<Sent, Fault> {
        match &self.way {
            Way::Smtp(smtp) => self.send_over(smtp.clone(), &mail.id, message).await,
            Way::Directory(directory) => {
                tokio::fs::write(directory.join(format!("{}.eml", mail.id)), message.formatted()).await?;
                Ok(Sent::Yes)
            }
            Way::Log => {
                tracing::info!("mail to {}: {}\n\n{}", mail.to.as_str(), mail.words.subject, mail.words.text);
                Ok(Sent::Yes)
            }
        }
    }

    async fn send_over(&self, smtp: Smtp, id: &str, message: Message) -> Result<Sent, Fault> {
        if self.is_doubtful.load(Ordering::Relaxed) {
            let probe = tokio::time::timeout(PROBE_LIMIT, smtp.test_connection()).await;
            if !matches!(probe, Ok(Ok(true))) {
                tracing::warn!(mail.id = id, "the mail server is not there again yet");
                return Err(Fault::of(FaultKind::Unavailable));
            }
        }
        // A task of its own: a conversation that is dropped half-way goes back among the connections that are kept, and
        // the next mail would take the answers to this one for its own.
        let sending = tokio::spawn(async move { smtp.send(message).await });
        let Ok(ended) = tokio::time::timeout(self.limit, sending).await else {
            tracing::warn!(mail.id = id, "a mail server took too long");
            self.is_doubtful.store(true, Ordering::Relaxed);
            return Ok(Sent::Unknown);
        };
        let sent = ended?.map_or_else(|error| refused(id, &error), |_answer| Ok(Sent::Yes));
        self.is_doubtful.store(matches!(sent, Ok(Sent::Unknown)), Ordering::Relaxed);
        sent
    }

    /// The same bytes for the same mail: also the boundary of its parts is made of its id.
    fn message(&self, mail: &Mail, listed: Option<&Listed>) -> Result<Message, Fault> {
        let to: Address = mail.to.as_str().parse()?;
        let id = format!("<{}@{}>", mail.id, self.from.email.domain());
        let parts = MultiPart::alternative()
            .boundary(format!("part.{}", mail.id))
            .singlepart(SinglePart::plain(mail.words.text.clone()))
            .singlepart(SinglePart::html(mail.words.html.clone()));
        let language = listed.map_or(mail.language.tag(), |listed| listed.language.as_str());
        let mut message = Message::builder()
            .message_id(Some(id))
            .date(mail.at.into())
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&mail.words.subject))
            .raw_header(header("Content-Language", language))
            // RFC 3834: whoever is away does not answer it.
            .raw_header(header("Auto-Submitted", "auto-generated"));
        if let Some(url) = listed.and_then(|listed| listed.unsubscribe_url.as_ref()) {
            message = message
                .raw_header(header("List-Unsubscribe", &format!("<{url}>")))
                .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
        }
        Ok(message.multipart(parts)?)
    }
}

/// What it means that a mail server did not take a mail. What it says may name the address: only its code reaches the log.
fn refused(id: &str, error: &smtp::Error) -> Result<Sent, Fault> {
    let code = error.status().map(|code| code.to_string()).unwrap_or_default();
    tracing::warn!(mail.id = id, smtp.code = code, "a mail was not sent");
    let status = std::error::Error::source(error).and_then(|said| read::status(&said.to_string()));
    match status {
        Some(status) if read::is_of_the_mailbox(&status) => Ok(Sent::NoMailbox(status)),
        None if MAILBOX_REFUSED.contains(&code.as_str()) => Ok(Sent::Refused),
        // Other permanent answers, such as to a wrong password of ours or a limit of the day, end when somebody mends
        // the settings or waits.
        _ if was_never_begun(error) => Err(Fault::of(FaultKind::Unavailable)),
        _ => Ok(Sent::Unknown),
    }
}

/// Whether the mail cannot have arrived: its server answered no, or was never reached.
fn was_never_begun(error: &smtp::Error) -> bool {
    // A connection that never came about differs from one that broke off by the library's words alone.
    let is_unreachable = || error.to_string().starts_with("Connection error");
    error.status().is_some()
        || error.is_tls()
        || error.is_client()
        || error.is_transport_shutdown()
        || is_unreachable()
}

/// Whether `url` names a directory instead of a mail server.
pub(crate) fn is_directory(url: &str) -> bool {
    url.starts_with("file:")
}

fn directory(url: &str) -> anyhow::Result<PathBuf> {
    let path = url::Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
    let path = path.context("REGULARS_SMTP_URL names no directory; one looks like file:///tmp/mails")?;
    std::fs::create_dir_all(&path).context("the directory of REGULARS_SMTP_URL cannot be made")?;
    Ok(path)
}

fn over_smtp(url: &str) -> anyhow::Result<Smtp> {
    let smtp = Smtp::from_url(url);
    // The error's own text may repeat the URL with its password.
    let smtp = smtp.ok().context("REGULARS_SMTP_URL is not a URL of a mail server")?;
    let pool = PoolConfig::new().max_size(KEPT_CONNECTIONS).idle_timeout(KEPT_FOR);
    Ok(smtp.timeout(Some(CONNECT_LIMIT)).pool_config(pool).build())
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// A header is one line: whatever would begin another becomes a space.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
