//! Another password for a member of staff who has one.

use entity::id::{SessionId, StaffId};
use entity::session::Audience;
use entity::staff::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};
use secrecy::SecretString;
use serde_json::json;

use super::StaffError;
use super::reauthenticate::Reauthenticated;
use crate::app::App;
use crate::audit::{self, Entry};
use crate::auth::passwords::Password;
use crate::auth::sessions;
use crate::error::{Outcome, refuse};
use crate::tx::Tx;

/// Sets another password, and ends every other session.
pub(crate) async fn change(
    app: &App,
    whose: (StaffId, SessionId),
    current: SecretString,
    next: Password,
) -> Outcome<(), StaffError> {
    let given = Reauthenticated::password(app, whose, current, None).await?;
    let hash = app.passwords.hash(next).await?;
    app.write(&(given, hash, whose.1), change_in).await
}

async fn change_in(
    tx: &Tx,
    (given, hash, session): &(Reauthenticated, String, SessionId),
) -> Outcome<(), StaffError> {
    let row = given.still(tx).await?;
    let changed = Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::val(hash.as_str()))
        .filter(Column::Id.eq(row.id).and(Column::PasswordHash.eq(row.password_hash.as_str())))
        .exec(tx.db())
        .await?;
    if changed.rows_affected == 0 {
        return refuse(StaffError::InvalidCredentials);
    }
    sessions::end_all(tx, Audience::Staff, row.id.0, Some(*session)).await?;
    let entry = Entry::of("staff.password.change", "Staff", row.id.0, json!({}));
    Ok(audit::record(tx, [entry]).await?)
}
