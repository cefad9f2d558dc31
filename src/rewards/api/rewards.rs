//! Rewards over GraphQL.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::id::RewardClaimId;
use entity::reward::{Column, Entity, Model};
use entity::{Instant, reward_claim};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;

use super::claims::RewardClaim;
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::customers::api::meant;
use crate::error::{Fault, Outcome};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::once::{once, written};
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::{Decimal, IdempotencyKey};
use crate::idempotency::Once;
use crate::money::{Currency, Money, Rate};
use crate::points::amount::Points;
use crate::points::command::PointsError;
use crate::rewards::claims::{self, Claim, End, Gives, RewardError, Upsert};
use crate::rewards::terms::Discount;
use crate::tx::Tx;

/// Something that customers get for points.
#[derive(Debug)]
pub(crate) struct Reward(pub(super) Model);

#[Object]
impl Reward {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::Reward, self.0.id)
    }

    /// The shop's.
    async fn code(&self) -> &str {
        &self.0.code
    }

    /// As customers read it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// As customers read it.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Points that it costs.
    async fn cost(&self) -> Result<Points, ApiError> {
        Ok(Points::try_from(i64::from(self.0.cost))?)
    }

    /// How many are left; null if nobody counts.
    async fn stock(&self) -> Option<i32> {
        self.0.stock
    }

    /// How many one customer can claim; without end, if null.
    async fn customer_limit(&self) -> Option<i32> {
        self.0.customer_limit
    }

    /// Until when it is offered; without end, if null.
    async fn ends_at(&self) -> Option<Instant> {
        self.0.ends_at
    }

    /// The codes of the tiers whose members can claim it; everybody can, if empty.
    async fn tiers(&self) -> Result<Vec<String>, ApiError> {
        Ok(serde_json::from_value(self.0.tiers.clone()).map_err(Fault::from)?)
    }

    /// The codes of the plans whose members can claim it, as long as they are given its benefits; everybody can, if empty.
    async fn plans(&self) -> Result<Vec<String>, ApiError> {
        Ok(serde_json::from_value(self.0.plans.clone()).map_err(Fault::from)?)
    }

    /// Whether it can be claimed now, by members of its tiers and plans if it is for those.
    async fn available(&self, ctx: &Context<'_>) -> bool {
        let now = ctx.data_unchecked::<App>().clock.now();
        claims::is_offered(&self.0, now) && self.0.stock != Some(0)
    }
}

