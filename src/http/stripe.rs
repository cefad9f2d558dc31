//! Stripe's webhook: what is signed is stored and answered at once, anything else is refused. It is there only while
//! payments go to Stripe.

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::State;
use super::answer::Refusal;
use super::endpoint::read_body;
use crate::billing::inbox::{self, Turned};
use crate::error::Fault;

/// Far more than an event has.
const LONGEST: usize = 1 << 20;

/// Takes an event.
pub(super) async fn webhook(request: HttpRequest, payload: Payload, state: Data<State>) -> HttpResponse {
    if request.method() != Method::POST {
        return super::method_not_allowed(&request, "POST");
    }
    match take(&request, payload, &state).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(refusal) => refusal.response(&request),
    }
}

async fn take(request: &HttpRequest, payload: Payload, state: &State) -> Result<(), Refusal> {
    let signature = request.headers().get("Stripe-Signature").and_then(|value| value.to_str().ok());
    let signature = signature.ok_or_else(|| turned(Turned::Signature))?.to_owned();
    let body = read_body(request.headers(), payload, LONGEST).await?;
    let body = String::from_utf8(body.to_vec()).map_err(|_no_text| turned(Turned::Signature))?;
    let app = state.app.clone();
    let received = state.runtime.spawn(async move { inbox::receive(&app, &body, &signature).await });
    let received = received.await.unwrap_or_else(|error| Err(Fault::from(error)));
    match received {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(turned(why)),
        // Not taken: Stripe sends it again.
        Err(fault) => {
            tracing::error!(?fault, "an event of Stripe could not be stored");
            Err(Refusal::of(&fault))
        }
    }
}

fn turned(why: Turned) -> Refusal {
    tracing::warn!(?why, "what came over the webhook of Stripe was turned away");
    let message = match why {
        Turned::Unwanted => {
            return Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", "Payments do not go to Stripe.");
        }
        Turned::Signature => "The signature is missing, or is not that of this body.",
        Turned::Time => "It was signed more than five minutes ago, or in the future.",
        Turned::Unreadable => "That is not an event.",
        Turned::Mode => "Live events are not for a test key, nor test events for a live one.",
        Turned::Account => "Events of connected accounts are not taken.",
    };
    Refusal::bad_request(message)
}
