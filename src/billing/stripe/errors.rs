//! What Stripe's refusals and failures mean.

use std::time::Duration;

use stripe::{ApiErrors, ApiErrorsType, IdempotencyKey, RequestStrategy, StripeError};

use crate::billing::payments::PaymentError;

/// Stripe counts requests by the second; its client does not show the header that says so.
const A_SECOND: Duration = Duration::from_secs(1);

/// Done once, however often it is asked with this part of this key.
pub(super) fn once(key: &str, part: &str) -> Result<RequestStrategy, PaymentError> {
    let key =
        if part.is_empty() { IdempotencyKey::new(key) } else { IdempotencyKey::new(format!("{key}-{part}")) };
    key.map(RequestStrategy::Idempotent).map_err(|error| PaymentError::Rejected(error.to_string()))
}

/// What a failed request means.
pub(super) fn failure(error: StripeError) -> PaymentError {
    match error {
        StripeError::Stripe(error, status) => refusal(&error, status),
        StripeError::JSONDeserialize(problem)
        | StripeError::ClientError(problem)
        | StripeError::ConfigError(problem) => unavailable(problem, None),
        StripeError::Timeout => unavailable("no answer in time".to_owned(), None),
    }
}

fn refusal(error: &ApiErrors, status: u16) -> PaymentError {
    let code = error.code.as_ref().map_or("", |code| code.as_str());
    let is_missing = code == "resource_missing";
    match status {
        402 => PaymentError::Declined,
        // Not the thing that was named, but a card to pay with is missing.
        400 if is_missing && error.param.is_none() => PaymentError::Declined,
        404 => PaymentError::NotFound,
        400 if is_missing => PaymentError::NotFound,
        400 if error.type_ == ApiErrorsType::CardError => PaymentError::Declined,
        409 | 429 => unavailable(told(error, status), Some(A_SECOND)),
        // An operator mends a key: the same may be done then.
        401 | 403 | 500.. => unavailable(told(error, status), None),
        _ => PaymentError::Rejected(told(error, status)),
    }
}

/// For the log: without the message, which may repeat what was sent, addresses and all.
fn told(error: &ApiErrors, status: u16) -> String {
    let code = error.code.as_ref().map_or("no code", |code| code.as_str());
    let param = error.param.as_deref().unwrap_or("none");
    format!("status {status}, {}, {code}, parameter {param}", error.type_.as_str())
}

/// An answer that makes no sense to us.
pub(super) fn undecodable(problem: &str) -> PaymentError {
    unavailable(problem.to_owned(), None)
}

fn unavailable(problem: String, retry_after: Option<Duration>) -> PaymentError {
    PaymentError::Unavailable { problem, retry_after }
}

/// Whether it was refused for this parameter.
pub(super) fn is_about(error: &PaymentError, parameter: &str) -> bool {
    matches!(error, PaymentError::Rejected(told) if told.ends_with(&format!("parameter {parameter}")))
}
