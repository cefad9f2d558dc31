//! Adjustments by staff over GraphQL.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use entity::id::{AccountId, AdjustmentId, CustomerId, StaffId};
use entity::points_adjustment::{AdjustmentState, Column, Entity, Model};
use entity::staff::Role;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::inputs::PointsAdjustInput;
use super::mutations::{PointsErrorCode, PointsPayload, readable, refusal, unreadable};
use crate::app::App;
use crate::auth::viewer::{Permission, Viewer};
use crate::error::{Fault, Outcome, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::page::PageArguments;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::{Key, Once};
use crate::points::adjustments::{self, Adjust, Adjusted, AdjustmentError, Decide, Decided};
use crate::points::amount::PointsDelta;
use crate::tx::Tx;

/// Where an adjustment is that waits, or waited, for a second person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "AdjustmentState")]
pub(super) enum PointsAdjustmentState {
    /// Nothing has moved yet.
    Pending,
    /// A second person approved it; the points have moved.
    Approved,
    /// Refused by a second person, or withdrawn.
    Rejected,
}

/// An adjustment above the limit of a role: it waits, or waited, for a second person.
#[derive(Debug)]
pub(super) struct PointsAdjustment(Model);

#[Object]
impl PointsAdjustment {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::PointsAdjustment, self.0.id)
    }

    /// Where it is.
    async fn state(&self) -> PointsAdjustmentState {
        self.0.state.into()
    }

    /// Whose points.
    async fn customer_id(&self) -> ID {
        global_id(NodeType::Customer, self.0.customer_id)
    }

    /// How many more or fewer.
    async fn delta(&self) -> Result<PointsDelta, ApiError> {
        Ok(PointsDelta::try_from(i64::from(self.0.delta))?)
    }

    /// Why, in the words of whoever asked.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Which member of staff asked.
    async fn requested_by(&self) -> ID {
        global_id(NodeType::Staff, self.0.requested_by)
    }

    /// When they asked.
    async fn requested_at(&self) -> DateTime<Utc> {
        self.0.requested_at
    }

    /// Which member of staff decided; who asked, if it was withdrawn.
    async fn decided_by(&self) -> Option<ID> {
        self.0.decided_by.map(|staff| global_id(NodeType::Staff, staff))
    }

    /// When it was decided.
    async fn decided_at(&self) -> Option<DateTime<Utc>> {
        self.0.decided_at
    }
}

/// An adjustment to decide.
#[derive(Debug, InputObject)]
pub(super) struct PointsAdjustmentDecideInput {
    /// Which.
    id: ID,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Queries about adjustments.
#[derive(Debug, Default)]
pub struct AdjustmentsQuery;

#[Object]
impl AdjustmentsQuery {
    /// Adjustments that wait, or waited, for a second person, the newest first: all of them for whoever may approve, else
    /// one's own. For staff with `points.adjust`.
    #[graphql(guard = "Allowed")]
    async fn points_adjustments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only those that are there.")] state: Option<PointsAdjustmentState>,
    ) -> Result<NewestPages<PointsAdjustment>, ApiError> {
        let (staff, role) = asking(ctx)?;
        let mut all = Entity::find();
        if !Permission::PointsApprove.is_of(role) {
            all = all.filter(Column::RequestedBy.eq(staff));
        }
        if let Some(state) = state {
            all = all.filter(Column::State.eq(AdjustmentState::from(state)));
        }
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, all, Column::Id, arguments, |row| (row.id.0, PointsAdjustment(row))).await
    }
}

/// Mutations of balances by staff.
#[derive(Debug, Default)]
pub struct AdjustmentsMutation;

#[Object]
impl AdjustmentsMutation {
    /// Corrects a balance; to undo a correction, make the opposite one. Above the limit of the caller's role nothing moves
    /// yet: the adjustment waits until somebody else approves it. For staff with `points.adjust`.
    #[graphql(guard = "Allowed")]
    async fn points_adjust(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose, by how many, and why.")] input: PointsAdjustInput,
    ) -> Result<PointsPayload, ApiError> {
        let (by, role) = asking(ctx)?;
        let Some(account) = local_id::<AccountId>(&input.customer_id, NodeType::Customer) else {
            return Ok(PointsPayload::not_found("customerId"));
        };
        let Some(reason) = readable(&input.reason) else { return Ok(unreadable("reason")) };
        let command = Adjust { account, delta: input.delta, reason, by, role };
        let app = ctx.data_unchecked::<App>();
        let key = key(ctx, "pointsAdjust", input.idempotency_key);
        match split(app.write_once(&key, &command, adjustments::adjust).await)? {
            Ok(Once { value: Adjusted::Moved(posting), replayed }) => {
                Ok(PointsPayload::moved(account, &Once { value: posting, replayed }))
            }
            Ok(Once { value: Adjusted::Waiting(id), replayed }) => {
                let found = Some(read(app, id).await?);
                let account = Some(account);
                Ok(PointsPayload { adjustment: found, account, replayed, ..PointsPayload::default() })
            }
            Err(error) => Ok(refused(error, "customerId")),
        }
    }

