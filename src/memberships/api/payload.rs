//! What mutations of memberships and plans answer.

use async_graphql::{Context, Enum, SimpleObject};
use entity::id::MembershipId;
use entity::membership::Entity;

use super::types::Membership;
use crate::graphql::fault::ApiError;
use crate::graphql::once::written;
use crate::graphql::payload::UserError;
use crate::memberships::MembershipError;

/// Why nothing was done to a membership or plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum MembershipErrorCode {
    /// No such membership or customer that the caller may touch.
    NotFound,
    /// A value out of its bounds, or values that do not go together.
    Invalid,
    /// There is no such plan, or it cannot be joined any more.
    PlanNotOffered,
    /// The customer has a membership that has not ended.
    AlreadyMember,
    /// The state of the membership does not admit it.
    InvalidState,
    /// It is to last longer.
    MinimumTerm,
    /// The 14 days for withdrawing are over.
    WithdrawalOver,
    /// A benefit was used, so that withdrawing is over.
    BenefitUsed,
    /// The card was declined; nothing changed.
    PaymentDeclined,
    /// Payments cannot be reached. What was asked for is kept, and done as soon as they can be; the same request with the
    /// same key tells how far that is.
    PaymentsUnavailable,
    /// Whoever takes the money refused it for good; the shop's log has the reason.
    PaymentRefused,
    /// There are 20 plans: change one of those.
    TooManyPlans,
}

/// A membership that was changed, or why not.
#[derive(Debug, SimpleObject)]
pub(super) struct MembershipPayload {
    /// The membership, as it is now.
    membership: Option<Membership>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done, or was not done yet.
    user_errors: Vec<UserError<MembershipErrorCode>>,
}

impl MembershipPayload {
    /// As it is now; with `error`, what was asked for is not done, or not yet.
    pub(super) async fn of(
        ctx: &Context<'_>,
        membership: MembershipId,
        replayed: bool,
        error: Option<MembershipError>,
    ) -> Result<Self, ApiError> {
        let membership = Some(Membership(written::<Entity>(ctx, membership).await?));
        let user_errors = error.into_iter().map(|error| told(error, "membershipId")).collect();
        Ok(Self { membership, replayed, user_errors })
    }

    pub(super) fn refused(error: MembershipError) -> Self {
        Self { membership: None, replayed: false, user_errors: vec![told(error, "membershipId")] }
    }
}

/// The code, field and text of a refusal; `named` is the field that names what it is about.
pub(super) fn told(error: MembershipError, named: &str) -> UserError<MembershipErrorCode> {
    use MembershipErrorCode as Code;
    let (code, field) = match error {
        MembershipError::NotFound => (Code::NotFound, named),
        MembershipError::Invalid { field, .. } => (Code::Invalid, field),
        MembershipError::PlanNotOffered => (Code::PlanNotOffered, "plan"),
        MembershipError::AlreadyMember => (Code::AlreadyMember, "customerId"),
        MembershipError::InvalidState { .. } => (Code::InvalidState, named),
        MembershipError::MinimumTerm { .. } => (Code::MinimumTerm, "when"),
        MembershipError::WithdrawalOver => (Code::WithdrawalOver, "when"),
        MembershipError::BenefitUsed => (Code::BenefitUsed, "when"),
        MembershipError::PaymentDeclined => (Code::PaymentDeclined, named),
        MembershipError::PaymentsUnavailable => (Code::PaymentsUnavailable, named),
        MembershipError::PaymentRefused => (Code::PaymentRefused, named),
        MembershipError::TooManyPlans => (Code::TooManyPlans, named),
    };
    let field = Some(vec!["input".to_owned(), field.to_owned()]);
    UserError { code, field, message: error.to_string() }
}
