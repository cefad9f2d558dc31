//! Changing who may do what.

use entity::id::StaffId;
use entity::session::Audience;
use entity::staff::{Column, Entity, Model, Role};
use sea_orm::sea_query::{Expr, Query, SimpleExpr};
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, ExprTrait, QueryFilter};
use serde::Serialize;
use serde_json::json;

use super::{StaffError, invitations};
use crate::audit::{self, Entry};
use crate::auth::sessions;
use crate::auth::viewer::Permission;
use crate::customers::profile::PersonName;
use crate::db::dialect;
use crate::error::{Outcome, refuse};
use crate::notices::Notice;
use crate::tx::Tx;

/// A change of a member of staff; what is none stays as it is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) by: StaffId,
    pub(crate) member: StaffId,
    pub(crate) name: Option<PersonName>,
    pub(crate) role: Option<Role>,
    pub(crate) disabled: Option<bool>,
}

/// Puts everything that changes who may do what in one order, and refuses unless `by` may change it still: a right that has
/// just ended does nothing more.
pub(super) async fn lock_as_manager(tx: &Tx, by: StaffId) -> Outcome<(), StaffError> {
    dialect::lock(tx.db(), "staff").await?;
    let by = Entity::find_by_id(by).one(tx.db()).await?;
    if by.is_some_and(|by| by.disabled_at.is_none() && Permission::StaffManage.is_of(by.role)) {
        Ok(())
    } else {
        refuse(StaffError::NotFound)
    }
}

/// Changes a member of staff. What the change takes away ends with it: sessions of whoever is disabled, invitations of
/// whoever may not invite any more.
pub(crate) async fn change(tx: &Tx, change: &Change) -> Outcome<StaffId, StaffError> {
    // One after the other: two owners who disable each other at once would both find that one is left.
    lock_as_manager(tx, change.by).await?;
    let Some(before) = Entity::find_by_id(change.member).one(tx.db()).await? else {
        return refuse(StaffError::NotFound);
    };
    let was_disabled = before.disabled_at.is_some();
    let role = change.role.unwrap_or(before.role);
    let disabled = change.disabled.unwrap_or(was_disabled);
    if change.by == change.member && (role != before.role || disabled) {
        return refuse(StaffError::OwnAccount);
    }
    if !write(tx, change, &before, role, disabled).await? {
        return refuse(StaffError::LastOwner);
    }
    if disabled && !was_disabled {
        sessions::end_all(tx, Audience::Staff, before.id.0, None).await?;
    }
    if role != before.role {
        tx.tell(Notice::StandingChanged { audience: Audience::Staff, subject: before.id.0 });
    }
    let may_invite = !disabled && Permission::StaffManage.is_of(role);
    let ended = if may_invite { 0 } else { invitations::end_those_of(tx, before.id).await? };
    let name = change.name.as_ref().map_or(before.name.as_str(), PersonName::as_str);
    let detail = json!({
        "before": { "name": before.name, "role": before.role, "disabled": was_disabled },
        "after": { "name": name, "role": role, "disabled": disabled },
        "invitationsEnded": ended,
    });
    audit::record(tx, [Entry::of("staff.update", "Staff", before.id.0, detail)]).await?;
    Ok(before.id)
}

/// Writes the change, unless it would take the last owner away.
async fn write(
    tx: &Tx,
    change: &Change,
    before: &Model,
    role: Role,
    disabled: bool,
) -> Outcome<bool, StaffError> {
    let mut update = Entity::update_many()
        .col_expr(Column::Role, Expr::val(role.to_value()))
        .filter(Column::Id.eq(before.id));
    if disabled != before.disabled_at.is_some() {
        update = update.col_expr(Column::DisabledAt, Expr::val(disabled.then(|| tx.now())));
    }
    if let Some(name) = &change.name {
        update = update.col_expr(Column::Name, Expr::val(name.as_str()));
    }
    if disabled || role != Role::Owner {
        update = update.filter(Expr::val(!is_owner(before)).or(another_owner(before.id)));
    }
    Ok(update.exec(tx.db()).await?.rows_affected == 1)
}

fn is_owner(member: &Model) -> bool {
    member.role == Role::Owner && member.disabled_at.is_none()
}

/// There is an enabled owner besides this one.
fn another_owner(member: StaffId) -> SimpleExpr {
    let others = Query::select()
        .expr(Expr::val(1))
        .from(Entity)
        .and_where(Column::Role.eq(Role::Owner))
        .and_where(Column::DisabledAt.is_null())
        .and_where(Column::Id.ne(member))
        .take();
    Expr::exists(others)
}
