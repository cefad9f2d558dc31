//! What becomes of a membership, over GraphQL.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use entity::Instant;
use entity::id::MembershipId;
use serde::Serialize;

use super::payload::MembershipPayload;
use super::{ask, meant, outcome};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::error::Outcome;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::once::once;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::memberships::MembershipError;
use crate::memberships::calls;
use crate::memberships::cancel::{self, Cancel, When};
use crate::memberships::pause::{self, PauseUntil};
use crate::memberships::switch::{self, Switch};
use crate::tx::Tx;

/// When a membership ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "When")]
enum MembershipCancelWhen {
    /// With what is paid, and not before its minimum term.
    PeriodEnd,
    /// Now, and what is paid for the time after goes back; customers not before the minimum term.
    Now,
    /// Now, as if it had never been joined: all that was paid goes back. Within 14 days, and as long as no benefit was
    /// used: by orders since with shipping that cost less, or a place or a coupon for members only, or by the order that it
    /// was joined with, while that is paid and not cancelled and has such shipping or such a place.
    Withdraw,
}

/// A membership to end.
#[derive(Debug, InputObject)]
struct MembershipCancelInput {
    /// Which.
    membership_id: ID,
    /// When.
    #[graphql(default_with = "MembershipCancelWhen::PeriodEnd")]
    when: MembershipCancelWhen,
    /// Why, 1 to 500 characters.
    reason: Option<String>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A membership.
#[derive(Debug, InputObject)]
struct MembershipInput {
    /// Which.
    membership_id: ID,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A membership to pause.
#[derive(Debug, InputObject)]
struct MembershipPauseInput {
    /// Which.
    membership_id: ID,
    /// Until when, within a year; the days that are left go on from then.
    until: Instant,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A membership to change to another plan.
#[derive(Debug, InputObject)]
struct MembershipPlanChangeInput {
    /// Which.
    membership_id: ID,
    /// Code of the plan.
    plan: String,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// What becomes of memberships.
#[derive(Debug, Default)]
pub(super) struct ChangeMutation;

#[Object]
impl ChangeMutation {
    /// Ends a membership, or has it end. For the customer, shop keys with `memberships:write`, staff with `memberships.write`.
    #[graphql(guard = "Allowed")]
    async fn membership_cancel(
        &self,
        ctx: &Context<'_>,
        input: MembershipCancelInput,
    ) -> Result<MembershipPayload, ApiError> {
        let Some(row) = meant(ctx, &input.membership_id).await? else { return Ok(unknown()) };
        let by = ctx.data_unchecked::<Viewer>().actor();
        let command = Cancel { membership: row.id, when: input.when.into(), reason: input.reason, by };
        run(ctx, "membershipCancel", input.idempotency_key, &command, cancel::cancel).await
    }

    /// Has a membership that is to end go on after all. For the customer, shop keys with `memberships:write`, staff with `memberships.write`.
    #[graphql(guard = "Allowed")]
    async fn membership_keep(
        &self,
        ctx: &Context<'_>,
        input: MembershipInput,
    ) -> Result<MembershipPayload, ApiError> {
        let Some(row) = meant(ctx, &input.membership_id).await? else { return Ok(unknown()) };
        run(ctx, "membershipKeep", input.idempotency_key, &row.id, cancel::keep).await
    }

    /// Pauses a membership that is paid, now: the days that are left wait. For the customer, shop keys with `memberships:write`, staff with `memberships.write`.
    #[graphql(guard = "Allowed")]
    async fn membership_pause(
        &self,
        ctx: &Context<'_>,
        input: MembershipPauseInput,
    ) -> Result<MembershipPayload, ApiError> {
        let Some(row) = meant(ctx, &input.membership_id).await? else { return Ok(unknown()) };
        let command = PauseUntil { membership: row.id, until: input.until };
        run(ctx, "membershipPause", input.idempotency_key, &command, pause::pause).await
    }

    /// Ends a pause now: the days that were left go on. For the customer, shop keys with `memberships:write`, staff with `memberships.write`.
    #[graphql(guard = "Allowed")]
    async fn membership_resume(
        &self,
        ctx: &Context<'_>,
        input: MembershipInput,
    ) -> Result<MembershipPayload, ApiError> {
        let Some(row) = meant(ctx, &input.membership_id).await? else { return Ok(unknown()) };
        run(ctx, "membershipResume", input.idempotency_key, &row.id, pause::resume).await
    }

    /// Changes a membership to another plan: to a dearer one, by the year, now, the difference paid; to another one when it
    /// is renewed. `membershipPlanChangePreview` tells beforehand. For the customer, shop keys with `memberships:write`, staff with `memberships.write`.
    #[graphql(guard = "Allowed")]
    async fn membership_plan_change(
        &self,
        ctx: &Context<'_>,
        input: MembershipPlanChangeInput,
    ) -> Result<MembershipPayload, ApiError> {
        let Some(row) = meant(ctx, &input.membership_id).await? else { return Ok(unknown()) };
        let command = Switch { membership: row.id, plan: input.plan };
        match once(ctx, "membershipPlanChange", input.idempotency_key, &command, switch::switch).await? {
            Ok(Once { value, replayed }) => {
                let app = ctx.data_unchecked::<App>();
                let asked = outcome(calls::in_time(calls::ask_one(app, value.call)).await);
                MembershipPayload::of(ctx, row.id, replayed, asked.err()).await
            }
            Err(error) => Ok(MembershipPayload::refused(error)),
        }
    }
}

fn unknown() -> MembershipPayload {
    MembershipPayload::refused(MembershipError::NotFound)
}

/// Does it here, then where it is billed.
async fn run<C: Serialize>(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    command: &C,
    work: impl AsyncFn(&Tx, &C) -> Outcome<MembershipId, MembershipError>,
) -> Result<MembershipPayload, ApiError> {
    match once(ctx, operation, key, command, work).await? {
        Ok(Once { value, replayed }) => {
            let error = Box::pin(ask(ctx, value)).await;
            MembershipPayload::of(ctx, value, replayed, error).await
        }
        Err(error) => Ok(MembershipPayload::refused(error)),
    }
}
