//! Writes answers: those of operations, and the refusals of requests that never became one, in the same shape.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use async_graphql::parser::types::OperationType;
use async_graphql::{Response, ServerError, Value};
use serde::Serialize;
use std::collections::BTreeMap;

use super::accept::{Media, negotiate};
use crate::error::Fault;
use crate::graphql::execute::{Answer, Ended, RequestId, code_of, error, stamp};
use crate::graphql::fault::{RATE_LIMITED, RETRY_AFTER, retry_after, told};

/// What kind of operation a response answers; kept with it for the metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered(pub(super) OperationType);

/// A request that is answered without running anything.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Seconds to wait, where the refused request may succeed later.
    pub(super) retry_after: Option<u32>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        // What is away may be back in a moment.
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        Self { status, code, message: message.into(), retry_after }
    }

    /// Ours, or a limit.
    pub(super) fn of(fault: &Fault) -> Self {
        let (code, message) = told(fault);
        let retry_after = retry_after(fault);
        let status = match code {
            RATE_LIMITED => StatusCode::TOO_MANY_REQUESTS,
            "UNAVAILABLE" => StatusCode::SERVICE_UNAVAILABLE,
            _ours => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let refusal = Self::new(status, code, message);
        Self { retry_after: retry_after.or(refusal.retry_after), ..refusal }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
    }

    /// As a response to `request`, in a media type that its client reads.
    pub(super) fn response(self, request: &HttpRequest) -> HttpResponse {
        self.written(media(request.headers()), &request_id(request))
    }

    /// The same where the request is out of reach.
    pub(super) fn written(self, media: Option<Media>, id: &RequestId) -> HttpResponse {
        let mut errors = [error(self.code, self.message)];
        stamp(&mut errors, id);
        if let (Some(seconds), RATE_LIMITED) = (self.retry_after, self.code) {
            errors[0].extensions.get_or_insert_default().set(RETRY_AFTER, seconds);
        }
        let media = media.unwrap_or(Media::Json);
        let body = Body { data: None, errors: &errors, extensions: None };
        let mut response = write(media, self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED {
            set(&mut response, header::WWW_AUTHENTICATE, "Bearer");
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The id that the outermost layer gave this request.
pub(super) fn request_id(request: &HttpRequest) -> RequestId {
    request.extensions().get::<RequestId>().cloned().unwrap_or_else(|| RequestId("unknown".to_owned()))
}

/// Which media type the client wants; none if it reads neither of ours.
pub(super) fn media(headers: &HeaderMap) -> Option<Media> {
    let values: Vec<&str> = headers.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok()).collect();
    negotiate(Some(values.join(",").as_str()))
}

/// Writes the answer to an operation.
pub(super) fn answer(media: Media, answer: &Answer) -> HttpResponse {
    let Answer { ended, operation, response } = answer;
    count_errors(response);
    let status = match (ended, media) {
        (Ended::Executed, _) | (Ended::Refused, Media::Json) => StatusCode::OK,
        (Ended::Refused, Media::GraphQl) => StatusCode::BAD_REQUEST,
        (Ended::NotAQuery, _) => StatusCode::METHOD_NOT_ALLOWED,
        (Ended::RateLimited { .. }, _) => StatusCode::TOO_MANY_REQUESTS,
        (Ended::Stopped, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Ended::Broke, _) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = Body {
        data: (*ended == Ended::Executed).then_some(&response.data),
        errors: &response.errors,
        extensions: Some(&response.extensions).filter(|extensions| !extensions.is_empty()),
    };
    let mut written = write(media, status, &body);
    match *ended {
        Ended::NotAQuery => set(&mut written, header::ALLOW, "POST"),
        Ended::RateLimited { retry_after_seconds } => {
            written.headers_mut().insert(header::RETRY_AFTER, retry_after_seconds.into());
        }
        Ended::Executed | Ended::Refused | Ended::Stopped | Ended::Broke => {}
    }
    if let Some(operation) = operation {
        written.extensions_mut().insert(Answered(*operation));
    }
    written
}

fn count_errors(response: &Response) {
    for code in response.errors.iter().filter_map(code_of) {
        metrics::counter!("regulars_graphql_errors_total", "code" => code).increment(1);
    }
}

/// The shape of every answer; `data` is left out when nothing ran.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<&'a BTreeMap<String, Value>>,
}

fn write(media: Media, status: StatusCode, body: &Body<'_>) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(bytes) => HttpResponse::build(status).content_type(media.content_type()).body(bytes),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// Sets a header of a fixed value.
pub(super) fn set(response: &mut HttpResponse, name: header::HeaderName, value: &'static str) {
    response.headers_mut().insert(name, header::HeaderValue::from_static(value));
}
