//! Sends mail over SMTP; in development, without a server for it, writes it to the log instead.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use entity::Instant;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::config::{Config, Mode};
use crate::customers::email::EmailAddress;
use crate::error::{Fault, FaultKind};

/// How long a mail server may take to answer.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// Sends mail.
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Log,
}

/// A mail in plain text.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    /// What a repeated sending has in common with the first: its `Message-ID` is made of it.
    pub(crate) cause: Uuid,
    /// When it was caused.
    pub(crate) at: Instant,
    pub(crate) to: EmailAddress,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// What became of a mail that was no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Taken by the mail server, or written to the log.
    Yes,
    /// Refused for good: trying again is no use.
    Refused,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::Smtp(_) => "smtp",
            Way::Log => "log",
        };
        f.debug_struct("Mailer").field("way", &way).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Over the server that `config` names.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let way = match &config.smtp_url {
            Some(url) => {
                let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret());
                // The error's own text may repeat the URL with its password.
                let transport = transport.ok().context("REGULARS_SMTP_URL is not a URL of a mail server")?;
                Way::Smtp(transport.timeout(Some(TIME_LIMIT)).build())
            }
            None => {
                anyhow::ensure!(config.mode == Mode::Development, "production needs REGULARS_SMTP_URL");
                Way::Log
            }
        };
        Ok(Self { from: config.mail_from.clone(), way })
    }

    /// Sends `mail`. What a mail server says may name the address: only its code reaches the log.
    pub(crate) async fn send(&self, mail: Mail) -> Result<Sent, Fault> {
        let message = self.message(&mail)?;
        let transport = match &self.way {
            Way::Smtp(transport) => transport,
            Way::Log => {
                tracing::info!("mail to {}: {}\n\n{}", mail.to.as_str(), mail.subject, mail.text);
                return Ok(Sent::Yes);
            }
        };
        let Err(error) = transport.send(message).await else {
            return Ok(Sent::Yes);
        };
        let code = error.status().map(|code| code.to_string());
        tracing::warn!(mail.cause = %mail.cause, smtp.code = code, "a mail was not sent");
        if error.is_permanent() { Ok(Sent::Refused) } else { Err(Fault::of(FaultKind::Unavailable)) }
    }

    fn message(&self, mail: &Mail) -> Result<Message, Fault> {
        let to: Address = mail.to.as_str().parse()?;
        let id = format!("<{}@{}>", mail.cause, self.from.email.domain());
        let message = Message::builder()
            .message_id(Some(id))
            .date(mail.at.into())
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&mail.subject))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())?;
        Ok(message)
    }
}

/// A header is one line: whatever would begin another becomes a space.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(subject: &str) -> Mail {
        Mail {
            cause: Uuid::from_u128(7),
            at: Instant::from_timestamp(1_800_000_000, 0).unwrap(),
            to: EmailAddress::try_from("anna@example.com".to_owned()).unwrap(),
            subject: subject.to_owned(),
            text: "Hello\nAnna".to_owned(),
        }
    }

    fn formatted(subject: &str) -> String {
        let mailer = Mailer { from: "Shop <shop@example.com>".parse().unwrap(), way: Way::Log };
        String::from_utf8(mailer.message(&mail(subject)).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_mail_sent_again_is_the_same_to_the_byte() {
        let first = formatted("Your code");
        assert!(
            first.contains("Message-ID: <00000000-0000-0000-0000-000000000007@example.com>\r\n"),
            "{first}"
        );
        assert_eq!(first, formatted("Your code"));
    }

    #[test]
    fn a_subject_cannot_begin_another_header() {
        let text = formatted("Shop\r\nBcc: eve@example.com");
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc:")), "{head}");
    }
}
