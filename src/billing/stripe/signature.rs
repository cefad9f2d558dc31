//! Whether what came in over the webhook is from Stripe.

use entity::Instant;
use secrecy::{ExposeSecret, SecretString};
use stripe_webhook::{Webhook, WebhookError};

/// Why a payload is not taken for Stripe's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forged {
    /// Signed with none of the secrets, or not as it was sent.
    Signature,
    /// Signed more than five minutes ago, or that far ahead.
    Time,
}

/// Says whether `body` was signed as `header` says, with any of `secrets`, within five minutes of `now`.
pub(crate) fn check(body: &str, header: &str, secrets: &[SecretString], now: Instant) -> Result<(), Forged> {
    let mut why = Forged::Signature;
    for secret in secrets {
        match Webhook::construct_event_with_timestamp(body, header, secret.expose_secret(), now.timestamp()) {
            // What is signed is read by ourselves: the library refuses an event for one field that it does not know.
            Ok(_) | Err(WebhookError::BadParse(_)) => return Ok(()),
            Err(WebhookError::BadTimestamp(_)) => why = Forged::Time,
            Err(WebhookError::BadSignature | WebhookError::BadHeader(_) | WebhookError::BadKey) => {}
        }
    }
    Err(why)
}
