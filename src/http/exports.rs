//! `/export/members.csv` and `/export/entries.csv`: what the shop holds, for staff who may read reports and customers.

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;

use super::State;
use super::answer::{Refusal, request_id};
use super::endpoint::{authenticate, authorization, client};
use crate::auth::viewer::{Permission, Viewer};
use crate::caller::{Caller, acting};
use crate::export::{Export, What};
use actix_web::http::StatusCode;

/// Answers a request for a file.
pub(super) async fn export(request: HttpRequest, state: Data<State>, what: What) -> HttpResponse {
    begun(&request, &state, what).await.unwrap_or_else(|refusal| refusal.response(&request))
}

async fn begun(request: &HttpRequest, state: &Data<State>, what: What) -> Result<HttpResponse, Refusal> {
    let (client, authorization) = (client(request, state), authorization(request.headers())?);
    let Some(authorization) = authorization else { return Err(refused(&Viewer::Anonymous)) };
    let (app, id) = (state.app.clone(), request_id(request));
    // On the runtime of the application: its database connections live there.
    let work = async move {
        let authenticated = authenticate(&app, &authorization, &client).await?;
        let viewer = authenticated.viewer();
        let may = |role| Permission::ReportsRead.is_of(role) && Permission::CustomersRead.is_of(role);
        if !matches!(viewer, Viewer::Staff { role, .. } if may(*role)) {
            return Err(refused(viewer));
        }
        let caller = Caller { actor: viewer.actor(), request: Some(id.0), user_agent: None };
        acting(caller, Export::begin(&app, what)).await.map_err(|fault| Refusal::of(&fault))
    };
    let export = state.runtime.spawn(work).await.map_err(|_broken| broken())??;
    let runtime = state.runtime.clone();
    let parts = stream::try_unfold(export, move |mut export| {
        let next = runtime.spawn(async move { (export.next().await, export) });
        async move {
            match next.await {
                Ok((Ok(part), export)) => Ok(part.map(|part| (Bytes::from(part), export))),
                Ok((Err(fault), _)) => {
                    tracing::error!(?fault, "an export broke off");
                    Err(std::io::Error::other("the export broke off"))
                }
                Err(_broken) => Err(std::io::Error::other("the export broke off")),
            }
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8; header=present")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.csv\"", what.name())))
        .streaming(parts))
}

fn refused(viewer: &Viewer) -> Refusal {
    match viewer {
        Viewer::Anonymous => {
            Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "Sign in as staff to do this.")
        }
        Viewer::Customer { .. } | Viewer::Shop { .. } | Viewer::Staff { .. } => {
            Refusal::new(StatusCode::FORBIDDEN, "FORBIDDEN", "These credentials do not allow this.")
        }
    }
}

fn broken() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "Something went wrong on our side.")
}
