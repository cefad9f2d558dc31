//! Who calls: tokens, API keys, sessions, and proof of a mailbox.
//!
//! Invariant: an address reserves nothing until its mailbox is proven, and no answer tells whether an address is known.

pub mod api;
pub mod api_keys;
pub(crate) mod code;
pub mod keys;
pub(crate) mod link;
pub mod mailbox;
pub mod passwords;
pub mod policy;
pub(crate) mod proof;
pub(crate) mod prune;
pub(crate) mod secret;
pub mod sessions;
pub(crate) mod sign_in;
pub mod staff;
pub(crate) mod tokens;
pub mod viewer;

#[cfg(test)]
mod tests;

use crate::app::App;
use crate::error::Fault;
use passwords::PasswordProblem;
use viewer::Viewer;

/// Why credentials were not given, or not taken. It has no more words than the callers may tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// Unknown, without a password, disabled or wrong: one and the same.
    InvalidCredentials,
    /// Wrong, unknown, ended or tried too often: one and the same.
    CodeInvalid,
    /// Unknown, used, ended or of an ended session: one and the same.
    RefreshTokenInvalid,
    /// The password cannot be set.
    Password(PasswordProblem),
    /// The password is right, and a second factor is in force.
    TotpRequired,
    /// Too many wrong second factors of late: none is looked at for a while.
    TooManyAttempts,
}

/// Why a request has no viewer.
#[derive(Debug)]
pub enum Unauthenticated {
    /// The credentials are bad, expired, revoked or disabled.
    Rejected,
    /// Ours.
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Unauthenticated {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// Who sends this `Authorization` header: `Bearer` with an access token or an API key; without one, anybody.
pub async fn authenticate(app: &App, authorization: Option<&str>) -> Result<Viewer, Unauthenticated> {
    let Some(authorization) = authorization else {
        return Ok(Viewer::Anonymous);
    };
    let (scheme, credentials) = authorization.trim().split_once(' ').ok_or(Unauthenticated::Rejected)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Unauthenticated::Rejected);
    }
    let credentials = credentials.trim_start();
    if api_keys::is_shaped(credentials) {
        return api_keys::viewer(app, credentials).await;
    }
    sessions::viewer(app, credentials).await
}
