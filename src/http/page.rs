//! The pages behind links of mails: what all of them are answered with.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::answer::Refusal;
use crate::error::Fault;

/// A page and its status.
pub(super) type Shown = Result<(StatusCode, String), Fault>;

/// The page, kept by nobody and found by no search engine. It runs no scripts, and has these styles and no others.
pub(super) fn answered(request: &HttpRequest, shown: Shown, styles: &str) -> HttpResponse {
    let (status, page) = match shown {
        Ok(shown) => shown,
        Err(fault) => return Refusal::of(&fault).response(request),
    };
    let styles = STANDARD.encode(digest::digest(&digest::SHA256, styles.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{styles}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Robots-Tag", "noindex, nofollow"))
        .body(page)
}
