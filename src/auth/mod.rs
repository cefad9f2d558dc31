//! Who calls: tokens, API keys, sessions, and proof of a mailbox.

pub mod viewer;

use crate::app::App;
use crate::error::Fault;
use viewer::Viewer;

/// Why a request's credentials do not tell who calls.
#[derive(Debug)]
pub enum Unauthenticated {
    /// Bad, expired or revoked credentials.
    Rejected,
    /// Ours.
    Fault(Fault),
}

/// Tells who calls by the `Authorization` header.
pub async fn authenticate(_app: &App, authorization: Option<&str>) -> Result<Viewer, Unauthenticated> {
    match authorization {
        None => Ok(Viewer::Anonymous),
        Some(_unknown) => Err(Unauthenticated::Rejected),
    }
}