/// A reward to make or change, by its code. One of `percent`, `amount`, `freeShipping`, `sku`,
/// `earlyAccessSkus` and `externalCode` is given.
#[derive(Debug, InputObject)]
pub(super) struct RewardUpsertInput {
    /// The shop's, 1 to 60 of a-z, 0-9 and `-`.
    code: String,
    /// As customers read it, 1 to 100 characters.
    name: String,
    /// As customers read it, at most 2000 characters.
    #[graphql(default)]
    description: String,
    /// Points that it costs, at least 1.
    cost: Points,
    /// How many are left from now on; nobody counts, if left out.
    stock: Option<i32>,
    /// How many one customer can claim, 1 or more; without end, if left out.
    customer_limit: Option<i32>,
    /// A coupon for one order that takes off this share, above 0 and at most 1.
    percent: Option<Rate>,
    /// A coupon for one order that takes off this amount.
    amount: Option<Decimal>,
    /// What `amount` is in; the shop's currency if left out.
    currency: Option<Currency>,
    /// A coupon for one order that takes off the shipping.
    #[graphql(default)]
    free_shipping: bool,
    /// For how many days the coupon is good, 1 to 3650.
    #[graphql(default = 90)]
    valid_days: u32,
    /// An article that the shop hands over.
    sku: Option<String>,
    /// Skus, 1 to 50, of products that whoever claims it sees and orders before they are public, from their
    /// `earlyAccessFrom` on. Claims keep those that it had then.
    early_access_skus: Option<Vec<String>>,
    /// One of the codes of others, such as of vouchers, that `rewardCodesAdd` adds; their number is its stock, so `stock`
    /// is left out. Stays as it was first stated.
    #[graphql(default)]
    external_code: bool,
    /// From when on it is offered; at once, if left out.
    starts_at: Option<Instant>,
    /// Until when; without end, if left out.
    ends_at: Option<Instant>,
    /// The codes of the tiers whose members can claim it; everybody can, if left out.
    #[graphql(default)]
    tiers: Vec<String>,
    /// The codes of the plans whose members can claim it; everybody can, if left out. Of a reward with tiers too, they need
    /// both.
    #[graphql(default)]
    plans: Vec<String>,
    /// Not offered any more.
    #[graphql(default)]
    archived: bool,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A reward to claim.
#[derive(Debug, InputObject)]
pub(super) struct RewardClaimInput {
    /// Which.
    reward_id: ID,
    /// Who claims it; a customer leaves it out.
    customer_id: Option<ID>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// A claim to hand over or undo.
#[derive(Debug, InputObject)]
pub(super) struct RewardClaimEndInput {
    /// Which.
    claim_id: ID,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Why a reward was not stated, claimed, handed over or undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum RewardErrorCode {
    /// No such reward, claim or customer that the caller may touch.
    NotFound,
    /// A value out of its bounds, or values that do not go together.
    Invalid,
    /// Not offered yet, or not any more.
    NotOffered,
    /// For members of other tiers.
    TierRequired,
    /// For members of other plans.
    PlanRequired,
    /// None is left.
    OutOfStock,
    /// The customer has claimed as many as one may.
    CustomerLimitReached,
    /// It costs more points than are available.
    InsufficientPoints,
    /// The claim was handed over or undone, or its coupon was used.
    ClaimEnded,
}

/// A reward that was stated, or why not.
#[derive(Debug, SimpleObject)]
pub(super) struct RewardPayload {
    /// The reward.
    reward: Option<Reward>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<RewardErrorCode>>,
}

/// A claim that was made, handed over or undone, or why not.
#[derive(Debug, SimpleObject)]
pub(super) struct RewardClaimPayload {
    /// The claim.
    claim: Option<RewardClaim>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<RewardErrorCode>>,
}

/// Queries about rewards.
#[derive(Debug, Default)]
pub struct RewardsQuery;

/// Mutations of rewards.
#[derive(Debug, Default)]
pub struct RewardsMutation;

#[Object]
impl RewardsQuery {
    /// What is offered for points now, the newest first. For everyone.
    #[graphql(guard = "Allowed")]
    async fn rewards(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<Reward>, ApiError> {
        let now = ctx.data_unchecked::<App>().clock.now();
        let offered = Entity::find()
            .filter(Column::Archived.eq(false))
            .filter(Column::StartsAt.is_null().or(Column::StartsAt.lte(now)))
            .filter(Column::EndsAt.is_null().or(Column::EndsAt.gt(now)));
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, offered, Column::Id, arguments, |row| (row.id.0, Reward(row))).await
    }
}

#[Object]
impl RewardsMutation {
    /// Makes or changes a reward. For staff with `coupons.write`.
    #[graphql(guard = "Allowed")]
    async fn reward_upsert(
        &self,
        ctx: &Context<'_>,
        input: RewardUpsertInput,
    ) -> Result<RewardPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let idempotency_key = input.idempotency_key.clone();
        let upsert = match input.parse(app) {
            Ok(upsert) => upsert,
            Err(error) => return Ok(RewardPayload::refused(error)),
        };
        match once(ctx, "rewardUpsert", idempotency_key, &upsert, claims::upsert).await? {
            Ok(Once { value, replayed }) => {
                let reward = Some(Reward(written::<Entity>(ctx, value).await?));
                Ok(RewardPayload { reward, replayed, user_errors: Vec::new() })
            }
            Err(error) => Ok(RewardPayload::refused(error)),
        }
    }

    /// Claims a reward and pays it with points, all or nothing. One that is a coupon or a code of others answers its code, the latter to the
    /// customer only.
    /// For the customer, shop keys with `points:write`.
    #[graphql(guard = "Allowed")]
    async fn reward_claim(
        &self,
        ctx: &Context<'_>,
        input: RewardClaimInput,
    ) -> Result<RewardClaimPayload, ApiError> {
        let Some(customer) = meant(ctx, input.customer_id.as_ref()).await? else {
            return Ok(RewardClaimPayload::refused(RewardError::NotFound, "customerId"));
        };
        let by = ctx.data_unchecked::<Viewer>().actor();
        let claim = Claim { reward: local_id(&input.reward_id, NodeType::Reward), customer, by };
        run(ctx, "rewardClaim", input.idempotency_key, &claim, "rewardId", claims::claim).await
    }

    /// The shop handed a claimed article over. For shop keys with `points:write`, staff with `coupons.write`.
    #[graphql(guard = "Allowed")]
    async fn reward_claim_fulfil(
        &self,
        ctx: &Context<'_>,
        input: RewardClaimEndInput,
    ) -> Result<RewardClaimPayload, ApiError> {
        let by = ctx.data_unchecked::<Viewer>().actor();
        let end = End { claim: local_id(&input.claim_id, NodeType::RewardClaim), by };
        run(ctx, "rewardClaimFulfil", input.idempotency_key, &end, "claimId", claims::fulfil).await
    }

