//! Signing in with a password: the same answer after the same work, whatever is wrong. Whoever may not enter is verified
//! against a hash of nothing. Tries for one mailbox are limited before anything is looked up, so that the limit says
//! nothing either.

use entity::customer::{self, Column};
use entity::id::{CustomerId, StaffId};
use entity::session::Audience;
use entity::staff;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Select};
use secrecy::SecretString;

use super::AuthError;
use super::passwords::Verified;
use super::sessions::{self, Opened, Tokens};
use super::staff::factor;
use crate::app::App;
use crate::customers::email::EmailAddress;
use crate::error::{Outcome, refuse};
use crate::throttle;
use crate::tx::Tx;

/// How often a password is verified if its hash was another by the time the session was to be opened: two sign-ins at
/// once may both find a hash of less cost, and one of them replaces it.
const ATTEMPTS: usize = 2;

/// Whose password was right, as the row was then.
struct Checked<T> {
    row: T,
    /// To be kept instead of the hash it has.
    stronger: Option<String>,
}

/// Signs a customer in.
pub(crate) async fn customer(
    app: &App,
    email: &EmailAddress,
    password: SecretString,
) -> Outcome<(Tokens, CustomerId), AuthError> {
    throttle::credential(app, throttle::Tried::Password, &email.key()).await?;
    for _ in 0..ATTEMPTS {
        let mailbox = customer::Entity::find().filter(Column::EmailKey.eq(email.key()));
        let found = mailbox.one(&app.db.read).await?.filter(may_enter);
        let hash = found.as_ref().and_then(|row| row.password_hash.clone());
        let verified = app.passwords.verify(password.clone(), hash).await?;
        let (Some(row), Verified::Right { stronger }) = (found, verified) else {
            return refuse(AuthError::InvalidCredentials);
        };
        let checked = Checked { row, stronger };
        if let Some(opened) = app.write(&checked, open_customer).await? {
            return Ok((opened.tokens(app)?, checked.row.id));
        }
    }
    refuse(AuthError::InvalidCredentials)
}

fn may_enter(row: &customer::Model) -> bool {
    row.registered_at.is_some() && row.disabled_at.is_none()
}

/// The password was checked outside of the transaction: none if its hash is another one now.
async fn open_customer(tx: &Tx, checked: &Checked<customer::Model>) -> Outcome<Option<Opened>, AuthError> {
    let Checked { row, stronger } = checked;
    let now = locked(customer::Entity::find_by_id(row.id), stronger.is_some()).one(tx.db()).await?;
    let Some(now) = now.filter(may_enter) else {
        return refuse(AuthError::InvalidCredentials);
    };
    if now.password_hash != row.password_hash {
        return Ok(None);
    }
    if let Some(stronger) = stronger {
        customer::Entity::update_many()
            .col_expr(Column::PasswordHash, Expr::val(stronger.as_str()))
            .filter(Column::Id.eq(row.id).and(Column::PasswordHash.eq(row.password_hash.clone())))
            .exec(tx.db())
            .await?;
    }
    Ok(Some(sessions::open(tx, Audience::Customer, row.id.0).await?))
}

/// Two sign-ins at once need not wait for each other, unless they write.
fn locked<E: EntityTrait>(query: Select<E>, writes: bool) -> Select<E> {
    if writes { query.lock_exclusive() } else { query.lock_shared() }
}

/// Signs a member of staff in; with a second factor in force, `factor` is its code or a recovery code.
pub(crate) async fn staff(
    app: &App,
    email: &EmailAddress,
    password: SecretString,
    factor: Option<String>,
) -> Outcome<(Tokens, StaffId), AuthError> {
    throttle::credential(app, throttle::Tried::StaffPassword, &email.key()).await?;
    for _ in 0..ATTEMPTS {
        let mailbox = staff::Entity::find().filter(staff::Column::EmailKey.eq(email.key()));
        let found = mailbox.one(&app.db.read).await?.filter(|row| row.disabled_at.is_none());
        let hash = found.as_ref().map(|row| row.password_hash.clone());
        let verified = app.passwords.verify(password.clone(), hash).await?;
        let (Some(row), Verified::Right { stronger }) = (found, verified) else {
            return refuse(AuthError::InvalidCredentials);
        };
        let checked = Checked { row, stronger };
        if let Some(opened) = app.write(&(&checked, factor.as_deref()), open_staff).await? {
            return Ok((opened.tokens(app)?, checked.row.id));
        }
    }
    refuse(AuthError::InvalidCredentials)
}

async fn open_staff(
    tx: &Tx,
    (checked, given): &(&Checked<staff::Model>, Option<&str>),
) -> Outcome<Option<Opened>, AuthError> {
    let Checked { row, stronger } = checked;
    let now = staff::Entity::find_by_id(row.id).lock_exclusive().one(tx.db()).await?;
    let Some(now) = now.filter(|now| now.disabled_at.is_none()) else {
        return refuse(AuthError::InvalidCredentials);
    };
    if now.password_hash != row.password_hash {
        return Ok(None);
    }
    factor::require::<AuthError>(tx, &now, *given).await?;
    if let Some(stronger) = stronger {
        staff::Entity::update_many()
            .col_expr(staff::Column::PasswordHash, Expr::val(stronger.as_str()))
            .filter(staff::Column::Id.eq(row.id).and(staff::Column::PasswordHash.eq(&row.password_hash)))
            .exec(tx.db())
            .await?;
    }
    Ok(Some(sessions::open(tx, Audience::Staff, row.id.0).await?))
}