    /// Moves the points of an adjustment that somebody else asked for, in their name. One that the balance does not allow
    /// goes on waiting. For staff with `points.approve` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn points_adjustment_approve(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: PointsAdjustmentDecideInput,
    ) -> Result<PointsPayload, ApiError> {
        decide(ctx, "pointsAdjustmentApprove", input, adjustments::approve).await
    }

    /// Refuses an adjustment that somebody else asked for, which needs `points.approve`, or withdraws one's own.
    /// For staff with `points.adjust`.
    #[graphql(guard = "Allowed")]
    async fn points_adjustment_reject(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: PointsAdjustmentDecideInput,
    ) -> Result<PointsPayload, ApiError> {
        decide(ctx, "pointsAdjustmentReject", input, adjustments::reject).await
    }
}

/// Decides once for the caller's key, and tells what became of it.
async fn decide(
    ctx: &Context<'_>,
    operation: &'static str,
    input: PointsAdjustmentDecideInput,
    work: impl AsyncFn(&Tx, &Decide) -> Outcome<Decided, AdjustmentError>,
) -> Result<PointsPayload, ApiError> {
    let (by, role) = asking(ctx)?;
    let Some(adjustment) = local_id::<AdjustmentId>(&input.id, NodeType::PointsAdjustment) else {
        return Ok(refused(AdjustmentError::NotFound, "id"));
    };
    let command = Decide { adjustment, by, may_approve: Permission::PointsApprove.is_of(role) };
    let app = ctx.data_unchecked::<App>();
    let key = key(ctx, operation, input.idempotency_key);
    let Once { value: Decided { adjustment, posting }, replayed } =
        match split(app.write_once(&key, &command, work).await)? {
            Ok(once) => once,
            Err(error) => return Ok(refused(error, "id")),
        };
    let found = read(app, adjustment).await?;
    let CustomerId(owner) = found.0.customer_id;
    Ok(PointsPayload {
        points: posting.map(|posting| posting.points),
        adjustment: Some(found),
        account: Some(AccountId(owner)),
        replayed,
        ..PointsPayload::default()
    })
}

async fn read(app: &App, id: AdjustmentId) -> Result<PointsAdjustment, ApiError> {
    let found = Entity::find_by_id(id).one(&app.db.read).await?;
    let row = found.ok_or_else(|| Fault::internal("an adjustment that was written is gone"))?;
    Ok(PointsAdjustment(row))
}

/// The member of staff who asks, and their role; the guard has let nobody else through.
fn asking(ctx: &Context<'_>) -> Result<(StaffId, Role), ApiError> {
    match ctx.data_opt::<Viewer>() {
        Some(Viewer::Staff { staff, role, .. }) => Ok((*staff, *role)),
        _ => Err(ApiError::Fault(Fault::internal("an operation of staff without a member of staff"))),
    }
}

fn key(ctx: &Context<'_>, operation: &'static str, key: IdempotencyKey) -> Key {
    Key { scope: ctx.data_unchecked::<Viewer>().key_scope(), key: key.0, operation }
}

fn refused(error: AdjustmentError, named: &str) -> PointsPayload {
    match error {
        AdjustmentError::NotFound => PointsPayload::not_found(named),
        AdjustmentError::Own => {
            let message = "Somebody else has to approve what you asked for.";
            PointsPayload::refused(PointsErrorCode::OwnAdjustment, Some(named), message)
        }
        AdjustmentError::Decided { state } => {
            let message = format!("The adjustment is {state:?} already.");
            PointsPayload::refused(PointsErrorCode::AdjustmentDecided, Some(named), message)
        }
        AdjustmentError::Points(reason) => refusal(reason, named),
    }
}
