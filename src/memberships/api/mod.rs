//! Memberships over GraphQL: plans, joining, and what becomes of a membership.

mod change;
mod join;
mod loaders;
mod payload;
mod plans;
mod queries;
mod savings;
mod types;

pub use loaders::{MembershipLoader, loader};
pub(crate) use loaders::{membership_joined_with, membership_of};
pub(crate) use savings::{MembershipSavings, would_have};
pub(crate) use types::Membership;

use async_graphql::{Context, ID, MergedObject};
use entity::id::MembershipId;
use entity::membership::{Entity, Model};
use sea_orm::EntityTrait;

use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::error::Fault;
use crate::graphql::global_id::{NodeType, local_id};
use crate::memberships::MembershipError;
use crate::memberships::calls::{self, Answer};

/// Queries about plans and memberships.
#[derive(Debug, Default, MergedObject)]
pub struct MembershipsQuery(plans::PlansQuery, queries::HeldQuery, savings::SavingsQuery);

/// Mutations of plans and memberships.
#[derive(Debug, Default, MergedObject)]
pub struct MembershipsMutation(plans::PlansMutation, join::JoinMutation, change::ChangeMutation);

/// The membership that the caller means and may touch: customers their own.
async fn meant(ctx: &Context<'_>, id: &ID) -> Result<Option<Model>, Fault> {
    let Some(id) = local_id::<MembershipId>(id, NodeType::Membership) else { return Ok(None) };
    let Some(row) = Entity::find_by_id(id).one(&ctx.data_unchecked::<App>().db.read).await? else {
        return Ok(None);
    };
    let may = match ctx.data_unchecked::<Viewer>() {
        Viewer::Customer { customer, .. } => row.customer_id == *customer,
        Viewer::Shop { .. } | Viewer::Staff { .. } => true,
        Viewer::Anonymous => false,
    };
    Ok(may.then_some(row))
}

/// How what was asked of whoever takes the money went; a job goes on if they cannot be reached.
fn outcome(asked: Result<Answer, Fault>) -> Result<Answer, MembershipError> {
    match asked {
        Ok(Answer::Declined) => Err(MembershipError::PaymentDeclined),
        Ok(Answer::Refused) => Err(MembershipError::PaymentRefused),
        Ok(answer @ (Answer::Page(_) | Answer::Device(_) | Answer::Done)) => Ok(answer),
        Err(fault) => {
            tracing::warn!(?fault, "a call of billing is left to its job");
            Err(MembershipError::PaymentsUnavailable)
        }
    }
}

/// Asks what is pending of a membership, within what is left of the request's time.
async fn ask(ctx: &Context<'_>, membership: MembershipId) -> Option<MembershipError> {
    let app = ctx.data_unchecked::<App>();
    let asked = calls::in_time(calls::ask_pending(app, membership)).await;
    outcome(asked).err()
}
