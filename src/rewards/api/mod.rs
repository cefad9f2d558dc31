//! Coupons and rewards over GraphQL.

mod claims;
mod codes;
mod coupon_inputs;
mod coupons;
mod loaders;
mod rewards;

pub(crate) use claims::{RewardClaim, claims_of};
pub use codes::RewardCodesMutation;
pub use coupons::{CouponsMutation, CouponsQuery};
pub use loaders::{RewardLoader, loader};
pub use rewards::{RewardsMutation, RewardsQuery};

use async_graphql::Enum;

/// Why a coupon cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "super::terms::Refusal")]
pub(super) enum CouponUseErrorCode {
    /// No such coupon, or nothing of it that the caller may touch.
    NotFound,
    /// It can be used later.
    NotStarted,
    /// It has ended or was withdrawn.
    Expired,
    /// It was used as often as it may be.
    LimitReached,
    /// The customer used it as often as one may.
    CustomerLimitReached,
    /// The cart does not cost enough, or not in the currency that the coupon asks for.
    MinimumNotMet,
    /// It is somebody else's.
    WrongCustomer,
    /// It does not go together with points.
    NotCombinable,
    /// Nothing in the cart is what it is for, or it is for another currency.
    CartDoesNotMatch,
    /// It is for members of some plans, and the customer is given the benefits of none of them now. A membership that an
    /// order joins does not open it for that order.
    MembersOnly,
}
