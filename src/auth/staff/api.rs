//! Staff over GraphQL: who they are, inviting and changing them, and what they do for their own account.

mod members;
mod own;
mod queries;
mod refusals;
mod types;

use async_graphql::{Context, MergedObject};
use entity::id::{SessionId, StaffId};

use crate::auth::viewer::Viewer;
use crate::error::Fault;
use crate::graphql::fault::ApiError;
pub use queries::StaffQuery;

/// Mutations of staff.
#[derive(Debug, Default, MergedObject)]
pub struct StaffMutation(members::MembersMutation, own::OwnMutation);

/// The member of staff who asks, and where they are signed in; the guard has let nobody else through.
fn asking(ctx: &Context<'_>) -> Result<(StaffId, SessionId), ApiError> {
    match ctx.data_opt::<Viewer>() {
        Some(Viewer::Staff { staff, session, .. }) => Ok((*staff, *session)),
        _ => Err(ApiError::Fault(Fault::internal("an operation of staff without a member of staff"))),
    }
}
