//! Reading of staff and invitations.

use async_graphql::{Context, Object};
use entity::staff_recovery_code::{self, Column as CodeColumn};
use entity::{session, staff, staff_invitation};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter};

use super::asking;
use super::types::{StaffInvitation, StaffMember, StaffSelf};
use crate::app::App;
use crate::auth::viewer::Permission;
use crate::error::Fault;
use crate::graphql::access::{Allowed, STEP_UP};
use crate::graphql::fault::ApiError;
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::page::PageArguments;

/// Queries about staff.
#[derive(Debug, Default)]
pub struct StaffQuery;

#[Object]
impl StaffQuery {
    /// Who is signed in, and what they may do. For staff with `staff.self`.
    #[graphql(guard = "Allowed")]
    async fn staff_me(&self, ctx: &Context<'_>) -> Result<StaffSelf, ApiError> {
        let (id, session) = asking(ctx)?;
        let db = &ctx.data_unchecked::<App>().db.read;
        let found = staff::Entity::find_by_id(id).one(db).await?;
        let row = found.ok_or_else(|| Fault::internal("a member of staff who is signed in is gone"))?;
        let session = session::Entity::find_by_id(session).one(db).await?;
        let unused = CodeColumn::StaffId.eq(id).and(CodeColumn::UsedAt.is_null());
        let left = staff_recovery_code::Entity::find().filter(unused).count(db).await?;
        let permissions = Permission::ALL.iter().filter(|permission| permission.is_of(row.role));
        Ok(StaffSelf {
            permissions: permissions.map(|permission| permission.name()).collect(),
            stepped_up_until: session.and_then(|row| row.authenticated_at).map(|at| at + STEP_UP),
            recovery_codes_left: i32::try_from(left)?,
            member: StaffMember(row),
        })
    }

    /// Everybody of the staff, the newest first, disabled ones too. For staff with `staff.manage`.
    #[graphql(guard = "Allowed")]
    async fn staff_members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<StaffMember>, ApiError> {
        let arguments = PageArguments { first, after, last, before };
        let edge = |row: staff::Model| (row.id.0, StaffMember(row));
        newest_first(ctx, staff::Entity::find(), staff::Column::Id, arguments, edge).await
    }

    /// Invitations, the newest first, those that ended too. For staff with `staff.manage`.
    #[graphql(guard = "Allowed")]
    async fn staff_invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<StaffInvitation>, ApiError> {
        use staff_invitation::{Column, Entity};
        let now = ctx.data_unchecked::<App>().clock.now();
        let arguments = PageArguments { first, after, last, before };
        let edge = |row: staff_invitation::Model| (row.id.0, StaffInvitation { row, now });
        newest_first(ctx, Entity::find(), Column::Id, arguments, edge).await
    }
}
