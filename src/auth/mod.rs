//! Who calls: tokens, API keys, sessions, and proof of a mailbox.
//!
//! Invariant: an address reserves nothing until its mailbox is proven, and no answer tells whether an address is known.

pub mod api;
pub mod api_keys;
mod argon2id;
pub(crate) mod code;
pub(crate) mod email_change;
pub mod keys;
pub(crate) mod link;
pub mod mailbox;
pub(crate) mod own_sessions;
pub(crate) mod password_change;
pub(crate) mod password_reset;
pub mod passwords;
pub mod policy;
pub(crate) mod proof;
pub(crate) mod prune;
mod published;
pub(crate) mod reauthenticate;
mod release;
pub(crate) mod remembered;
pub mod rotation;
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
use tokens::Subject;
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
    /// Only staff make accounts.
    RegistrationClosed,
    /// Not the customer's own password.
    PasswordWrong,
    /// The last password or code was given too long ago, or the session has just ended.
    Reauthenticate,
    /// The address, which was proven, is that of a customer without an account.
    EmailTaken,
    /// Nobody's session, or somebody else's: one and the same.
    SessionNotFound,
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

/// Who is asking: as the database says, or as this instance remembers it for queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    viewer: Viewer,
    /// What was remembered of rather than read.
    remembered: Option<Credential>,
}

/// Credentials that were proved, of which the database alone knows whether they are in force.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Credential {
    Session(Subject),
    ApiKey(api_keys::Proof),
}

impl Authenticated {
    /// Who it is, as far as counting requests goes.
    pub(crate) fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// Good enough for a query: what ended more than a second ago is not remembered.
    pub fn for_query(self) -> Viewer {
        self.viewer
    }

    /// As the database has it now, which everything but a query asks for.
    pub async fn confirmed(self, app: &App) -> Result<Viewer, Unauthenticated> {
        match self.remembered {
            Some(Credential::Session(subject)) => sessions::look_up(app, subject).await,
            Some(Credential::ApiKey(proof)) => api_keys::look_up(app, proof).await,
            None => Ok(self.viewer),
        }
    }
}

/// A viewer whom the database has just confirmed, or who has nothing to confirm.
impl From<Viewer> for Authenticated {
    fn from(viewer: Viewer) -> Self {
        Self { viewer, remembered: None }
    }
}

/// Who sends this `Authorization` header: `Bearer` with an access token or an API key; without one, anybody.
///
/// `stranger` is what credentials get that only the database can judge and that this instance does not know to be good: a
/// client of whom too many were rejected gets nothing more looked up for them.
pub async fn authenticate(
    app: &App,
    authorization: Option<&str>,
    stranger: Result<(), Fault>,
) -> Result<Authenticated, Unauthenticated> {
    let Some(authorization) = authorization else {
        return Ok(Viewer::Anonymous.into());
    };
    let (scheme, credentials) = authorization.trim().split_once(' ').ok_or(Unauthenticated::Rejected)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Unauthenticated::Rejected);
    }
    let credentials = credentials.trim_start();
    if api_keys::is_shaped(credentials) {
        return api_keys::viewer(app, credentials, stranger).await;
    }
    sessions::viewer(app, credentials, stranger).await
}
