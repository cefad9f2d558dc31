//! `/.well-known/jwks.json`: the keys with which a shop's servers verify access tokens by themselves.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;

use super::State;

/// Customers' and staff's keys, from the oldest that verifies still to the newest. Whoever keeps them and meets a `kid`
/// that is not among them asks again.
pub(super) async fn jwks(state: Data<State>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/jwk-set+json")
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .json(state.app.keys.published())
}
