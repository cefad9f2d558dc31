//! Getting, keeping and losing a second factor.

use entity::id::{SessionId, StaffId};
use entity::staff::{Column, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;

use super::reauthenticate::Reauthenticated;
use super::{StaffError, attempts, factor, members, totp};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::auth::{secret, sessions};
use crate::error::{Fault, Outcome, refuse, refuse_recorded};
use crate::tx::Tx;

/// A second factor to begin.
#[derive(Debug, Serialize)]
pub(crate) struct Begin {
    member: StaffId,
    /// Made before, so that a transaction that is run again has the same; not what tells requests apart.
    #[serde(skip)]
    secret: [u8; totp::SECRET],
}

impl Begin {
    /// With a new secret.
    pub(crate) fn of(member: StaffId) -> Result<Self, Fault> {
        Ok(Self { member, secret: secret::random()? })
    }
}

/// Gives a member a secret that is not in force until a code of it was given.
pub(crate) async fn begin(tx: &Tx, command: &Begin) -> Outcome<StaffId, StaffError> {
    let begun = Entity::update_many()
        .col_expr(Column::TotpSecret, Expr::val(command.secret.to_vec()))
        .col_expr(Column::TotpStep, Expr::val(None::<i64>))
        .filter(Column::Id.eq(command.member).and(Column::TotpConfirmedAt.is_null()))
        .exec(tx.db())
        .await?;
    if begun.rows_affected == 0 {
        return refuse(StaffError::TotpInForce);
    }
    record(tx, "staff.totp.begin", command.member).await?;
    Ok(command.member)
}

/// Puts the secret in force with a first code of it; answers the recovery codes, which nothing shows again.
pub(crate) async fn confirm(
    tx: &Tx,
    (member, code): &(StaffId, String),
) -> Outcome<Vec<SecretString>, StaffError> {
    let row = locked(tx, *member).await?;
    if factor::is_in_force(&row) {
        return refuse(StaffError::TotpInForce);
    }
    let Some(secret) = &row.totp_secret else { return refuse(StaffError::TotpNotBegun) };
    attempts::count::<StaffError>(tx, *member).await?;
    let Some(step) = totp::step_of(secret, code.trim(), tx.now())? else {
        return refuse_recorded(StaffError::InvalidCredentials);
    };
    let confirmed = Entity::update_many()
        .col_expr(Column::TotpConfirmedAt, Expr::val(tx.now()))
        .col_expr(Column::TotpStep, Expr::val(step))
        .filter(Column::Id.eq(*member).and(Column::TotpSecret.eq(secret.clone())))
        .filter(Column::TotpConfirmedAt.is_null())
        .exec(tx.db())
        .await?;
    if confirmed.rows_affected == 0 {
        return refuse(StaffError::TotpInForce);
    }
    attempts::forget(tx, *member).await?;
    record(tx, "staff.totp.confirm", *member).await?;
    Ok(factor::give_recovery_codes(tx, *member).await?)
}

/// Gives new recovery codes in place of those before, for a code.
pub(crate) async fn regenerate(
    tx: &Tx,
    (member, code): &(StaffId, String),
) -> Outcome<Vec<SecretString>, StaffError> {
    let row = locked(tx, *member).await?;
    if !factor::is_in_force(&row) {
        return refuse(StaffError::TotpNotInForce);
    }
    factor::require::<StaffError>(tx, &row, Some(code)).await?;
    record(tx, "staff.recovery_codes.regenerate", *member).await?;
    Ok(factor::give_recovery_codes(tx, *member).await?)
}

/// Gives the second factor up, for the password and a code.
pub(crate) async fn disable(
    app: &App,
    whose: (StaffId, SessionId),
    password: SecretString,
    code: String,
) -> Outcome<(), StaffError> {
    let given = Reauthenticated::password(app, whose, password, Some(code)).await?;
    app.write(&given, disable_in).await
}

async fn disable_in(tx: &Tx, given: &Reauthenticated) -> Outcome<(), StaffError> {
    let row = given.still(tx).await?;
    if !factor::is_in_force(&row) {
        return refuse(StaffError::TotpNotInForce);
    }
    given.factor(tx, &row).await?;
    take_away(tx, row.id).await?;
    Ok(record(tx, "staff.totp.disable", row.id).await?)
}

/// A colleague whose second factor is to be taken away.
#[derive(Debug, Serialize)]
pub(crate) struct Reset {
    pub(crate) by: StaffId,
    pub(crate) member: StaffId,
}

/// Takes the second factor of a colleague who lost it away, and ends what is signed in with it.
pub(crate) async fn reset(tx: &Tx, reset: &Reset) -> Outcome<StaffId, StaffError> {
    if reset.by == reset.member {
        return refuse(StaffError::OwnAccount);
    }
    members::lock_as_manager(tx, reset.by).await?;
    let found = Entity::find_by_id(reset.member).lock_exclusive().one(tx.db()).await?;
    let Some(row) = found else { return refuse(StaffError::NotFound) };
    if row.totp_secret.is_none() {
        return refuse(StaffError::TotpNotInForce);
    }
    take_away(tx, row.id).await?;
    sessions::end_all(tx, entity::session::Audience::Staff, row.id.0, None).await?;
    record(tx, "staff.totp.reset", row.id).await?;
    Ok(row.id)
}

async fn take_away(tx: &Tx, member: StaffId) -> Result<(), Fault> {
    let update = Entity::update_many()
        .col_expr(Column::TotpSecret, Expr::val(None::<Vec<u8>>))
        .col_expr(Column::TotpConfirmedAt, Expr::val(None::<entity::Instant>))
        .col_expr(Column::TotpStep, Expr::val(None::<i64>));
    update.filter(Column::Id.eq(member)).exec(tx.db()).await?;
    factor::drop_recovery_codes(tx, member).await
}

/// The row of whoever asks, locked: it is there, and enabled, or they would not be asked for.
async fn locked(tx: &Tx, member: StaffId) -> Result<Model, Fault> {
    let row = Entity::find_by_id(member).lock_exclusive().one(tx.db()).await?;
    row.ok_or_else(|| Fault::internal("a member of staff who is signed in is gone"))
}

async fn record(tx: &Tx, act: &'static str, member: StaffId) -> Result<(), Fault> {
    audit::record(tx, [Entry::of(act, "Staff", member.0, json!({}))]).await
}
