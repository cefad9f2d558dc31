//! The only actix code: GraphQL over HTTP, exports, public keys, health, metrics and the page for developers.

mod accept;
mod answer;
mod consent;
mod edge;
mod endpoint;
mod exports;
mod feedback;
mod forwarded;
mod mail_webhook;
mod operations;
mod page;
mod params;
mod public_keys;
mod sandbox;
mod stripe;

use std::net::SocketAddr;

use actix_web::dev::Server as ActixServer;
use actix_web::guard::{Any, Get, Head};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpServer};
use anyhow::Context;
use async_graphql::http::GraphiQLSource;
use tokio::sync::watch;

use crate::app::App;
use crate::billing::setup::PaymentConfig;
use crate::config::Mode;
use crate::export::What;
use crate::graphql::{self, Schema};
use answer::Refusal;

/// Seconds that requests in flight get to end once the server stops; longer than an operation may run.
const GRACE: u64 = 30;

/// What every handler needs.
struct State {
    app: App,
    schema: Schema,
    runtime: tokio::runtime::Handle,
}

/// A server that has its address and waits to be run.
pub struct Server {
    address: SocketAddr,
    server: ActixServer,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Takes the address, such as `127.0.0.1:8080`; port 0 takes any that is free.
    pub fn bind(app: App, listen: &str) -> anyhow::Result<Self> {
        operations::begin_counting()?;
        let schema = graphql::schema(Some(app.clone()));
        let is_development = app.config.mode == Mode::Development;
        let has_sandbox = app.sandbox().is_some();
        let has_mail_webhook = app.config.mail_webhook.is_some();
        let has_stripe = matches!(app.config.payments, PaymentConfig::Stripe(_));
        let state = Data::new(State { app, schema, runtime: tokio::runtime::Handle::current() });
        let factory = move || {
            actix_web::App::new()
                .app_data(state.clone())
                .configure(|config| routes(config, is_development))
                .configure(|config| consent_routes(config, has_mail_webhook))
                .configure(|config| payment_routes(config, has_sandbox, has_stripe))
                .wrap(from_fn(edge::edge))
                .wrap(Compress::default())
        };
        let server = HttpServer::new(factory)
            .disable_signals()
            .shutdown_timeout(GRACE)
            .bind(listen)
            .with_context(|| format!("cannot listen on {listen}"))?;
        let address = server.addrs().first().copied().context("no address to listen on")?;
        Ok(Self { address, server: server.run() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` turns true; requests in flight end first.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
        let handle = self.server.handle();
        let counting = tokio::spawn(operations::keep_counting());
        let stopping = tokio::spawn(async move {
            // A sender that is gone means the same as one that says stop.
            let _ = stop.wait_for(|stop| *stop).await;
            handle.stop(true).await;
        });
        let served = self.server.await;
        stopping.abort();
        counting.abort();
        served
    }
}

fn routes(config: &mut ServiceConfig, is_development: bool) {
    config
        .service(web::resource("/graphql").route(web::to(endpoint::graphql)))
        .service(read_only("/.well-known/jwks.json").route(reading().to(public_keys::jwks)))
        .service(read_only("/export/members.csv").route(
            exporting().to(async |request, state| exports::export(request, state, What::Members).await),
        ))
        .service(read_only("/export/entries.csv").route(
            exporting().to(async |request, state| exports::export(request, state, What::Entries).await),
        ))
        .service(
            web::resource("/survey/{token}")
                .route(reading().to(feedback::ask))
                .route(web::post().to(feedback::answer))
                .default_service(web::to(feedback::not_allowed)),
        )
        .service(read_only("/healthz").route(reading().to(operations::alive)))
        .service(read_only("/readyz").route(reading().to(operations::ready)))
        .service(read_only("/metrics").route(reading().to(operations::numbers)))
        .default_service(web::to(not_found));
    if is_development {
        config.service(read_only("/").route(reading().to(graphiql)));
    }
}

/// What the links of mails lead to, and what whoever sends the mails tells of them.
fn consent_routes(config: &mut ServiceConfig, has_mail_webhook: bool) {
    let confirm = page("/consent/{token}");
    let unsubscribe = page("/unsubscribe/{token}");
    config
        .service(confirm.route(reading().to(consent::confirm)).route(web::post().to(consent::confirm)))
        .service(unsubscribe.route(reading().to(consent::ask)).route(web::post().to(consent::unsubscribe)));
    if has_mail_webhook {
        config.service(web::resource("/webhooks/mail").route(web::to(mail_webhook::webhook)));
    }
}

/// What belongs to whoever takes payments.
fn payment_routes(config: &mut ServiceConfig, has_sandbox: bool, has_stripe: bool) {
    if has_stripe {
        config.service(web::resource("/webhooks/stripe").route(web::to(stripe::webhook)));
    }
    if has_sandbox {
        let only_post = async |request: HttpRequest| method_not_allowed(&request, "POST");
        config
            .service(
                web::resource("/sandbox/confirm")
                    .route(web::post().to(sandbox::confirm))
                    .default_service(web::to(only_post)),
            )
            .service(
                page("/sandbox/{page}")
                    .route(reading().to(sandbox::show))
                    .route(web::post().to(sandbox::pay)),
            );
    }
}

/// A page with a button.
fn page(path: &str) -> actix_web::Resource {
    let refuse = async |request: HttpRequest| method_not_allowed(&request, "GET, HEAD, POST");
    web::resource(path).default_service(web::to(refuse))
}

fn read_only(path: &str) -> actix_web::Resource {
    let refuse = async |request: HttpRequest| method_not_allowed(&request, "GET, HEAD");
    web::resource(path).default_service(web::to(refuse))
}

/// A file is made for who reads it: asking for its headers alone makes none.
fn exporting() -> actix_web::Route {
    web::route().guard(Get())
}

fn reading() -> actix_web::Route {
    web::route().guard(Any(Get()).or(Head()))
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let message = "There is nothing here; the API is at /graphql.";
    Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", message).response(&request)
}

fn method_not_allowed(request: &HttpRequest, allowed: &'static str) -> HttpResponse {
    let message = format!("This takes {allowed}.");
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "BAD_USER_INPUT", message);
    let mut response = refusal.response(request);
    answer::set(&mut response, header::ALLOW, allowed);
    response
}

/// The page on which developers try queries. It loads its scripts from unpkg.com, so it needs the network; only this page
/// may, and only in development.
async fn graphiql() -> HttpResponse {
    const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' https://unpkg.com; \
        style-src 'unsafe-inline' https://unpkg.com; img-src 'self' data: https://graphql.org; \
        font-src data: https://unpkg.com; connect-src 'self' https://unpkg.com; worker-src blob:; \
        frame-ancestors 'none'";
    let page = GraphiQLSource::build().endpoint("/graphql").title("Regulars").finish();
    let mut response = HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
