//! Refusals in Stripe's own error shape.

use serde_json::{Value, json};

/// What the fake answers instead of the object asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What stands under `error` in the body.
    pub error: Value,
}

impl Refusal {
    fn new(status: u16, kind: &str, message: &str) -> Self {
        Self { status, error: json!({ "type": kind, "message": message }) }
    }

    /// A call that makes no sense (400).
    pub(crate) fn invalid(message: &str) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// A parameter that makes no sense (400).
    pub(crate) fn parameter(name: &str, code: &str, message: &str) -> Self {
        Self::invalid(message).with("param", name).with("code", code)
    }

    /// An object that is not there (404).
    pub(crate) fn missing(kind: &str, id: &str) -> Self {
        Self::new(404, "invalid_request_error", &format!("No such {kind}: '{id}'"))
            .with("param", "id")
            .with("code", "resource_missing")
    }

    /// A parameter that names an object which is not there (400).
    pub(crate) fn no_such(param: &str, kind: &str, id: &str) -> Self {
        Self::parameter(param, "resource_missing", &format!("No such {kind}: '{id}'"))
    }

    /// No key, or a wrong one (401).
    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    /// The card's bank said no (402).
    pub(crate) fn card(code: &str, decline_code: &str, message: &str) -> Self {
        let refusal = Self::new(402, "card_error", message).with("code", code);
        if decline_code.is_empty() { refusal } else { refusal.with("decline_code", decline_code) }
    }

    /// The same idempotency key with other parameters (400).
    pub(crate) fn other_parameters(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. \
             Try using a key other than '{key}' if you meant to execute a different request."
        );
        Self::new(400, "idempotency_error", &message)
    }

    /// The first request with this idempotency key has not been answered yet (409).
    pub(crate) fn key_in_use(key: &str) -> Self {
        let message =
            format!("There is currently another in-progress request using this idempotent key: '{key}'.");
        Self::new(409, "idempotency_error", &message).with("code", "idempotency_key_in_use")
    }

    /// What Stripe answers when it fails, or when there were too many calls.
    pub(crate) fn outage(status: u16) -> Self {
        match status {
            429 => Self::new(429, "invalid_request_error", "Too many requests").with("code", "rate_limit"),
            _ => Self::new(status, "api_error", "An unknown error occurred"),
        }
    }

    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.error[field] = value.into();
        self
    }

    pub(crate) fn body(&self) -> Value {
        json!({ "error": self.error })
    }

    /// The error's `code`, empty if it has none.
    pub fn code(&self) -> &str {
        self.error["code"].as_str().unwrap_or_default()
    }
}
