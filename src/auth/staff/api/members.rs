//! Inviting and changing colleagues.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::id::{StaffId, StaffInvitationId};
use entity::{staff, staff_invitation};
use sea_orm::EntityTrait;
use serde::Serialize;

use super::asking;
use super::refusals::{StaffErrorCode, no_name, user_error};
use super::types::{StaffInvitation, StaffMember, StaffRole};
use crate::app::App;
use crate::auth::staff::StaffError;
use crate::auth::staff::invitations::{self, Invite, Revoke};
use crate::auth::staff::members::{self, Change};
use crate::auth::staff::second_factor::{self, Reset};
use crate::auth::viewer::Viewer;
use crate::customers::email::EmailAddress;
use crate::customers::profile::PersonName;
use crate::error::{Fault, Outcome, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::{Key, Once};
use crate::tx::Tx;

/// Somebody to invite.
#[derive(Debug, InputObject)]
pub(super) struct StaffInviteInput {
    /// Where the token is mailed; signs in with it later.
    email: EmailAddress,
    /// Shown in the ledger, 1 to 200 characters.
    name: String,
    /// What they may do.
    role: StaffRole,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// An invitation to withdraw.
#[derive(Debug, InputObject)]
pub(super) struct StaffInvitationRevokeInput {
    /// Which.
    id: ID,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A change of a colleague; what is left out or null stays as it is.
#[derive(Debug, InputObject)]
pub(super) struct StaffUpdateInput {
    /// Who.
    id: ID,
    /// Shown in the ledger, 1 to 200 characters.
    name: Option<String>,
    /// What they may do.
    role: Option<StaffRole>,
    /// Whether they may not sign in.
    disabled: Option<bool>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A colleague who lost their second factor.
#[derive(Debug, InputObject)]
pub(super) struct StaffTotpResetInput {
    /// Who.
    id: ID,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// An invitation that was mailed or withdrawn, or why it was not.
#[derive(SimpleObject)]
pub(super) struct StaffInvitationPayload {
    /// As it is now.
    invitation: Option<StaffInvitation>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<StaffErrorCode>>,
}

/// A member of staff who was changed, or why they were not.
#[derive(SimpleObject)]
pub(super) struct StaffMemberPayload {
    /// As they are now.
    member: Option<StaffMember>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<StaffErrorCode>>,
}

impl StaffInvitationPayload {
    fn refused(error: UserError<StaffErrorCode>) -> Self {
        Self { invitation: None, replayed: false, user_errors: vec![error] }
    }

    async fn done(app: &App, once: Once<StaffInvitationId>) -> Result<Self, ApiError> {
        let found = staff_invitation::Entity::find_by_id(once.value).one(&app.db.read).await?;
        let row = found.ok_or_else(|| Fault::internal("an invitation that was written is gone"))?;
        let invitation = Some(StaffInvitation { row, now: app.clock.now() });
        Ok(Self { invitation, replayed: once.replayed, user_errors: Vec::new() })
    }
}

impl StaffMemberPayload {
    fn refused(error: UserError<StaffErrorCode>) -> Self {
        Self { member: None, replayed: false, user_errors: vec![error] }
    }

    async fn done(app: &App, once: Once<StaffId>) -> Result<Self, ApiError> {
        let found = staff::Entity::find_by_id(once.value).one(&app.db.read).await?;
        let row = found.ok_or_else(|| Fault::internal("a member of staff who was written is gone"))?;
        Ok(Self { member: Some(StaffMember(row)), replayed: once.replayed, user_errors: Vec::new() })
    }
}

/// Inviting and changing colleagues.
#[derive(Debug, Default)]
pub(super) struct MembersMutation;

#[Object]
impl MembersMutation {
    /// Mails an invitation to join the staff, good for seven days; one that was open for the address ends.
    /// For staff with `staff.manage` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn staff_invite(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, and as what.")] input: StaffInviteInput,
    ) -> Result<StaffInvitationPayload, ApiError> {
        let Ok(name) = PersonName::try_from(input.name) else {
            return Ok(StaffInvitationPayload::refused(no_name()));
        };
        let invite = Invite { by: asking(ctx)?.0, email: input.email, name, role: input.role.into() };
        match once(ctx, "staffInvite", input.idempotency_key, &invite, invitations::invite).await? {
            Ok(once) => StaffInvitationPayload::done(ctx.data_unchecked(), once).await,
            Err(error) => Ok(StaffInvitationPayload::refused(user_error(error, Some("email")))),
        }
    }

    /// Withdraws an invitation that is open. For staff with `staff.manage`.
    #[graphql(guard = "Allowed")]
    async fn staff_invitation_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: StaffInvitationRevokeInput,
    ) -> Result<StaffInvitationPayload, ApiError> {
        let outcome = match local_id(&input.id, NodeType::StaffInvitation) {
            Some(invitation) => {
                let revoke = Revoke { invitation };
                once(ctx, "staffInvitationRevoke", input.idempotency_key, &revoke, invitations::revoke)
                    .await?
            }
            None => Err(StaffError::NotFound),
        };
        match outcome {
            Ok(once) => StaffInvitationPayload::done(ctx.data_unchecked(), once).await,
            Err(error) => Ok(StaffInvitationPayload::refused(user_error(error, Some("id")))),
        }
    }

    /// Changes a colleague's name or role, disables or enables them; in force at once. Disabling ends their sessions, and
    /// whoever may not invite any more leaves no open invitations. One's own name may be changed, but not one's own role.
    /// For staff with `staff.manage` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn staff_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, and how.")] input: StaffUpdateInput,
    ) -> Result<StaffMemberPayload, ApiError> {
        let Ok(name) = input.name.map(PersonName::try_from).transpose() else {
            return Ok(StaffMemberPayload::refused(no_name()));
        };
        let Some(member) = local_id::<StaffId>(&input.id, NodeType::Staff) else {
            return Ok(StaffMemberPayload::refused(user_error(StaffError::NotFound, Some("id"))));
        };
        let role = input.role.map(Into::into);
        let change = Change { by: asking(ctx)?.0, member, name, role, disabled: input.disabled };
        match once(ctx, "staffUpdate", input.idempotency_key, &change, members::change).await? {
            Ok(once) => StaffMemberPayload::done(ctx.data_unchecked(), once).await,
            Err(error) => Ok(StaffMemberPayload::refused(user_error(error, Some("id")))),
        }
    }

    /// Takes the second factor of a colleague who lost it away, with its recovery codes, and ends their sessions. They sign
    /// in with the password alone until they set up another. For staff with `staff.manage` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn staff_totp_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose.")] input: StaffTotpResetInput,
    ) -> Result<StaffMemberPayload, ApiError> {
        let outcome = match local_id::<StaffId>(&input.id, NodeType::Staff) {
            Some(member) => {
                let reset = Reset { by: asking(ctx)?.0, member };
                once(ctx, "staffTotpReset", input.idempotency_key, &reset, second_factor::reset).await?
            }
            None => Err(StaffError::NotFound),
        };
        match outcome {
            Ok(once) => StaffMemberPayload::done(ctx.data_unchecked(), once).await,
            Err(error) => Ok(StaffMemberPayload::refused(user_error(error, Some("id")))),
        }
    }
}

/// Does `work` once for the caller's key.
pub(super) async fn once<C: Serialize, T: Serialize + serde::de::DeserializeOwned>(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    command: &C,
    work: impl AsyncFn(&Tx, &C) -> Outcome<T, StaffError>,
) -> Result<Result<Once<T>, StaffError>, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let key = Key { scope: ctx.data_unchecked::<Viewer>().key_scope(), key: key.0, operation };
    Ok(split(app.write_once(&key, command, work).await)?)
}
