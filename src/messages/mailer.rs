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

/// What a mail server answers to a mailbox that there is not.
const MAILBOX_REFUSED: [&str; 3] = ["550", "551", "553"];

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
        let way = if let Some(url) = &config.smtp_url {
            let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret());
            // The error's own text may repeat the URL with its password.
            let transport = transport.ok().context("REGULARS_SMTP_URL is not a URL of a mail server")?;
            Way::Smtp(transport.timeout(Some(TIME_LIMIT)).build())
        } else {
            anyhow::ensure!(config.mode == Mode::Development, "production needs REGULARS_SMTP_URL");
            Way::Log
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
        let code = error.status().map(|code| code.to_string()).unwrap_or_default();
        tracing::warn!(mail.cause = %mail.cause, smtp.code = code, "a mail was not sent");
        // Other permanent answers, such as to a wrong password of ours, end when somebody mends the settings.
        let refused = MAILBOX_REFUSED.contains(&code.as_str());
        if refused { Ok(Sent::Refused) } else { Err(Fault::of(FaultKind::Unavailable)) }
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

    /// Takes one mail like a server does and answers what it was given.
    fn smtp_server(to_recipient: &'static str) -> (String, std::thread::JoinHandle<String>) {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            stream.write_all(b"220 test\r\n").unwrap();
            let (mut heard, mut in_data) = (String::new(), false);
            for line in lines.map_while(Result::ok) {
                heard.push_str(&line);
                heard.push('\n');
                let answer = match line.as_str() {
                    "." => "250 taken",
                    _ if in_data => continue,
                    "DATA" => "354 go on",
                    "QUIT" => "221 bye",
                    rcpt if rcpt.starts_with("RCPT") => to_recipient,
                    _ => "250 fine",
                };
                in_data = answer.starts_with("354");
                stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
                if line == "." || answer.starts_with('5') {
                    break;
                }
            }
            heard
        });
        (url, server)
    }

    fn over(url: &str) -> Mailer {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).unwrap().build();
        Mailer { from: "Shop <shop@example.com>".parse().unwrap(), way: Way::Smtp(transport) }
    }

    #[tokio::test]
    async fn a_mail_reaches_the_server_with_its_recipient() {
        let (url, server) = smtp_server("250 fine");
        assert_eq!(over(&url).send(mail("Your code")).await.unwrap(), Sent::Yes);
        let heard = server.join().unwrap();
        assert!(heard.contains("RCPT TO:<anna@example.com>\n"), "{heard}");
        assert!(heard.contains("Subject: Your code\n") && heard.contains("\nHello\n"), "{heard}");
    }

    #[tokio::test]
    async fn an_address_that_is_refused_for_good_is_not_tried_again() {
        let (url, server) = smtp_server("550 no such user");
        assert_eq!(over(&url).send(mail("Your code")).await.unwrap(), Sent::Refused);
        server.join().unwrap();
        over("smtp://127.0.0.1:1").send(mail("Your code")).await.unwrap_err();
    }
}
