//! A customer's password takes the place of another: whoever else is signed in is out, what was begun with the old one is
//! dropped, and the mailbox is told.

use entity::customer::{self, Column};
use entity::id::{CustomerId, SessionId};
use entity::session::Audience;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use secrecy::SecretString;
use serde_json::json;

use super::passwords::{Password, Verified};
use super::reauthenticate::{self, SignedIn};
use super::{AuthError, email_change, sessions};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::customers::email::EmailAddress;
use crate::error::{Fault, FaultKind, Outcome, refuse};
use crate::messages::template::Template;
use crate::messages::{self, Letter};
use crate::tx::Tx;

/// How often the current password is verified if another hash of it was kept meanwhile.
const ATTEMPTS: usize = 2;

/// A change whose current password was verified outside of the transaction.
struct Change {
    me: SignedIn,
    /// The hash that was verified; none for an account without a password.
    verified: Option<String>,
    hash: String,
}

/// Changes the password of the customer who is signed in. Who has none sets the first one, soon after having given a code.
pub(crate) async fn change(
    app: &App,
    me: SignedIn,
    current: Option<SecretString>,
    new: Password,
) -> Outcome<(), AuthError> {
    reauthenticate::count_own(app, me).await?;
    for _ in 0..ATTEMPTS {
        let row = customer::Entity::find_by_id(me.customer).one(&app.db.read).await?;
        let verified = row.and_then(|row| row.password_hash);
        if verified.is_some() {
            let given = current.clone().unwrap_or_default();
            if app.passwords.verify(given, verified.clone()).await? == Verified::Wrong {
                return refuse(AuthError::PasswordWrong);
            }
        } else if !me.is_fresh(app.clock.now()) {
            return refuse(AuthError::Reauthenticate);
        }
        let hash = app.passwords.hash(new.clone()).await?;
        if app.write(&Change { me, verified, hash }, change_in).await? {
            return Ok(());
        }
    }
    Err(Fault::of(FaultKind::Unavailable).into())
}

/// False if the password is another by now than the one that was verified.
async fn change_in(tx: &Tx, change: &Change) -> Outcome<bool, AuthError> {
    let Change { me, verified, hash } = change;
    let row = customer::Entity::find_by_id(me.customer).lock_exclusive().one(tx.db()).await?;
    let Some(row) = row.filter(|row| row.disabled_at.is_none()) else {
        return refuse(AuthError::Reauthenticate);
    };
    if !sessions::is_open(tx, me.session).await? {
        return refuse(AuthError::Reauthenticate);
    }
    if row.password_hash != *verified {
        return Ok(false);
    }
    let act = if verified.is_some() { "customer.password_change" } else { "customer.password_set" };
    replace(tx, &row, hash, act, Some(me.session)).await?;
    Ok(true)
}

/// Sets the password of a locked `row` with all that follows from it; only the session `kept` goes on.
pub(super) async fn replace(
    tx: &Tx,
    row: &customer::Model,
    hash: &str,
    act: &'static str,
    kept: Option<SessionId>,
) -> Result<(), Fault> {
    let id = row.id;
    customer::Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::val(hash))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    let ended = sessions::end_all(tx, Audience::Customer, id.0, kept).await?;
    // Whoever asked for it may be the one who is being locked out.
    email_change::drop_pending(tx, id).await?;
    tell(tx, id, row).await?;
    audit::record(tx, [Entry::of_customer(act, id, json!({ "sessionsEnded": ended }))]).await
}

async fn tell(tx: &Tx, customer: CustomerId, row: &customer::Model) -> Result<(), Fault> {
    let Some(email) = row.email.clone() else {
        return Err(Fault::internal("a registered customer has no address"));
    };
    tracing::info!(customer.id = %customer.0, "a password was replaced");
    let to = EmailAddress::try_from(email)?;
    let notice = Letter::Notice {
        template: Template::PasswordChanged,
        to,
        locale: row.locale.clone(),
        cause: tx.id(),
        at: tx.now(),
    };
    messages::enqueue(tx, &notice).await
}
