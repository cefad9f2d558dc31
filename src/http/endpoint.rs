//! `/graphql`: GraphQL over HTTP, with GET for queries and POST for everything.

use std::sync::Once;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Bytes, BytesMut, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use async_graphql::Request;
use futures_util::StreamExt;
use tracing::Instrument;

use super::answer::{self, Refusal, media, request_id};
use super::{State, forwarded, params};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::auth::{self, Authenticated, Unauthenticated};
use crate::client::Client;
use crate::error::Fault;
use crate::graphql::execute::{Answer, Asker, Carries, RequestId, execute};
use crate::throttle;

/// How long a client may take to send a body.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// Answers a request to the endpoint, whatever its method.
pub(super) async fn graphql(request: HttpRequest, payload: Payload, state: Data<State>) -> HttpResponse {
    handle(&request, payload, &state).await.unwrap_or_else(|refusal| refusal.response(&request))
}

async fn handle(request: &HttpRequest, payload: Payload, state: &State) -> Result<HttpResponse, Refusal> {
    let (client, authorization) = (client(request, state), authorization(request.headers())?);
    if authorization.is_none() {
        // Before anything of the body is read.
        throttle::request(&state.app, &Viewer::Anonymous, &client).map_err(|fault| Refusal::of(&fault))?;
    }
    let Some(media) = media(request.headers()) else {
        let message = "Answers are application/graphql-response+json or application/json.";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, "BAD_USER_INPUT", message));
    };
    let (carries, operation) = match *request.method() {
        Method::GET => (Carries::Queries, from_query(request)?),
        Method::POST => {
            check_content(request.headers())?;
            let limit = state.app.config.limits.max_body_bytes;
            let body = read_body(request.headers(), payload, limit).await?;
            (Carries::Everything, params::from_body(&body).map_err(Refusal::bad_request)?)
        }
        _ => return Ok(super::method_not_allowed(request, "GET, POST")),
    };
    let sender = (authorization, client, request_id(request));
    let answered = run(state, sender, carries, operation).await?;
    Ok(answer::answer(media, &answered))
}

/// Runs on the runtime of the application: its database connections live there, and an operation that has begun ends
/// even if its client goes away.
async fn run(
    state: &State,
    (authorization, client, id): (Option<String>, Client, RequestId),
    carries: Carries,
    operation: Request,
) -> Result<Answer, Refusal> {
    let (app, schema) = (state.app.clone(), state.schema.clone());
    let work = async move {
        let viewer = match authorization {
            Some(authorization) => authenticate(&app, &authorization, &client).await?,
            None => Viewer::Anonymous.into(),
        };
        execute(&app, &schema, Asker { viewer, client, id }, carries, operation).await.map_err(refused)
    };
    match state.runtime.spawn(work.instrument(tracing::Span::current())).await {
        Ok(answered) => answered,
        Err(error) => {
            tracing::error!(%error, "a request broke");
            let message = "Something went wrong on our side.";
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message))
        }
    }
}

/// Whose credentials these are, unless the account or key asks too often. Of a client who was rejected too often, only those
/// are taken that are known to be good before anything is looked up: others behind the same address have theirs.
pub(super) async fn authenticate(
    app: &App,
    authorization: &str,
    client: &Client,
) -> Result<Authenticated, Refusal> {
    let limited = |fault: Fault| Refusal::of(&fault);
    let stranger = throttle::before_authentication(app, client);
    let authenticated = auth::authenticate(app, Some(authorization), stranger).await;
    if matches!(authenticated, Err(Unauthenticated::Rejected)) {
        throttle::after_rejection(app, client);
    }
    let viewer = authenticated.map_err(refused)?;
    throttle::request(app, viewer.viewer(), client).map_err(limited)?;
    Ok(viewer)
}

fn refused(why: Unauthenticated) -> Refusal {
    match why {
        Unauthenticated::Rejected => rejected(),
        Unauthenticated::Fault(fault) => Refusal::of(&fault),
    }
}

fn rejected() -> Refusal {
    let message = "These credentials are wrong, expired or revoked.";
    Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
}

/// Who sends this, as far as the network and trusted proxies tell.
pub(super) fn client(request: &HttpRequest, state: &State) -> Client {
    static WARNED: Once = Once::new();
    let headers = request.headers();
    let agent = headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    let Some(peer) = request.peer_addr() else {
        return Client::unknown();
    };
    let trusted = &state.app.config.trusted_proxies;
    if forwarded::is_told(headers) && !forwarded::is_trusted(peer.ip(), trusted) {
        // Behind a proxy that is not named, everybody counts as that proxy.
        WARNED.call_once(|| {
            tracing::warn!(
                "a request says that it was forwarded, but not by a proxy in REGULARS_TRUSTED_PROXIES: it counts as sent \
                 by whoever connected"
            );
        });
    }
    Client::new(forwarded::client_address(peer.ip(), headers, trusted), agent.as_deref())
}

/// The `Authorization` header; two of them, or one that is no text, cannot be credentials.
pub(super) fn authorization(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut given = headers.get_all(header::AUTHORIZATION);
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            value.to_str().map(|text| Some(text.to_owned())).map_err(|_no_text| rejected())
        }
        (Some(_), Some(_)) => Err(rejected()),
    }
}

fn from_query(request: &HttpRequest) -> Result<Request, Refusal> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let pairs = pairs.map_err(|_error| Refusal::bad_request("The query string cannot be read."))?;
    params::from_query(pairs.into_inner()).map_err(Refusal::bad_request)
}

/// Takes JSON in UTF-8 as it is. A browser sends no JSON to another origin without asking first, which forms it does.
fn check_content(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let content_type = text(header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next() == Some("application/json");
    let charset =
        parts.find_map(|part| part.strip_prefix("charset=")).map(|charset| charset.trim_matches('"'));
    let is_utf8 = charset.is_none_or(|charset| charset == "utf-8" || charset == "utf8");
    let is_plain = text(header::CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
    if is_json && is_utf8 && is_plain {
        return Ok(());
    }
    let message = "Send application/json in UTF-8, not compressed.";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_USER_INPUT", message))
}

/// Reads the body, and stops as soon as it is known to be too long.
pub(super) async fn read_body(headers: &HeaderMap, payload: Payload, most: usize) -> Result<Bytes, Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if announced.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > most) {
        return Err(too_long(most));
    }
    match tokio::time::timeout(BODY_PATIENCE, collect(payload, most)).await {
        Ok(read) => read,
        Err(_elapsed) => {
            let message = "The body did not arrive in time.";
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "BAD_USER_INPUT", message))
        }
    }
}

async fn collect(mut payload: Payload, most: usize) -> Result<Bytes, Refusal> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_error| Refusal::bad_request("The body cannot be read."))?;
        if body.len() + chunk.len() > most {
            return Err(too_long(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn too_long(most: usize) -> Refusal {
    let message = format!("The body is longer than {most} bytes.");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "OPERATION_TOO_COMPLEX", message)
}
