//! Invitations to the shop's staff: mailed as a token, good once and for seven days. Inviting an address again replaces
//! what was open for it.

use chrono::TimeDelta;
use entity::id::{StaffId, StaffInvitationId};
use entity::session::Audience;
use entity::staff::{self, Role};
use entity::staff_invitation::{Column, Entity, Model};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;

use super::{AddressTaken, Hashed, StaffError, insert, members};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::auth::link::{self, Link};
use crate::auth::passwords::Password;
use crate::auth::sessions::{self, Opened, Tokens};
use crate::customers::email::EmailAddress;
use crate::customers::profile::PersonName;
use crate::db::bulk::Rows;
use crate::db::dialect;
use crate::error::{Fault, Outcome, Stop, refuse, split};
use crate::messages::{self, Letter};
use crate::tx::Tx;

/// How long an invitation is good.
const LIFE: TimeDelta = TimeDelta::days(7);

/// Somebody to be invited.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Invite {
    pub(crate) by: StaffId,
    pub(crate) email: EmailAddress,
    pub(crate) name: PersonName,
    pub(crate) role: Role,
}

/// Invites somebody who is no member yet, and queues the mail.
pub(crate) async fn invite(tx: &Tx, invite: &Invite) -> Outcome<StaffInvitationId, StaffError> {
    let email_key = invite.email.key();
    members::lock_as_manager(tx, invite.by).await?;
    dialect::lock(tx.db(), &format!("staff\u{1f}{email_key}")).await?;
    let members = staff::Entity::find().filter(staff::Column::EmailKey.eq(email_key.as_str()));
    if members.count(tx.db()).await? > 0 {
        return refuse(StaffError::AddressTaken);
    }
    end(tx, Column::EmailKey.eq(email_key.as_str())).await?;
    let id: StaffInvitationId = tx.id();
    let columns = &["id", "email", "email_key", "name", "role", "invited_by", "created_at", "expires_at"];
    let mut rows = Rows::new("staff_invitations", columns);
    rows.push([
        id.0.into(),
        invite.email.as_str().into(),
        email_key.into(),
        invite.name.as_str().into(),
        invite.role.to_value().into(),
        invite.by.0.into(),
        tx.now().into(),
        tx.after(LIFE).into(),
    ]);
    rows.insert(tx.db()).await?;
    messages::enqueue(tx, &Letter::StaffInvitation { invitation_id: id }).await?;
    let detail = json!({ "after": { "role": invite.role } });
    audit::record(tx, [Entry::of("staff.invite", "StaffInvitation", id.0, detail)]).await?;
    Ok(id)
}

/// An invitation to be withdrawn.
#[derive(Debug, Serialize)]
pub(crate) struct Revoke {
    pub(crate) invitation: StaffInvitationId,
}

/// Withdraws an invitation that is open.
pub(crate) async fn revoke(tx: &Tx, revoke: &Revoke) -> Outcome<StaffInvitationId, StaffError> {
    let id = revoke.invitation;
    if end(tx, Column::Id.eq(id)).await? == 0 {
        let known = Entity::find_by_id(id).count(tx.db()).await? > 0;
        return refuse(if known { StaffError::InvitationEnded } else { StaffError::NotFound });
    }
    audit::record(tx, [Entry::of("staff.invitation.revoke", "StaffInvitation", id.0, json!({}))]).await?;
    Ok(id)
}

/// Ends what `by` invited: whoever may not invite any more leaves no door open.
pub(crate) async fn end_those_of(tx: &Tx, by: StaffId) -> Result<u64, Fault> {
    end(tx, Column::InvitedBy.eq(by)).await
}

/// Ends the open ones among `which`; answers how many that were.
async fn end(tx: &Tx, which: SimpleExpr) -> Result<u64, Fault> {
    let ended = Entity::update_many()
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(which.and(Column::EndedAt.is_null()))
        .exec(tx.db())
        .await?;
    Ok(ended.rows_affected)
}

/// Makes the member of staff of a mailed token, with a password of their own, and signs in.
pub(crate) async fn accept(
    app: &App,
    token: &SecretString,
    password: Password,
) -> Outcome<(Tokens, StaffId), StaffError> {
    let id = link::read(&app.keys.link()?, Link::StaffInvitation, token.expose_secret());
    let Some(id) = id.map(StaffInvitationId) else { return refuse(StaffError::InvitationInvalid) };
    let found = Entity::find_by_id(id).one(&app.db.read).await?;
    // Nobody guesses a token: that hashing takes a while tells nothing.
    let Some(row) = found.filter(|row| is_open(row, app.clock.now())) else {
        return refuse(StaffError::InvitationInvalid);
    };
    let hash = app.passwords.hash(password).await?;
    let (opened, member) = app.write(&(row, hash), accept_in).await?;
    Ok((opened.tokens(app)?, member))
}

async fn accept_in(tx: &Tx, (row, hash): &(Model, String)) -> Outcome<(Opened, StaffId), StaffError> {
    dialect::lock(tx.db(), &format!("staff\u{1f}{}", row.email_key)).await?;
    if end(tx, Column::Id.eq(row.id).and(Column::ExpiresAt.gt(tx.now()))).await? == 0 {
        return refuse(StaffError::InvitationInvalid);
    }
    let email = EmailAddress::try_from(row.email.clone())?;
    let new = Hashed { email, name: row.name.clone(), role: row.role, hash: hash.clone() };
    let member = match split(insert(tx, &new).await)? {
        Ok(member) => member,
        Err(AddressTaken) => return Err(Stop::Refused(StaffError::InvitationInvalid)),
    };
    let detail = json!({ "member": member.0, "invitedBy": row.invited_by.0 });
    audit::record(tx, [Entry::of("staff.invitation.accept", "StaffInvitation", row.id.0, detail)]).await?;
    Ok((sessions::open(tx, Audience::Staff, member.0).await?, member))
}

/// Whether its token is still good.
pub(crate) fn is_open(row: &Model, now: entity::Instant) -> bool {
    row.ended_at.is_none() && now < row.expires_at
}
