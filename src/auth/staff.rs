//! The people of the shop.

use entity::id::StaffId;
use entity::staff::Role;
use sea_orm::ActiveEnum;

use super::passwords::Password;
use crate::app::App;
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

/// Adds a member of staff.
pub async fn create(app: &App, new: NewStaff) -> Outcome<StaffId, AddressTaken> {
    let hash = app.passwords.hash(new.password).await?;
    let hashed = Hashed { email: new.email, name: new.name, role: new.role, hash };
    app.write(&hashed, insert).await
}

/// The same without the password itself.
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
    match rows.insert_missing(tx.db()).await? {
        0 => refuse(AddressTaken),
        _ => Ok(id),
    }
}
