//! Showing once more, in a session, that it is they: the password, and the second factor if one is in force.

use chrono::TimeDelta;
use entity::Instant;
use entity::id::{SessionId, StaffId};
use entity::staff::{Entity, Model};
use sea_orm::{EntityTrait, QuerySelect};
use secrecy::SecretString;

use super::{StaffError, factor};
use crate::app::App;
use crate::auth::passwords::Verified;
use crate::auth::sessions;
use crate::error::{Fault, Outcome, refuse};
use crate::throttle;
use crate::tx::Tx;

/// What a member gave to show that it is they. Its password was right; nobody has looked at the code yet.
#[derive(Debug)]
pub(crate) struct Reauthenticated {
    member: StaffId,
    /// As it was when the password was checked, outside of any transaction.
    password_hash: String,
    code: Option<String>,
}

impl Reauthenticated {
    /// Checks the password. Tries of it count for the session that they are made in, so that whoever found one open shuts
    /// nobody else out.
    pub(crate) async fn password(
        app: &App,
        (member, session): (StaffId, SessionId),
        password: SecretString,
        code: Option<String>,
    ) -> Outcome<Self, StaffError> {
        throttle::credential(app, throttle::Tried::OwnPassword, &session.0.to_string()).await?;
        let found = Entity::find_by_id(member).one(&app.db.read).await?;
        let row = found.ok_or_else(|| Fault::internal("a member of staff who is signed in is gone"))?;
        let verified = app.passwords.verify(password, Some(row.password_hash.clone())).await?;
        if verified == Verified::Wrong {
            return refuse(StaffError::InvalidCredentials);
        }
        Ok(Self { member, password_hash: row.password_hash, code })
    }

    /// The member's row, locked, if the password is the same still.
    pub(crate) async fn still(&self, tx: &Tx) -> Outcome<Model, StaffError> {
        let found = Entity::find_by_id(self.member).lock_exclusive().one(tx.db()).await?;
        let same = |row: &Model| row.disabled_at.is_none() && row.password_hash == self.password_hash;
        match found.filter(same) {
            Some(row) => Ok(row),
            None => refuse(StaffError::InvalidCredentials),
        }
    }

    /// Counts a try of the second factor and uses it up, if one is in force.
    pub(crate) async fn factor(&self, tx: &Tx, row: &Model) -> Outcome<(), StaffError> {
        factor::require(tx, row, self.code.as_deref()).await
    }
}

/// What a step-up needs.
#[derive(Debug)]
pub(crate) struct StepUp {
    pub(crate) member: StaffId,
    pub(crate) session: SessionId,
    pub(crate) password: SecretString,
    pub(crate) code: Option<String>,
}

/// Lets a session do dangerous things for a while; answers until when.
pub(crate) async fn step_up(app: &App, given: StepUp, counts_for: TimeDelta) -> Outcome<Instant, StaffError> {
    let StepUp { member, session, password, code } = given;
    let found = Entity::find_by_id(member).one(&app.db.read).await?;
    // Whoever leaves the code out has not tried: nothing is looked at, so that nothing is learnt of the password.
    if code.is_none() && found.as_ref().is_some_and(factor::is_in_force) {
        return refuse(StaffError::TotpRequired);
    }
    let given = Reauthenticated::password(app, (member, session), password, code).await?;
    let at = app.write(&(given, session), step_up_in).await?;
    Ok(at + counts_for)
}

async fn step_up_in(
    tx: &Tx,
    (given, session): &(Reauthenticated, SessionId),
) -> Outcome<Instant, StaffError> {
    let row = given.still(tx).await?;
    given.factor(tx, &row).await?;
    if !sessions::authenticated(tx, *session).await? {
        return refuse(StaffError::InvalidCredentials);
    }
    Ok(tx.now())
}
