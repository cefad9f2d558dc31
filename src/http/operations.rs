//! What operators ask: whether it lives, whether it can serve, and its numbers.

use std::sync::OnceLock;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use super::State;
use super::answer::Refusal;
use crate::{jobs, readiness};

/// Seconds that the latency histogram tells apart.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The numbers of this process: several servers in one, as in tests, count together.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Begins to count; once is enough.
pub(super) fn begin_counting() -> Result<(), BuildError> {
    if RECORDER.get().is_none() {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_ok() {
            RECORDER.get_or_init(|| handle);
        }
    }
    metrics::describe_counter!("regulars_http_requests_total", "Requests by kind of operation and status");
    metrics::describe_counter!("regulars_graphql_errors_total", "Errors in answers by their code");
    metrics::describe_counter!(
        "regulars_rate_limited_total",
        "Requests refused by a rate limit, by its name"
    );
    metrics::describe_counter!(
        "regulars_mails_total",
        "Mails by outcome: sent, refused for good, or failed and tried again"
    );
    metrics::describe_counter!(
        "regulars_mails_unknown_outcome_total",
        "Mails that were being sent when their worker ended, and that may have arrived: they are sent again"
    );
    metrics::describe_counter!(
        "regulars_messages_total",
        "Messages by outcome: sent, refused for good, failed and tried again, or unknown"
    );
    metrics::describe_counter!(
        "regulars_journeys_unreadable_total",
        "Rows that journeys went on without, by what: event, run or definition"
    );
    metrics::describe_histogram!("regulars_http_request_seconds", "Time to answer by kind of operation");
    metrics::describe_gauge!(
        "regulars_worker_lag_seconds",
        "How long the longest waiting due job has waited"
    );
    Ok(())
}

/// Folds what histograms gathered, so that they do not grow between two looks at `/metrics`.
pub(super) async fn keep_counting() {
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        if let Some(recorder) = RECORDER.get() {
            recorder.run_upkeep();
        }
    }
}

/// `/healthz`: the process answers.
pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(r#"{"status":"alive"}"#)
}

/// `/readyz`: it can serve; if not, 503 says why.
pub(super) async fn ready(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let app = state.app.clone();
    let looked = state.runtime.spawn(async move { readiness::problems(&app).await }).await;
    let found = looked.unwrap_or_else(|_broke| vec!["the check broke"]);
    if found.is_empty() {
        return HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ready"}"#);
    }
    let message = format!("Not ready: {}.", found.join("; "));
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message).response(&request)
}

/// `/metrics`: for Prometheus.
pub(super) async fn numbers(state: Data<State>) -> HttpResponse {
    let app = state.app.clone();
    let lag = state.runtime.spawn(async move { jobs::lag_millis(&app).await }).await;
    if let Ok(Ok(millis)) = lag {
        let seconds = std::time::Duration::from_millis(millis.unsigned_abs()).as_secs_f64();
        metrics::gauge!("regulars_worker_lag_seconds").set(seconds);
    }
    let text = RECORDER.get().map(PrometheusHandle::render).unwrap_or_default();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}