    /// Undoes a claim that was not handed over, or whose coupon nobody used, or that gives early access, which ends: points
    /// and stock go back. A code of others that was handed out can be undone too, but is never handed out again. For shop keys with `points:write`, staff with `coupons.write`.
    #[graphql(guard = "Allowed")]
    async fn reward_claim_cancel(
        &self,
        ctx: &Context<'_>,
        input: RewardClaimEndInput,
    ) -> Result<RewardClaimPayload, ApiError> {
        let by = ctx.data_unchecked::<Viewer>().actor();
        let end = End { claim: local_id(&input.claim_id, NodeType::RewardClaim), by };
        run(ctx, "rewardClaimCancel", input.idempotency_key, &end, "claimId", claims::cancel).await
    }
}

async fn run<C: Serialize>(
    ctx: &Context<'_>,
    operation: &'static str,
    key: IdempotencyKey,
    command: &C,
    named: &str,
    work: impl AsyncFn(&Tx, &C) -> Outcome<RewardClaimId, RewardError>,
) -> Result<RewardClaimPayload, ApiError> {
    match once(ctx, operation, key, command, work).await? {
        Ok(Once { value, replayed }) => {
            let row = written::<reward_claim::Entity>(ctx, value).await?;
            Ok(RewardClaimPayload { claim: Some(RewardClaim(row)), replayed, user_errors: Vec::new() })
        }
        Err(error) => Ok(RewardClaimPayload::refused(error, named)),
    }
}

impl RewardUpsertInput {
    fn unclear() -> RewardError {
        let problem =
            "or amount, freeShipping, sku, earlyAccessSkus or externalCode must be given, and only one";
        RewardError::Invalid { field: "percent", problem }
    }

    fn parse(self, app: &App) -> Result<Upsert, RewardError> {
        let currency = self.currency.unwrap_or(app.settings().currency);
        let gives = match (self.percent, self.amount, self.free_shipping, self.sku, self.early_access_skus) {
            (None, None, false, None, None) if self.external_code => Gives::ExternalCode,
            _ if self.external_code => return Err(Self::unclear()),
            (Some(share), None, false, None, None) => {
                Gives::Discount(Discount::Percent(share), self.valid_days)
            }
            (None, Some(amount), false, None, None) => {
                let money = Money::parse_unsigned(&amount.0, currency);
                let problem = "is not an amount of the currency";
                let minor =
                    money.map_err(|_problem| RewardError::Invalid { field: "amount", problem })?.minor;
                Gives::Discount(Discount::Amount(minor, currency.code().to_owned()), self.valid_days)
            }
            (None, None, true, None, None) => Gives::Discount(Discount::FreeShipping, self.valid_days),
            (None, None, false, Some(sku), None) => Gives::Product(sku),
            (None, None, false, None, Some(skus)) => Gives::EarlyAccess(skus.into_iter().collect()),
            _ => return Err(Self::unclear()),
        };
        let too_much = |_error| RewardError::Invalid { field: "cost", problem: "must be 1 or more" };
        Ok(Upsert {
            code: self.code,
            name: self.name,
            description: self.description,
            gives,
            cost: i32::try_from(i64::from(self.cost)).map_err(too_much)?,
            stock: self.stock,
            customer_limit: self.customer_limit,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            archived: self.archived,
            tiers: self.tiers.into_iter().collect(),
            plans: self.plans.into_iter().collect(),
        })
    }
}

/// The code, field and text of a refusal; `named` is the field whose id was given.
pub(super) fn told(error: RewardError, named: &str) -> UserError<RewardErrorCode> {
    use RewardErrorCode as Code;
    let (code, field, message) = match error {
        RewardError::NotFound | RewardError::Points(PointsError::NotFound | PointsError::GuestAccount) => {
            (Code::NotFound, named, "There is no such thing.".to_owned())
        }
        RewardError::Invalid { field, problem } => (Code::Invalid, field, format!("{field} {problem}.")),
        RewardError::NotOffered => (Code::NotOffered, named, "The reward is not offered now.".to_owned()),
        RewardError::TierRequired => {
            (Code::TierRequired, named, "The reward is for members of other tiers.".to_owned())
        }
        RewardError::PlanRequired => {
            (Code::PlanRequired, named, "The reward is for members of other plans.".to_owned())
        }
        RewardError::OutOfStock => (Code::OutOfStock, named, "None is left.".to_owned()),
        RewardError::CustomerLimitReached => {
            (Code::CustomerLimitReached, named, "You have claimed as many as you may.".to_owned())
        }
        RewardError::Points(PointsError::Insufficient { available }) => {
            (Code::InsufficientPoints, named, format!("Only {available} points are available."))
        }
        RewardError::Ended | RewardError::Points(_) => {
            (Code::ClaimEnded, named, "The claim was handed over, used or undone already.".to_owned())
        }
    };
    UserError { code, field: Some(vec!["input".to_owned(), field.to_owned()]), message }
}

impl RewardPayload {
    fn refused(error: RewardError) -> Self {
        Self { reward: None, replayed: false, user_errors: vec![told(error, "code")] }
    }
}

impl RewardClaimPayload {
    fn refused(error: RewardError, named: &str) -> Self {
        Self { claim: None, replayed: false, user_errors: vec![told(error, named)] }
    }
}
