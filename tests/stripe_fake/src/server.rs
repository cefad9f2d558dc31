//! The HTTP side.

use std::any::Any;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use actix_web::dev::{Extensions, ServerHandle};
use actix_web::rt::{System, net, spawn, time};
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use base64::Engine;

use crate::KEY;
use crate::courier::carry;
use crate::events::API_VERSION;
use crate::faults::FaultKind;
use crate::form::Form;
use crate::refusal::Refusal;
use crate::shared::{Reply, Request, Shared};

/// Serves until the handle that is sent through `started` stops it.
pub(crate) fn run(
    listener: TcpListener,
    shared: Arc<Shared>,
    started: &Sender<ServerHandle>,
) -> std::io::Result<()> {
    System::new().block_on(async move {
        let data = Data::from(Arc::clone(&shared));
        let server =
            HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(serve)))
                .workers(1)
                .disable_signals()
                .shutdown_timeout(0)
                .on_connect(keep_socket)
                .listen(listener)?
                .run();
        let courier = spawn(carry(shared));
        if started.send(server.handle()).is_err() {
            return Ok(());
        }
        let ended = server.await;
        courier.abort();
        ended
    })
}

/// Keeps a second hold on the connection, by which it can be cut.
fn keep_socket(connection: &dyn Any, extensions: &mut Extensions) {
    let stream = connection.downcast_ref::<net::TcpStream>();
    if let Some(Ok(socket)) = stream.map(|stream| stream.as_fd().try_clone_to_owned()) {
        extensions.insert(TcpStream::from(socket));
    }
}

async fn serve(call: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let header = |name: &str| call.headers().get(name).and_then(|value| value.to_str().ok());
    let request = Request {
        method: call.method().to_string(),
        path: call.path().to_owned(),
        idempotency_key: header("Idempotency-Key").map(str::to_owned),
        form: Form::parse(call.query_string(), &body),
    };
    let fault = shared.arrive(&request);
    if let Err(refusal) = authorize(header("Authorization")) {
        return respond(refusal.into());
    }
    match fault {
        Some(FaultKind::Status(status)) => return respond(Refusal::outage(status).into()),
        Some(FaultKind::Hang) => return std::future::pending().await,
        _ => {}
    }
    let reply = match shared.claim(&request) {
        Err(reply) => reply,
        Ok(claim) => {
            if let Some(FaultKind::Slow(duration)) = fault {
                time::sleep(duration).await;
            }
            claim.work(&request, fault)
        }
    };
    if fault == Some(FaultKind::HangAfterCommit) {
        return std::future::pending().await;
    }
    if fault == Some(FaultKind::ResetAfterCommit)
        && let Some(socket) = call.conn_data::<TcpStream>()
        && socket.shutdown(Shutdown::Both).is_err()
    {
        // The client has gone already: it will not see the answer either.
        return HttpResponse::Gone().finish();
    }
    respond(reply)
}

/// Accepts the test key, as a bearer or as the user name of basic authentication.
fn authorize(header: Option<&str>) -> Result<(), Refusal> {
    let Some(header) = header else {
        return Err(Refusal::unauthorized("You did not provide an API key."));
    };
    let basic = |encoded: &str| {
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
        String::from_utf8(decoded).ok()?.split(':').next().map(str::to_owned)
    };
    let key = match header.split_once(' ') {
        Some(("Bearer", key)) => Some(key.to_owned()),
        Some(("Basic", encoded)) => basic(encoded),
        _ => None,
    };
    if key.as_deref() == Some(KEY) { Ok(()) } else { Err(Refusal::unauthorized("Invalid API Key provided.")) }
}

fn respond(reply: Reply) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(reply.status);
    let mut response =
        HttpResponse::build(status.unwrap_or(actix_web::http::StatusCode::INTERNAL_SERVER_ERROR));
    response.content_type("application/json").insert_header(("Stripe-Version", API_VERSION));
    if reply.status == 429 {
        response.insert_header(("Retry-After", "1"));
    }
    if reply.replayed {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    response.body(reply.body)
}
