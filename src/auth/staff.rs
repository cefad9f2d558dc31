//! The people of the shop: who they are, how they come to be staff, and how they show that it is they.
//!
//! Invariant: there is an enabled owner as soon as there was one; nobody changes their own role; a code of a second factor
//! is taken once.

pub mod api;
mod attempts;
pub(crate) mod factor;
pub(crate) mod invitations;
mod members;
mod password;
mod reauthenticate;
mod second_factor;
mod totp;

use entity::id::StaffId;
use entity::staff::Role;
use sea_orm::ActiveEnum;
use serde_json::json;

use super::AuthError;
use super::passwords::{Password, PasswordProblem};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::customers::email::EmailAddress;
use crate::db::bulk::Rows;
use crate::error::{Outcome, refuse};
use crate::tx::Tx;

/// A member of staff to be added.
#[derive(Clone, Debug)]
pub struct NewStaff {
    /// Signs in with it.
    pub email: EmailAddress,
    /// Shown in the ledger.
    pub name: String,
    /// Which permissions.
    pub role: Role,
    /// To sign in.
    pub password: Password,
}

/// There is a member of staff with this address already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressTaken;

/// Why something about staff was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StaffError {
    /// No such member or invitation.
    NotFound,
    /// There is a member of staff with this address already.
    AddressTaken,
    /// Somebody else has to do this to one's own account.
    OwnAccount,
    /// Nobody would be left who may do everything.
    LastOwner,
    /// No token of an open invitation: wrong, used, replaced, withdrawn or ended, one and the same.
    InvitationInvalid,
    /// The invitation was accepted, replaced or withdrawn.
    InvitationEnded,
    /// The password or the second factor is wrong, or the code was used.
    InvalidCredentials,
    /// A second factor is in force and was not given.
    TotpRequired,
    /// Too many wrong tries of late.
    TooManyAttempts,
    /// There is a second factor in force already.
    TotpInForce,
    /// There is no second factor in force.
    TotpNotInForce,
    /// There is no secret that a code could confirm.
    TotpNotBegun,
    /// The password cannot be set.
    Password(PasswordProblem),
}

/// Why somebody did not show that it is they.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// A second factor is in force and was not given.
    FactorMissing,
    /// It is wrong, or was used.
    Wrong,
    /// Too many were wrong of late: it was not looked at.
    TooMany,
}

impl From<Rejected> for StaffError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::FactorMissing => Self::TotpRequired,
            Rejected::Wrong => Self::InvalidCredentials,
            Rejected::TooMany => Self::TooManyAttempts,
        }
    }
}

impl From<Rejected> for AuthError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::FactorMissing => Self::TotpRequired,
            Rejected::Wrong => Self::InvalidCredentials,
            Rejected::TooMany => Self::TooManyAttempts,
        }
    }
}

/// Adds a member of staff.
pub async fn create(app: &App, new: NewStaff) -> Outcome<StaffId, AddressTaken> {
    let hash = app.passwords.hash(new.password).await?;
    let hashed = Hashed { email: new.email, name: new.name, role: new.role, hash };
    app.write(&hashed, insert).await
}

/// The same without the password itself.
#[derive(Debug)]
struct Hashed {
    email: EmailAddress,
    name: String,
    role: Role,
    hash: String,
}

async fn insert(tx: &Tx, new: &Hashed) -> Outcome<StaffId, AddressTaken> {
    let id: StaffId = tx.id();
    let columns = &["id", "email", "email_key", "name", "role", "password_hash", "created_at"];
    let mut rows = Rows::new("staff", columns);
    rows.push([
        id.0.into(),
        new.email.as_str().into(),
        new.email.key().into(),
        new.name.as_str().into(),
        new.role.to_value().into(),
        new.hash.as_str().into(),
        tx.now().into(),
    ]);
    if rows.insert_missing(tx.db()).await? == 0 {
        return refuse(AddressTaken);
    }
    let detail = json!({ "after": { "role": new.role } });
    audit::record(tx, [Entry::of("staff.create", "Staff", id.0, detail)]).await?;
    Ok(id)
}
