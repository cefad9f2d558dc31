//! The second factor of a member of staff: a code of an authenticator app, or a recovery code, each good once.

use entity::id::StaffId;
use entity::staff::{Column, Entity, Model};
use entity::staff_recovery_code::{self, Column as CodeColumn};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{Rejected, attempts, totp};
use crate::audit::{self, Entry};
use crate::auth::secret;
use crate::db::bulk::Rows;
use crate::error::{Fault, Outcome, refuse, refuse_recorded};
use crate::tx::Tx;

/// Recovery codes that a member is given.
const RECOVERY_CODES: usize = 10;
/// Letters of a recovery code: 80 bits, so that a plain hash keeps them.
const LETTERS: usize = 16;

/// Whether a second factor is asked for.
pub(crate) fn is_in_force(member: &Model) -> bool {
    member.totp_secret.is_some() && member.totp_confirmed_at.is_some()
}

/// Refuses unless the second factor of `member`, if one is in force, was given. A wrong one counts although it is
/// refused.
pub(crate) async fn require<R: From<Rejected>>(
    tx: &Tx,
    member: &Model,
    given: Option<&str>,
) -> Outcome<(), R> {
    if !is_in_force(member) {
        return Ok(());
    }
    let Some(given) = given else { return refuse(Rejected::FactorMissing) };
    attempts::count::<R>(tx, member.id).await?;
    if !take(tx, member, given).await? {
        return refuse_recorded(Rejected::Wrong);
    }
    Ok(attempts::forget(tx, member.id).await?)
}

/// Uses a code up; false if it is none of `member`'s, or used. The try has been counted.
pub(crate) async fn take(tx: &Tx, member: &Model, given: &str) -> Result<bool, Fault> {
    let typed = typed(given);
    if typed.len() == 6 && typed.bytes().all(|byte| byte.is_ascii_digit()) {
        return take_code(tx, member, &typed).await;
    }
    take_recovery_code(tx, member.id, &typed).await
}

/// As it was meant: apps and people put spaces and dashes in.
fn typed(given: &str) -> String {
    let meant = given.chars().filter(|c| !c.is_whitespace() && *c != '-');
    meant.take(LETTERS + 1).map(|c| c.to_ascii_lowercase()).collect()
}

/// The code of a later step than any before: each step is taken once.
async fn take_code(tx: &Tx, member: &Model, code: &str) -> Result<bool, Fault> {
    let Some(secret) = &member.totp_secret else { return Ok(false) };
    let Some(step) = totp::step_of(secret, code, tx.now())? else { return Ok(false) };
    let taken = Entity::update_many()
        .col_expr(Column::TotpStep, Expr::val(step))
        .filter(Column::Id.eq(member.id).and(Column::TotpSecret.eq(secret.clone())))
        .filter(Column::TotpConfirmedAt.is_not_null())
        .filter(Column::TotpStep.is_null().or(Column::TotpStep.lt(step)))
        .exec(tx.db())
        .await?;
    Ok(taken.rows_affected == 1)
}

async fn take_recovery_code(tx: &Tx, member: StaffId, code: &str) -> Result<bool, Fault> {
    let theirs = CodeColumn::StaffId.eq(member).and(CodeColumn::Hash.eq(secret::hash(code)));
    let used = staff_recovery_code::Entity::update_many()
        .col_expr(CodeColumn::UsedAt, Expr::val(tx.now()))
        .filter(theirs.and(CodeColumn::UsedAt.is_null()))
        .exec(tx.db())
        .await?;
    if used.rows_affected == 1 {
        audit::record(tx, [Entry::of("staff.recovery_code.use", "Staff", member.0, json!({}))]).await?;
    }
    Ok(used.rows_affected == 1)
}

/// Gives a member new recovery codes in place of those before; only their hashes are kept.
pub(crate) async fn give_recovery_codes(tx: &Tx, member: StaffId) -> Result<Vec<SecretString>, Fault> {
    drop_recovery_codes(tx, member).await?;
    let codes = (0..RECOVERY_CODES).map(|_| Ok(secret::letters::<LETTERS>()?.into()));
    let codes: Vec<SecretString> = codes.collect::<Result<_, Fault>>()?;
    let mut rows = Rows::new("staff_recovery_codes", &["staff_id", "hash"]);
    for code in &codes {
        rows.push([member.0.into(), secret::hash(code.expose_secret()).into()]);
    }
    rows.insert(tx.db()).await?;
    Ok(codes.iter().map(|code| grouped(code.expose_secret()).into()).collect())
}

/// Takes all recovery codes of a member away.
pub(crate) async fn drop_recovery_codes(tx: &Tx, member: StaffId) -> Result<(), Fault> {
    let theirs = CodeColumn::StaffId.eq(member);
    staff_recovery_code::Entity::delete_many().filter(theirs).exec(tx.db()).await?;
    Ok(())
}

/// Four letters at a time: `abcd-efgh-ijkm-npqr`.
fn grouped(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_code_is_read_as_it_is_shown_and_as_people_type_it() {
        let shown = grouped("abcdefghijkmnpqr");
        assert_eq!(shown, "abcd-efgh-ijkm-npqr");
        for given in [shown.as_str(), "ABCD EFGH IJKM NPQR", "abcdefghijkmnpqr\n"] {
            assert_eq!(typed(given), "abcdefghijkmnpqr");
        }
        assert_eq!(typed("123 456"), "123456");
        assert_eq!(typed(&"a".repeat(40)).len(), LETTERS + 1);
    }
}
