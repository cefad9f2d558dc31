//! Signing in with a password: the same answer after the same work, whatever is wrong.

use entity::customer::{self, Column};
use entity::id::{CustomerId, StaffId};
use entity::session::Audience;
use entity::staff;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use secrecy::SecretString;

use super::AuthError;
use super::sessions::{self, Opened, Tokens};
use super::staff::factor;
use crate::app::App;
use crate::customers::email::EmailAddress;
use crate::error::{Outcome, refuse};
use crate::tx::Tx;

/// Signs a customer in.
pub(crate) async fn customer(
    app: &App,
    email: &EmailAddress,
    password: SecretString,
) -> Outcome<(Tokens, CustomerId), AuthError> {
    let found = customer::Entity::find().filter(Column::EmailKey.eq(email.key())).one(&app.db.read).await?;
    let found = found.filter(may_enter);
    let hash = found.as_ref().and_then(|row| row.password_hash.clone());
    let right = app.passwords.verify(password, hash).await?;
    let Some(row) = found.filter(|_| right) else {
        return refuse(AuthError::InvalidCredentials);
    };
    let opened = app.write(&row, open_customer).await?;
    Ok((opened.tokens(app)?, row.id))
}

fn may_enter(row: &customer::Model) -> bool {
    row.registered_at.is_some() && row.disabled_at.is_none()
}

/// The password was checked outside of the transaction: it has to be the same still.
async fn open_customer(tx: &Tx, checked: &customer::Model) -> Outcome<Opened, AuthError> {
    let now = customer::Entity::find_by_id(checked.id).lock_shared().one(tx.db()).await?;
    match now.filter(|now| may_enter(now) && now.password_hash == checked.password_hash) {
        Some(row) => Ok(sessions::open(tx, Audience::Customer, row.id.0).await?),
        None => refuse(AuthError::InvalidCredentials),
    }
}

/// Signs a member of staff in; with a second factor in force, `factor` is its code or a recovery code.
pub(crate) async fn staff(
    app: &App,
    email: &EmailAddress,
    password: SecretString,
    factor: Option<String>,
) -> Outcome<(Tokens, StaffId), AuthError> {
    let mailbox = staff::Column::EmailKey.eq(email.key());
    let found = staff::Entity::find().filter(mailbox).one(&app.db.read).await?;
    let found = found.filter(|row| row.disabled_at.is_none());
    let hash = found.as_ref().map(|row| row.password_hash.clone());
    let right = app.passwords.verify(password, hash).await?;
    let Some(row) = found.filter(|_| right) else {
        return refuse(AuthError::InvalidCredentials);
    };
    let id = row.id;
    let opened = app.write(&(row, factor), open_staff).await?;
    Ok((opened.tokens(app)?, id))
}

async fn open_staff(
    tx: &Tx,
    (checked, given): &(staff::Model, Option<String>),
) -> Outcome<Opened, AuthError> {
    let now = staff::Entity::find_by_id(checked.id).lock_exclusive().one(tx.db()).await?;
    match now.filter(|now| now.disabled_at.is_none() && now.password_hash == checked.password_hash) {
        Some(row) => {
            factor::require::<AuthError>(tx, &row, given.as_deref()).await?;
            Ok(sessions::open(tx, Audience::Staff, row.id.0).await?)
        }
        None => refuse(AuthError::InvalidCredentials),
    }
}
