//! How a fault reaches a client: as a code, never as text of the database.

use async_graphql::{Error, ErrorExtensions};

use crate::error::{Fault, FaultKind};

/// The code of what comes too often.
pub const RATE_LIMITED: &str = "RATE_LIMITED";
/// Beside that code in the extensions: seconds to wait, as in the header `Retry-After`.
pub const RETRY_AFTER: &str = "retryAfterSeconds";

/// Every `extensions.code` that a client can meet.
pub const CODES: [&str; 13] = [
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "NOT_FOUND",
    "BAD_USER_INPUT",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "OPERATION_TOO_COMPLEX",
    RATE_LIMITED,
    "IDEMPOTENCY_KEY_REUSED",
    "IDEMPOTENCY_IN_PROGRESS",
    "PERSISTED_QUERY_NOT_FOUND",
    "UNAVAILABLE",
    "INTERNAL",
];

/// Why a field has an error instead of its value. Has no `Display`, so that nothing but this file words it.
#[derive(Debug)]
pub enum ApiError {
    /// Ours.
    Fault(Fault),
    /// `BAD_USER_INPUT`: what the schema cannot say about an argument.
    BadInput(String),
}

impl ApiError {
    /// `BAD_USER_INPUT` with a message for the developer of the client.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::BadInput(message.into())
    }
}

impl<E: Into<Fault>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::BadInput(message) => coded("BAD_USER_INPUT", message),
            ApiError::Fault(fault) => of_fault(&fault),
        }
    }
}

/// An error with its code.
pub(crate) fn coded(code: &'static str, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}

/// The code and the message that a client gets for a fault; the log gets the fault itself.
pub(crate) fn told(fault: &Fault) -> (&'static str, &'static str) {
    if matches!(fault.kind(), FaultKind::Internal | FaultKind::Unavailable) {
        tracing::error!(?fault, "a request failed");
    }
    match fault.kind() {
        FaultKind::Internal => ("INTERNAL", "Something went wrong on our side."),
        FaultKind::Unavailable => ("UNAVAILABLE", "Try again in a moment."),
        FaultKind::KeyReused => {
            ("IDEMPOTENCY_KEY_REUSED", "This idempotency key was used for another request.")
        }
        FaultKind::KeyInProgress => {
            ("IDEMPOTENCY_IN_PROGRESS", "The first request with this idempotency key is still running.")
        }
        FaultKind::RateLimited { .. } => (RATE_LIMITED, "Too many requests: try again later."),
    }
}

/// Seconds to wait that a client is told of a fault.
pub(crate) fn retry_after(fault: &Fault) -> Option<u32> {
    match fault.kind() {
        FaultKind::RateLimited { retry_after_seconds } => Some(retry_after_seconds),
        FaultKind::Internal | FaultKind::Unavailable | FaultKind::KeyReused | FaultKind::KeyInProgress => {
            None
        }
    }
}

fn of_fault(fault: &Fault) -> Error {
    let (code, message) = told(fault);
    let error = coded(code, message);
    match retry_after(fault) {
        Some(seconds) => error.extend_with(|_, extensions| extensions.set(RETRY_AFTER, seconds)),
        None => error,
    }
}
