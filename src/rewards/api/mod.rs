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

use async_graphql::{Context, Enum, ID};
use entity::id::CustomerId;

use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::customers::{self, CustomerBy};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};

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
}

/// The customer that the caller means: customers themselves, or whom a server of the shop or staff name, or whom that one
/// turned out to be.
async fn meant(ctx: &Context<'_>, customer_id: Option<&ID>) -> Result<Option<CustomerId>, ApiError> {
    let named = customer_id.map(|id| local_id::<CustomerId>(id, NodeType::Customer));
    match (ctx.data_opt::<Viewer>(), named) {
        (Some(Viewer::Customer { customer, .. }), None) => Ok(Some(*customer)),
        (Some(Viewer::Customer { customer, .. }), Some(named)) => Ok(named.filter(|named| named == customer)),
        (Some(Viewer::Shop { .. } | Viewer::Staff { .. }), Some(Some(named))) => {
            let db = &ctx.data_unchecked::<App>().db.read;
            let found = customers::find(db, &CustomerBy::Id(named)).await?;
            Ok(found.map(|row| row.id))
        }
        _ => Ok(None),
    }
}
