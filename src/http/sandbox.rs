//! The page on which a customer of the sandbox pays, in place of the one of Stripe: no money moves. It is there only while
//! payments go to the sandbox.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{Data, Form, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::State;
use super::answer::Refusal;
use crate::app::App;
use crate::billing::payments::PaymentError;
use crate::billing::sandbox::{Card, ToPay};
use crate::error::Fault;
use crate::memberships::sync;
use crate::tx::Tx;
use entity::id::MembershipId;

/// What the page sends.
#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    card: Card,
}

/// What a device sends in place of Stripe's elements.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Confirmed {
    client_secret: String,
    card: Card,
}

/// Shows what is to be paid.
pub(super) async fn show(request: HttpRequest, state: Data<State>, page: Path<String>) -> HttpResponse {
    let Some(sandbox) = state.app.sandbox().cloned() else { return gone(&request) };
    match on_runtime(&state, async move { sandbox.to_pay(&page).await }).await {
        Ok(Some(to_pay)) => html(StatusCode::OK, &shown(&to_pay, "")),
        Ok(None) => gone(&request),
        Err(error) => refused(&request, &error),
    }
}

/// Pays, and leads back to the shop.
pub(super) async fn pay(
    request: HttpRequest,
    state: Data<State>,
    page: Path<String>,
    chosen: Result<Form<Chosen>, actix_web::Error>,
) -> HttpResponse {
    let Ok(chosen) = chosen else { return unreadable(&request) };
    let (app, card) = (state.app.clone(), chosen.card);
    let Some(sandbox) = app.sandbox().cloned() else { return gone(&request) };
    let paid = on_runtime(&state, async move {
        let Some(to_pay) = sandbox.to_pay(&page).await? else { return Ok(None) };
        match sandbox.pay(&page, card).await {
            Ok(membership) => tell(&app, membership).await.map(|()| Some((to_pay, true))),
            Err(PaymentError::Declined) => Ok(Some((to_pay, false))),
            Err(error) => Err(error),
        }
    });
    match paid.await {
        Ok(Some((to_pay, true))) => {
            HttpResponse::SeeOther().insert_header((header::LOCATION, to_pay.success_url)).finish()
        }
        Ok(Some((to_pay, false))) => {
            html(StatusCode::PAYMENT_REQUIRED, &shown(&to_pay, "The card was declined."))
        }
        Ok(None) => gone(&request),
        Err(error) => refused(&request, &error),
    }
}

/// Confirms what a device is to confirm, or gives another card.
pub(super) async fn confirm(
    request: HttpRequest,
    state: Data<State>,
    confirmed: Result<Json<Confirmed>, actix_web::Error>,
) -> HttpResponse {
    let Ok(confirmed) = confirmed else { return unreadable(&request) };
    let app = state.app.clone();
    let Some(sandbox) = app.sandbox().cloned() else { return gone(&request) };
    let Confirmed { client_secret, card } = confirmed.into_inner();
    let done = on_runtime(&state, async move {
        let membership = sandbox.confirm(&client_secret, card).await?;
        tell(&app, membership).await
    });
    match done.await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(PaymentError::Declined) => {
            let message = "The card was declined.";
            Refusal::new(StatusCode::PAYMENT_REQUIRED, "BAD_USER_INPUT", message).response(&request)
        }
        Err(error) => refused(&request, &error),
    }
}

/// On the runtime of the application: its database connections live there.
async fn on_runtime<T: Send + 'static>(
    state: &Data<State>,
    work: impl Future<Output = Result<T, PaymentError>> + Send + 'static,
) -> Result<T, PaymentError> {
    let broken = |error: tokio::task::JoinError| Err(Fault::from(error).into());
    state.runtime.spawn(work).await.unwrap_or_else(broken)
}

/// In place of the event that Stripe sends.
async fn tell(app: &App, membership: MembershipId) -> Result<(), PaymentError> {
    let told = app.change(&membership, async |tx: &Tx, id| sync::enqueue(tx, *id).await).await;
    told.map_err(PaymentError::from)
}

fn unreadable(request: &HttpRequest) -> HttpResponse {
    let message =
        "A card is one of pays, fails_later and declined; a device sends clientSecret and card as JSON.";
    Refusal::bad_request(message).response(request)
}

fn gone(request: &HttpRequest) -> HttpResponse {
    let message = "There is nothing to pay here, or not any more.";
    Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", message).response(request)
}

fn refused(request: &HttpRequest, error: &PaymentError) -> HttpResponse {
    if matches!(error, PaymentError::NotFound | PaymentError::Rejected(_)) {
        return gone(request);
    }
    tracing::error!(?error, "the sandbox could not do what its page asked for");
    let message = "The sandbox cannot be reached now.";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message).response(request)
}

fn html(status: StatusCode, page: &str) -> HttpResponse {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(page.to_owned())
}

fn shown(to_pay: &ToPay, problem: &str) -> String {
    let ToPay { name, amount, trial_days, cancel_url, .. } = to_pay;
    let trial = if *trial_days > 0 {
        format!("<p>Nothing now: {trial_days} days of trial first.</p>")
    } else {
        String::new()
    };
    format!(
        r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Sandbox checkout</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:1rem/1.5 system-ui;max-width:28rem;margin:4rem auto;padding:0 1rem}}
button{{font:inherit;display:block;width:100%;margin:.5rem 0;padding:.6rem}}</style>
<h1>{name}</h1><p>{amount} {currency} each time. This is the sandbox: no money moves.</p>{trial}<p role="alert">{problem}</p>
<form method="post">
<button name="card" value="pays">Pay with a card that works</button>
<button name="card" value="fails_later">Pay with a card that works once</button>
<button name="card" value="declined">Pay with a card that is declined</button>
</form><p><a href="{cancel}">Back to the shop</a></p></html>"#,
        name = escaped(name),
        amount = amount.amount(),
        currency = amount.currency,
        cancel = escaped(cancel_url),
    )
}

fn escaped(text: &str) -> String {
    minijinja::HtmlEscape(text).to_string()
}
