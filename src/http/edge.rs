//! The outermost layer: request ids, CORS, security headers and metrics, the same for every path.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpResponse};
use async_graphql::parser::types::OperationType;
use tracing::Instrument;

use super::State;
use super::answer::{Answered, Refusal, media, set};
use crate::app::App;
use crate::clock::IdGen;
use crate::graphql::execute::RequestId;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a client.
const LONGEST_ID: usize = 128;
/// The longest part of a path that is logged; ours are shorter, tokens of links longer.
const LONGEST_LOGGED: usize = 32;

/// Wraps every request.
pub(super) async fn edge(
    state: Data<State>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let begun = Instant::now();
    let id = request_id(&state.app, request.headers());
    let origin = allowed_origin(&state.app, request.headers());
    let is_preflight = *request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    request.extensions_mut().insert(id.clone());
    let path = without_tokens(request.path());
    let span = tracing::info_span!("request", request.id = %id.0, method = %request.method(), path);
    let media = media(request.headers());
    let answered = if is_preflight {
        Ok(request.into_response(preflight()))
    } else {
        next.call(request).instrument(span).await.map(ServiceResponse::map_into_boxed_body)
    };
    match answered {
        Ok(mut response) => {
            finish(response.response_mut().headers_mut(), &id, origin);
            count(response.response(), begun);
            Ok(response)
        }
        Err(error) => {
            let refusal = of_framework(error.as_response_error().status_code());
            let mut response = refusal.written(media, &id);
            finish(response.headers_mut(), &id, origin);
            count(&response, begun);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// A path as the log may hold it: what is as long as a token of a link is left out.
fn without_tokens(path: &str) -> String {
    let logged = |part: &str| if part.len() > LONGEST_LOGGED { "…".to_owned() } else { part.to_owned() };
    path.split('/').map(logged).collect::<Vec<_>>().join("/")
}

/// The client's own id if it is short and visible, a new one otherwise.
fn request_id(app: &App, headers: &HeaderMap) -> RequestId {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let sane = given
        .filter(|id| (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    // Not from the application's source of ids: those of a test repeat, whatever requests come between.
    RequestId(sane.map_or_else(|| IdGen::Random.uuid(app.clock.now()).to_string(), str::to_owned))
}

fn allowed_origin(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    app.config
        .cors_origins
        .iter()
        .any(|allowed| allowed.as_bytes() == origin.as_bytes())
        .then(|| origin.clone())
}

/// Tells a browser what it may send; whether this origin may is told by the header that every answer to it has.
fn preflight() -> HttpResponse {
    let mut response = HttpResponse::NoContent().finish();
    set(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
    let headers = "authorization, content-type, x-request-id";
    set(&mut response, header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
    set(&mut response, header::ACCESS_CONTROL_MAX_AGE, "600");
    response
}

/// An error of the framework itself, in our words.
fn of_framework(status: StatusCode) -> Refusal {
    if status.is_client_error() {
        return Refusal::new(status, "BAD_USER_INPUT", "The request cannot be read.");
    }
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "Something went wrong on our side.")
}

fn finish(headers: &mut HeaderMap, id: &RequestId, origin: Option<HeaderValue>) {
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, id);
    }
    let mut fixed = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    fixed(header::X_FRAME_OPTIONS, "DENY");
    fixed(header::REFERRER_POLICY, "no-referrer");
    // What is the same for everybody says itself how long it may be kept.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
    }
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static("x-request-id, retry-after");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// Counts by what came of it, never by anything that a client can choose freely.
fn count(response: &HttpResponse, begun: Instant) {
    let operation = match response.extensions().get::<Answered>() {
        Some(Answered(OperationType::Query)) => "query",
        Some(Answered(OperationType::Mutation)) => "mutation",
        Some(Answered(OperationType::Subscription)) => "subscription",
        None => "none",
    };
    let status = response.status().as_u16().to_string();
    metrics::counter!("regulars_http_requests_total", "operation" => operation, "status" => status)
        .increment(1);
    metrics::histogram!("regulars_http_request_seconds", "operation" => operation)
        .record(begun.elapsed().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_logged_with_its_path() {
        assert_eq!(without_tokens("/.well-known/jwks.json"), "/.well-known/jwks.json");
        assert_eq!(without_tokens("/"), "/");
        assert_eq!(without_tokens(&format!("/survey/{}", "x".repeat(64))), "/survey/…");
    }
}
