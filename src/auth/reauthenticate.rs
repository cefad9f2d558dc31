//! Showing again who one is: whoever only found a device that is signed in does not get to change its owner's credentials.

use chrono::TimeDelta;
use entity::Instant;
use entity::customer;
use entity::id::{ChallengeId, CustomerId, SessionId};
use entity::mailbox_challenge::{self, Model, Purpose};
use sea_orm::EntityTrait;
use secrecy::SecretString;

use super::passwords::Verified;
use super::proof::{self, Answer};
use super::{AuthError, sessions};
use crate::app::App;
use crate::error::{Fault, Outcome, refuse};
use crate::throttle;
use crate::tx::Tx;

/// For so long a password or code that was given in a session counts.
const FRESH: TimeDelta = TimeDelta::minutes(5);

/// A customer in a session, as the credentials of the request proved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedIn {
    /// Who.
    pub(crate) customer: CustomerId,
    /// Where.
    pub(crate) session: SessionId,
    /// When a password or code was last given in the session.
    pub(crate) authenticated_at: Instant,
}

impl SignedIn {
    /// Whether that was lately.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        now - self.authenticated_at < FRESH
    }
}

/// Takes the customer's own password; answers from when on it counts.
pub(crate) async fn by_password(
    app: &App,
    me: SignedIn,
    password: SecretString,
) -> Outcome<Instant, AuthError> {
    verify_own(app, me, password).await?;
    app.write(&me, freshen).await
}

/// Refuses a password that is not the customer's own. A wrong one is refused after the same work whether there is one or
/// not.
pub(super) async fn verify_own(app: &App, me: SignedIn, password: SecretString) -> Outcome<(), AuthError> {
    count_own(app, me).await?;
    let row = customer::Entity::find_by_id(me.customer).one(&app.db.read).await?;
    let verified = app.passwords.verify(password, row.and_then(|row| row.password_hash)).await?;
    match verified {
        Verified::Right { stronger: _ } => Ok(()),
        Verified::Wrong => refuse(AuthError::PasswordWrong),
    }
}

/// Counts a try of the customer's own password for the session that it is made in: whoever found one open shuts nobody else
/// out.
pub(super) async fn count_own(app: &App, me: SignedIn) -> Result<(), Fault> {
    throttle::credential(app, throttle::Tried::OwnPassword, &me.session.0.to_string()).await
}

async fn freshen(tx: &Tx, me: &SignedIn) -> Outcome<Instant, AuthError> {
    if sessions::authenticated(tx, me.session).await? {
        Ok(tx.now())
    } else {
        refuse(AuthError::Reauthenticate)
    }
}

/// Takes a code that was mailed to sign in to this very account; answers from when on it counts.
pub(crate) async fn by_code(
    app: &App,
    me: SignedIn,
    challenge: ChallengeId,
    given: &str,
) -> Outcome<Instant, AuthError> {
    let answer = Answer::code(&app.keys.code()?, challenge, given);
    app.write(&(me, answer), code_in).await
}

async fn code_in(tx: &Tx, (me, answer): &(SignedIn, Answer)) -> Outcome<Instant, AuthError> {
    let asked = mailbox_challenge::Entity::find_by_id(answer.challenge).one(tx.db()).await?;
    let row = customer::Entity::find_by_id(me.customer).one(tx.db()).await?;
    if asked.is_none_or(|asked| row.and_then(|row| row.email_key) != Some(asked.email_key)) {
        return refuse(AuthError::CodeInvalid);
    }
    let own = |challenge: &Model, account: Option<&customer::Model>| {
        challenge.purpose == Purpose::SignIn && account.is_some_and(|account| account.id == me.customer)
    };
    proof::try_code(tx, answer, own).await?;
    freshen(tx, me).await
}
