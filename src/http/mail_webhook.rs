//! `/webhooks/mail`: whoever sends the shop's mail tells of bounces and complaints. It is there only if a secret for it is set.

use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::State;
use super::answer::Refusal;
use super::endpoint::read_body;
use crate::consent::bounces::read::{self, Unreadable};
use crate::consent::bounces::signed::{Forged, Headers, check};
use crate::consent::bounces::{self, Kind, Returned, Taken};
use crate::error::Fault;

/// Far more than a report has.
const LONGEST: usize = 1 << 20;
/// Events that one request may tell.
const MOST: usize = 1_000;

/// What is told, as JSON.
#[derive(Debug, Deserialize)]
struct Told {
    events: Vec<Event>,
}

/// One of them; what is not named here is of no use.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    permanent: bool,
    message_id: Option<String>,
    email: Option<String>,
    status: Option<String>,
}

impl Event {
    /// None if it tells of something else.
    fn returned(self) -> Option<Returned> {
        let kind = match (self.kind.as_str(), self.permanent) {
            ("bounce", true) => Kind::Bounced,
            ("bounce", false) => Kind::Delayed,
            ("complaint", _) => Kind::Complained,
            _other => return None,
        };
        let status = self.status.as_deref().and_then(read::status);
        Some(Returned { kind, message: self.message_id, recipient: self.email, status, is_signed: true })
    }
}

/// Takes what is told.
pub(super) async fn webhook(request: HttpRequest, payload: Payload, state: Data<State>) -> HttpResponse {
    if request.method() != Method::POST {
        return super::method_not_allowed(&request, "POST");
    }
    match take(&request, payload, &state).await {
        Ok(taken) => HttpResponse::Ok().json(taken),
        Err(refusal) => refusal.response(&request),
    }
}

async fn take(request: &HttpRequest, payload: Payload, state: &State) -> Result<Taken, Refusal> {
    let headers = request.headers();
    let Some(secret) = &state.app.config.mail_webhook else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", "Nobody is to tell of mail."));
    };
    let body = read_body(headers, payload, LONGEST).await?;
    let of = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = Headers {
        id: of("webhook-id"),
        timestamp: of("webhook-timestamp"),
        signatures: of("webhook-signature"),
    };
    check(secret, signed, &body, state.app.clock.now()).map_err(forged)?;
    let told = read(headers, &body)?;
    let app = state.app.clone();
    // On the runtime of the application: its database connections live there.
    let taken = state.runtime.spawn(async move { bounces::take(&app, &told).await });
    // What is not taken is sent again, and what was taken before it changes nothing then.
    taken.await.unwrap_or_else(|error| Err(Fault::from(error))).map_err(|fault| Refusal::of(&fault))
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Returned>, Refusal> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => {
            let told: Told = serde_json::from_slice(body)
                .map_err(|_error| Refusal::bad_request("The body is not an object with events."))?;
            if told.events.len() > MOST {
                return Err(Refusal::bad_request(format!("Tell of {MOST} events at most.")));
            }
            Ok(told.events.into_iter().filter_map(Event::returned).collect())
        }
        "message/rfc822" => read::report(body).map_err(|why| {
            Refusal::bad_request(match why {
                Unreadable::NoMail => "The body is no mail.",
                Unreadable::NoReport => "The mail is no report of a delivery, nor of a complaint.",
            })
        }),
        _other => {
            let message = "Send application/json or message/rfc822.";
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_USER_INPUT", message))
        }
    }
}

fn forged(why: Forged) -> Refusal {
    tracing::warn!(?why, "what came over the webhook of mail was turned away");
    let message = match why {
        Forged::Signature => "The signature is missing, or is not that of this body.",
        Forged::Time => "It was signed more than five minutes ago, or in the future.",
    };
    Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
}
