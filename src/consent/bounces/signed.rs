//! Whether what came in over the webhook is from whoever sends our mail, as Standard Webhooks has it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use entity::Instant;

/// How far the clocks of both may differ.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);
/// Bytes of a secret.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// What whoever sends our mail signs with.
#[derive(Clone)]
pub struct WebhookSecret(Arc<hmac::Key>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSecret").finish_non_exhaustive()
    }
}

impl WebhookSecret {
    /// Reads `whsec_` and 24 to 64 bytes in base64; none if it is not that.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim().strip_prefix("whsec_")?).ok()?;
        LENGTHS.contains(&bytes.len()).then(|| Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes))))
    }
}

/// Why what came in is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forged {
    /// Signed with another secret, or not as it was sent.
    Signature,
    /// Signed more than five minutes ago, or that far ahead.
    Time,
}

/// What it says of itself in its headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Headers<'a> {
    /// `webhook-id`.
    pub(crate) id: &'a str,
    /// `webhook-timestamp`: seconds since 1970.
    pub(crate) timestamp: &'a str,
    /// `webhook-signature`: one or more, with spaces between them.
    pub(crate) signatures: &'a str,
}

/// Says whether `body` was signed as `headers` say, within five minutes of `now`.
pub(crate) fn check(
    secret: &WebhookSecret,
    headers: Headers<'_>,
    body: &[u8],
    now: Instant,
) -> Result<(), Forged> {
    let Headers { id, timestamp, signatures } = headers;
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let given = signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    // Compared in constant time.
    let is_ours = given.take(10).any(|tag| hmac::verify(&secret.0, &signed, &tag).is_ok());
    if id.is_empty() || !is_ours {
        return Err(Forged::Signature);
    }
    let seconds = timestamp.parse::<i64>().ok();
    let at = seconds.and_then(|seconds| Instant::from_timestamp(seconds, 0));
    if at.is_some_and(|at| (now - at).abs() <= TOLERANCE) { Ok(()) } else { Err(Forged::Time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    /// As the specification's own example has it.
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const HEADERS: Headers<'_> =
        Headers { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: "1614265330", signatures: SIGNATURE };

    fn at(seconds: i64) -> Instant {
        Instant::from_timestamp(1_614_265_330 + seconds, 0).unwrap()
    }

    #[test]
    fn what_is_signed_with_the_secret_is_taken_for_five_minutes() {
        let secret = WebhookSecret::parse(SECRET).unwrap();
        let check = |headers, body, now| check(&secret, headers, body, now);
        for seconds in [-300, 0, 300] {
            assert_eq!(check(HEADERS, BODY, at(seconds)), Ok(()));
        }
        for seconds in [-301, 301] {
            assert_eq!(check(HEADERS, BODY, at(seconds)), Err(Forged::Time));
        }
        let several = format!("v1,AAAA v1a,x {SIGNATURE} v2,y");
        assert_eq!(check(Headers { signatures: &several, ..HEADERS }, BODY, at(0)), Ok(()));
        let wrong = [
            check(Headers { id: "msg_x", ..HEADERS }, BODY, at(0)),
            check(Headers { timestamp: "1614265331", ..HEADERS }, BODY, at(0)),
            check(Headers { signatures: "", ..HEADERS }, BODY, at(0)),
            check(HEADERS, b"{}", at(0)),
        ];
        assert_eq!(wrong, [Err(Forged::Signature); 4]);
    }

    #[test]
    fn a_secret_is_base64_behind_its_mark() {
        for other in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_AAAA", "whsec_!"] {
            assert!(WebhookSecret::parse(other).is_none(), "{other}");
        }
    }
}
