//! Messages to phones and devices: told to a server of the shop, signed as Standard Webhooks has it. What is told twice has
//! the same id, so that whoever takes it can drop the second.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entity::Instant;
use entity::consent::Purpose;
use entity::id::MessageId;
use entity::message::Channel;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::mailer::Sent;
use super::templates::fill::Note;
use crate::error::{Fault, FaultKind};

/// How long the shop's server may take to be reached, and to answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// Where messages to phones and devices go.
#[derive(Clone, Debug)]
pub struct HookConfig {
    /// An address of the shop.
    pub url: Url,
    /// `whsec_` and 24 to 64 bytes in base64.
    pub secret: SecretString,
}

impl HookConfig {
    /// None if neither is given.
    pub(crate) fn check(
        url: Option<&str>,
        secret: Option<SecretString>,
        production: bool,
    ) -> anyhow::Result<Option<Self>> {
        let (url, secret) = match (url, secret) {
            (None, None) => return Ok(None),
            (Some(url), Some(secret)) => (url, secret),
            (Some(_), None) | (None, Some(_)) => {
                anyhow::bail!("REGULARS_MESSAGE_HOOK_URL and REGULARS_MESSAGE_HOOK_SECRET go together")
            }
        };
        let url: Url = url.parse().ok().context("REGULARS_MESSAGE_HOOK_URL is no address of the web")?;
        let is_web = url.scheme() == "https" || (url.scheme() == "http" && !production);
        ensure!(is_web && url.has_host(), "REGULARS_MESSAGE_HOOK_URL must begin with https://");
        key(&secret)?;
        Ok(Some(Self { url, secret }))
    }
}

fn key(secret: &SecretString) -> anyhow::Result<Vec<u8>> {
    let bytes = secret.expose_secret().strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    let bytes = bytes.filter(|bytes| (24..=64).contains(&bytes.len()));
    bytes.context("REGULARS_MESSAGE_HOOK_SECRET must be whsec_ and 24 to 64 bytes in base64")
}

/// Calls the shop's server.
pub struct Hook {
    url: Url,
    key: hmac::Key,
    client: Client,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").finish_non_exhaustive()
    }
}

/// What is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Called<'a> {
    pub(crate) id: MessageId,
    pub(crate) channel: Channel,
    /// A phone number, or the shop's id of a customer.
    pub(crate) to: &'a str,
    /// A language tag.
    pub(crate) locale: &'a str,
    pub(crate) note: &'a Note,
    /// None for what is transactional.
    pub(crate) purpose: Option<Purpose>,
    /// Where its reader says no to more of them; none for what is transactional.
    pub(crate) unsubscribe_url: Option<&'a str>,
}

impl Hook {
    /// As `config` names it.
    pub(crate) fn new(config: &HookConfig) -> anyhow::Result<Self> {
        // The second time it is there already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .timeout(ANSWER_LIMIT)
            .user_agent("Regulars")
            .build()?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key(&config.secret)?);
        Ok(Self { url: config.url.clone(), key, client })
    }

    /// Tells a message. Any answer in the 200s takes it; what the shop's server says is wrong with it ends it. What it did
    /// with one that it answered nothing, or with an error of its own, nobody knows.
    pub(crate) async fn call(&self, called: &Called<'_>, at: Instant) -> Result<Sent, Fault> {
        let Note { title, body, link } = called.note;
        let told = json!({
            "channel": called.channel,
            "to": called.to,
            "title": title,
            "body": body,
            "link": link,
            "locale": called.locale,
            "purpose": called.purpose,
            "unsubscribeUrl": called.unsubscribe_url,
        });
        let (id, at, body) = (called.id.0.to_string(), at.timestamp().to_string(), told.to_string());
        let answer = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", &at)
            .header("webhook-signature", self.signature(&id, &at, &body))
            .body(body)
            .send()
            .await;
        // What the client says may name the address with what is secret in it: only its kind reaches the log.
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let is_begun = !error.is_connect() && !error.is_builder();
                tracing::warn!(message.id = id, is_begun, "the shop's message hook did not answer");
                return if is_begun { Ok(Sent::Unknown) } else { Err(Fault::of(FaultKind::Unavailable)) };
            }
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(Sent::Yes);
        }
        tracing::warn!(
            message.id = id,
            http.status = status.as_u16(),
            "the shop's message hook did not take a message"
        );
        let is_final = matches!(
            status,
            StatusCode::BAD_REQUEST
                | StatusCode::GONE
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::UNPROCESSABLE_ENTITY
        );
        let is_open = status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE;
        match (is_final, is_open) {
            (true, _) => Ok(Sent::Refused),
            (false, true) => Ok(Sent::Unknown),
            (false, false) => Err(Fault::of(FaultKind::Unavailable)),
        }
    }

    fn signature(&self, id: &str, at: &str, body: &str) -> String {
        let tag = hmac::sign(&self.key, format!("{id}.{at}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, secret: &str, production: bool) -> anyhow::Result<Option<HookConfig>> {
        HookConfig::check(Some(url), Some(secret.to_owned().into()), production)
    }

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_message_is_signed_as_standard_webhooks_has_it() {
        // The example of its reference libraries.
        let hook = Hook::new(&config("https://shop.example", SECRET, true).unwrap().unwrap()).unwrap();
        let signature =
            hook.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_hook_is_refused_at_the_start() {
        assert!(config("http://shop.example", SECRET, false).is_ok());
        for (url, secret) in [
            ("http://shop.example", SECRET),
            ("shop.example", SECRET),
            ("https://shop.example", "whsec_short"),
            ("https://shop.example", &SECRET[6..]),
        ] {
            assert!(config(url, secret, true).is_err(), "{url} {secret}");
        }
        assert!(HookConfig::check(Some("https://shop.example"), None, true).is_err());
        assert!(HookConfig::check(None, None, true).unwrap().is_none());
    }
}
