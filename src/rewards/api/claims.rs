//! Claims of rewards as callers see them.

#![expect(clippy::unused_async, reason = "async-graphql takes no resolver that is not async")]

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, Object};
use entity::Instant;
use entity::id::CustomerId;
use entity::reward_claim::{self, Column, Entity, Model};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::loaders::{CouponCode, ExternalCode, RewardLoader, RewardRow};
use super::rewards::Reward;
use crate::audit::reads::Person;
use crate::auth::viewer::{Permission, Viewer};
use crate::customers::api::note_read;
use crate::error::Fault;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::page::PageArguments;
use crate::points::amount::Points;

/// Where a claim of a reward is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "reward_claim::RewardClaimState")]
pub(crate) enum RewardClaimState {
    /// Paid with points; the shop has still to hand it over.
    Claimed,
    /// Handed over; a coupon, early access and a code of others are at once.
    Fulfilled,
    /// Undone: points went back, and stock if it was no code of others.
    Cancelled,
}

/// A customer's claim of a reward.
#[derive(Debug)]
pub(crate) struct RewardClaim(pub(super) Model);

/// The claims of a customer, the last first.
pub(crate) async fn claims_of(
    ctx: &Context<'_>,
    customer: CustomerId,
    arguments: PageArguments,
) -> Result<NewestPages<RewardClaim>, ApiError> {
    let theirs = Entity::find().filter(Column::CustomerId.eq(customer));
    newest_first(ctx, theirs, Column::Id, arguments, |row| (row.id.0, RewardClaim(row))).await
}

#[Object]
impl RewardClaim {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::RewardClaim, self.0.id)
    }

    /// Of what, as it is now.
    async fn reward(&self, ctx: &Context<'_>) -> Result<Reward, ApiError> {
        let loader = ctx.data_unchecked::<DataLoader<RewardLoader>>();
        let found = loader.load_one(RewardRow(self.0.reward_id)).await.map_err(Fault::of)?;
        Ok(Reward(found.ok_or_else(|| Fault::internal("a claim of a reward that is gone"))?))
    }

    /// Where it is.
    async fn state(&self) -> RewardClaimState {
        self.0.state.into()
    }

    /// Points that it cost.
    async fn cost(&self) -> Result<Points, ApiError> {
        Ok(Points::try_from(i64::from(self.0.cost))?)
    }

    /// The code of the coupon that it gave.
    async fn coupon_code(&self, ctx: &Context<'_>) -> Result<Option<String>, ApiError> {
        let Some(coupon) = self.0.coupon_id else { return Ok(None) };
        let loader = ctx.data_unchecked::<DataLoader<RewardLoader>>();
        Ok(loader.load_one(CouponCode(coupon)).await.map_err(Fault::of)?)
    }

    /// The code of others, such as of a voucher, that it handed out; null for all but the customer and staff with
    /// `coupons.write`. Who has it keeps it, even if the claim is undone.
    async fn external_code(&self, ctx: &Context<'_>) -> Result<Option<String>, ApiError> {
        let may_see = match ctx.data_opt() {
            Some(Viewer::Customer { customer, .. }) => *customer == self.0.customer_id,
            Some(Viewer::Staff { role, .. }) => Permission::CouponsWrite.is_of(*role),
            Some(Viewer::Shop { .. } | Viewer::Anonymous) | None => false,
        };
        let Some(code) = self.0.code_id.filter(|_| may_see) else { return Ok(None) };
        note_read(ctx, Person::Customer(self.0.customer_id));
        let loader = ctx.data_unchecked::<DataLoader<RewardLoader>>();
        Ok(loader.load_one(ExternalCode(code)).await.map_err(Fault::of)?)
    }

    /// When.
    async fn claimed_at(&self) -> Instant {
        self.0.claimed_at
    }
}
