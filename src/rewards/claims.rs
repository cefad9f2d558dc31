//! Rewards: offered for points, claimed by customers, handed over or undone.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entity::id::{AccountId, CouponId, CustomerId, HoldId, RewardClaimId, RewardCodeId, RewardId};
use entity::points_entry::ActorKind;
use entity::reward::{self, Column as Reward};
use entity::reward_claim::{ActiveModel, Column, Entity, Model, RewardClaimState};
use entity::{Instant, coupon};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveEnum, ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Set};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::codes;
use super::coupons::{self, Create};
use super::terms::{Discount, Terms};
use crate::actor::Actor;
use crate::audit::{self, Entry};
use crate::db::bulk::Rows;
use crate::db::dialect;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::memberships::{self, orders as members};
use crate::orders::rules::visible;
use crate::outbox::{self, Event};
use crate::points::amount::Points;
use crate::points::command::{Act, Command, PointsError};
use crate::points::ledger::post;
use crate::points::orders as points;
use crate::tiers;
use crate::tx::Tx;

/// What a reward is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Gives {
    /// A personal coupon for one order, good for so many days.
    Discount(Discount, u32),
    /// An article, which the shop hands over.
    Product(String),
    /// Seeing and ordering the products with these skus before they are public.
    EarlyAccess(BTreeSet<String>),
    /// One of the codes of others that were added to it.
    ExternalCode,
}

/// Products to which one reward gives early access.
const MOST_EARLY: usize = 50;

/// A reward as staff state it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Upsert {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) gives: Gives,
    pub(crate) cost: i32,
    pub(crate) stock: Option<i32>,
    pub(crate) customer_limit: Option<i32>,
    pub(crate) starts_at: Option<Instant>,
    pub(crate) ends_at: Option<Instant>,
    pub(crate) archived: bool,
    /// Codes of tiers.
    pub(crate) tiers: BTreeSet<String>,
    /// Codes of plans.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) plans: BTreeSet<String>,
}

/// Why a reward was not stated, claimed, handed over or undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RewardError {
    /// No such reward, claim or customer.
    NotFound,
    /// A value is out of its bounds.
    Invalid {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
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
    /// The ledger refuses to pay it.
    Points(PointsError),
    /// The claim was handed over or undone, or its coupon was used.
    Ended,
}

/// Makes or changes the reward with this code. The stock that is given is what is left from now on.
pub(crate) async fn upsert(tx: &Tx, upsert: &Upsert) -> Outcome<RewardId, RewardError> {
    check(upsert).map_err(Stop::Refused)?;
    if !tx.settings().tiers.has_all(&upsert.tiers) {
        return refuse(RewardError::Invalid { field: "tiers", problem: "must be tiers of the shop" });
    }
    if !memberships::plans::are_all(tx, &upsert.plans).await? {
        return refuse(RewardError::Invalid { field: "plans", problem: "must be plans of the shop" });
    }
    dialect::lock(tx.db(), &format!("reward\u{1f}{}", upsert.code)).await?;
    let found = reward::Entity::find().filter(Reward::Code.eq(upsert.code.as_str())).one(tx.db()).await?;
    let id = match &found {
        Some(row) => row.id,
        None => tx.id(),
    };
    let of_codes = upsert.gives == Gives::ExternalCode;
    if let Some(row) = &found
        && of_codes != (serde_json::from_value::<Gives>(row.gives.clone())? == Gives::ExternalCode)
    {
        return refuse(RewardError::Invalid { field: "externalCode", problem: "cannot be changed" });
    }
    if found.is_none() {
        let columns =
            &["id", "code", "name", "description", "gives", "cost", "archived", "created_at", "updated_at"];
        let mut rows = Rows::new("rewards", columns);
        rows.push([
            id.0.into(),
            upsert.code.as_str().into(),
            upsert.name.as_str().into(),
            upsert.description.as_str().into(),
            serde_json::to_value(&upsert.gives)?.into(),
            upsert.cost.into(),
            upsert.archived.into(),
            tx.now().into(),
            tx.now().into(),
        ]);
        rows.insert(tx.db()).await?;
    }
    let stock = match (of_codes, &found) {
        (true, Some(_)) => Expr::col(Reward::Stock),
        (true, None) => Expr::val(0),
        (false, _) => Expr::val(upsert.stock),
    };
    reward::Entity::update_many()
        .col_expr(Reward::Name, Expr::val(upsert.name.as_str()))
        .col_expr(Reward::Description, Expr::val(upsert.description.as_str()))
        .col_expr(Reward::Gives, Expr::val(serde_json::to_value(&upsert.gives)?))
        .col_expr(Reward::Cost, Expr::val(upsert.cost))
        .col_expr(Reward::Stock, stock)
        .col_expr(Reward::CustomerLimit, Expr::val(upsert.customer_limit))
        .col_expr(Reward::StartsAt, Expr::val(upsert.starts_at))
        .col_expr(Reward::EndsAt, Expr::val(upsert.ends_at))
        .col_expr(Reward::Archived, Expr::val(upsert.archived))
        .col_expr(Reward::Tiers, Expr::val(serde_json::to_value(&upsert.tiers)?))
        .col_expr(Reward::Plans, Expr::val(serde_json::to_value(&upsert.plans)?))
        .col_expr(Reward::UpdatedAt, Expr::val(tx.now()))
        .filter(Reward::Id.eq(id))
        .exec(tx.db())
        .await?;
    audit::record(tx, [Entry::of("reward.upsert", "Reward", id.0, json!({ "after": upsert }))]).await?;
    Ok(id)
}

fn check(upsert: &Upsert) -> Result<(), RewardError> {
    let invalid = |field, problem| Err(RewardError::Invalid { field, problem });
    let is_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=60).contains(&upsert.code.len()) || !upsert.code.chars().all(is_code) {
        return invalid("code", "must be 1 to 60 of a-z, 0-9 and -");
    }
    if upsert.name.trim().is_empty() || upsert.name.chars().count() > 100 {
        return invalid("name", "must be 1 to 100 characters");
    }
    if upsert.description.chars().count() > 2_000 {
        return invalid("description", "must be at most 2,000 characters");
    }
    if upsert.cost < 1 {
        return invalid("cost", "must be 1 or more");
    }
    if upsert.stock.is_some_and(|stock| stock < 0) {
        return invalid("stock", "must be 0 or more");
    }
    if upsert.customer_limit.is_some_and(|limit| limit < 1) {
        return invalid("customerLimit", "must be 1 or more");
    }
    if upsert.starts_at.zip(upsert.ends_at).is_some_and(|(starts, ends)| ends <= starts) {
        return invalid("endsAt", "must be later than startsAt");
    }
    match &upsert.gives {
        Gives::Discount(_, days) if !(1..=3_650).contains(days) => invalid("validDays", "must be 1 to 3,650"),
        Gives::Discount(discount, _) => {
            let invalid = |(field, problem)| RewardError::Invalid { field, problem };
            terms(discount.clone()).validate().map_err(invalid)
        }
        Gives::Product(sku) if sku.trim().is_empty() || sku.len() > 255 => {
            invalid("sku", "must be 1 to 255 characters")
        }
        Gives::EarlyAccess(skus) if skus.is_empty() || skus.len() > MOST_EARLY => {
            invalid("earlyAccessSkus", "must be 1 to 50")
        }
        Gives::EarlyAccess(skus) if skus.iter().any(|sku| visible(sku).is_err()) => {
            invalid("earlyAccessSkus", "must each be 1 to 255 characters on one line")
        }
        Gives::ExternalCode if upsert.stock.is_some() => {
            invalid("stock", "is how many of its codes are left, and cannot be given")
        }
        Gives::Product(_) | Gives::EarlyAccess(_) | Gives::ExternalCode => Ok(()),
    }
}

/// Terms of the coupon that a reward gives: for any cart, and back if the order is cancelled.
fn terms(discount: Discount) -> Terms {
    let (categories, skus, plans) = Default::default();
    Terms { discount, categories, skus, minimum: None, plans, with_points: true, back_on_cancel: true }
}

/// The plans whose members a reward is for; everybody, if none.
fn plans_of(row: &reward::Model) -> Result<BTreeSet<String>, Fault> {
    Ok(serde_json::from_value(row.plans.clone())?)
}

/// Refuses a customer who has none of the tiers, or none of the plans, that the reward is for; answers whether it is for
/// members of plans.
async fn check_member(tx: &Tx, row: &reward::Model, customer: CustomerId) -> Outcome<bool, RewardError> {
    let wanted: BTreeSet<String> = serde_json::from_value(row.tiers.clone())?;
    if !wanted.is_empty() {
        let held = tiers::held(tx.db(), [customer]).await?;
        if !held.get(&customer).is_some_and(|tier| wanted.contains(tier)) {
            return refuse(RewardError::TierRequired);
        }
    }
    let wanted = plans_of(row)?;
    if !wanted.is_empty() {
        let held = memberships::held(tx.db(), [customer], tx.now()).await?;
        if !held.get(&customer).is_some_and(|held| wanted.contains(&held.plan.code)) {
            return refuse(RewardError::PlanRequired);
        }
    }
    Ok(!wanted.is_empty())
}

/// A reward to be claimed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Claim {
    /// None if the id that was given is no reward's.
    pub(crate) reward: Option<RewardId>,
    pub(crate) customer: CustomerId,
    #[serde(skip)]
    pub(crate) by: Actor,
}

/// Takes one of the stock, pays it with the customer's points, and makes its coupon if it is one.
pub(crate) async fn claim(tx: &Tx, claim: &Claim) -> Outcome<RewardClaimId, RewardError> {
    let Some(id) = claim.reward else { return refuse(RewardError::NotFound) };
    let Some(offered) = reward::Entity::find_by_id(id).one(tx.db()).await? else {
        return refuse(RewardError::NotFound);
    };
    // In the order in which everybody locks: memberships, then rewards and accounts.
    if !plans_of(&offered)?.is_empty() {
        members::lock(tx, [claim.customer]).await?;
    }
    // Locks the row: what follows happens once at a time for this reward.
    let taken = reward::Entity::update_many()
        .col_expr(Reward::Stock, Expr::col(Reward::Stock).sub(1))
        .filter(Reward::Id.eq(id))
        .filter(Reward::Stock.is_null().or(Reward::Stock.gt(0)))
        .exec(tx.db())
        .await?;
    let Some(row) = reward::Entity::find_by_id(id).one(tx.db()).await? else {
        return refuse(RewardError::NotFound);
    };
    if !is_offered(&row, tx.now()) {
        return refuse(RewardError::NotOffered);
    }
    let named = AccountId(claim.customer.0);
    let owners = points::lock_owners(tx, &[named]).await?;
    // Whoever was merged meanwhile is whoever stays.
    let Some(customer) = owners.get(&named).and_then(|(_, customer)| *customer) else {
        return refuse(RewardError::NotFound);
    };
    let is_for_members = check_member(tx, &row, customer).await?;
    if taken.rows_affected != 1 {
        return refuse(RewardError::OutOfStock);
    }
    if let Some(most) = row.customer_limit {
        let own = Column::RewardId.eq(id).and(Column::CustomerId.eq(customer));
        let own = own.and(Column::State.ne(RewardClaimState::Cancelled));
        if Entity::find().filter(own).count(tx.db()).await? >= u64::try_from(most)? {
            return refuse(RewardError::CustomerLimitReached);
        }
    }
    let gives: Gives = serde_json::from_value(row.gives.clone())?;
    let code = if gives == Gives::ExternalCode { Some(codes::take(tx, id).await?) } else { None };
    let claim = &Claim { customer, ..*claim };
    let hold = pay(tx, &row, claim).await?;
    let early_access = match &gives {
        Gives::EarlyAccess(skus) => Some(serde_json::to_value(skus)?),
        Gives::Discount(..) | Gives::Product(_) | Gives::ExternalCode => None,
    };
    let coupon = make_coupon(tx, &row, customer, gives).await?;
    let handed = Given { coupon, early_access, code };
    let new = claimed(tx, &row, claim, hold, handed).insert(tx.db()).await?;
    if is_for_members {
        members::used(tx, [customer]).await?;
    }
    tell(tx, "reward.claimed", &new).await?;
    Ok(new.id)
}

/// Whether a reward can be claimed at `now`.
pub(crate) fn is_offered(row: &reward::Model, now: Instant) -> bool {
    !row.archived
        && row.starts_at.is_none_or(|starts| starts <= now)
        && row.ends_at.is_none_or(|ends| now < ends)
}

async fn pay(tx: &Tx, row: &reward::Model, claim: &Claim) -> Outcome<HoldId, RewardError> {
    let amount = Points::try_from(i64::from(row.cost))?;
    let command = Command {
        account: AccountId(claim.customer.0),
        act: Act::Redeem(amount, Some(row.name.clone())),
        by: claim.by,
        effective_at: None,
        imported: false,
    };
    let posted = post(tx, &[command]).await?.pop();
    match posted.ok_or_else(|| Fault::internal("a command without its posting"))? {
        Ok(posting) => Ok(posting.hold.ok_or_else(|| Fault::internal("a redemption without a hold"))?),
        Err(reason) => refuse(RewardError::Points(reason)),
    }
}

/// The coupon of a reward that is one.
async fn make_coupon(
    tx: &Tx,
    row: &reward::Model,
    customer: CustomerId,
    gives: Gives,
) -> Result<Option<CouponId>, Fault> {
    let Gives::Discount(discount, days) = gives else { return Ok(None) };
    let create = Create {
        code: None,
        name: row.name.clone(),
        terms: terms(discount),
        customer: Some(customer),
        starts_at: None,
        ends_at: Some(tx.after(TimeDelta::days(days.into()))),
        total_limit: Some(1),
        customer_limit: None,
    };
    coupons::insert(tx, &create, coupons::made_up()?).await.map(Some)
}

/// What a claim hands over at once, if it does.
struct Given {
    coupon: Option<CouponId>,
    /// Skus.
    early_access: Option<Json>,
    code: Option<RewardCodeId>,
}

fn claimed(tx: &Tx, row: &reward::Model, claim: &Claim, hold: HoldId, given: Given) -> ActiveModel {
    let is_at_once = given.coupon.is_some() || given.early_access.is_some() || given.code.is_some();
    let state = if is_at_once { RewardClaimState::Fulfilled } else { RewardClaimState::Claimed };
    ActiveModel {
        id: Set(tx.id()),
        reward_id: Set(row.id),
        customer_id: Set(claim.customer),
        state: Set(state),
        cost: Set(row.cost),
        hold_id: Set(hold),
        coupon_id: Set(given.coupon),
        claimed_at: Set(tx.now()),
        ended_at: Set(is_at_once.then(|| tx.now())),
        early_access: Set(given.early_access),
        code_id: Set(given.code),
    }
}

/// A claim to be handed over or undone.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct End {
    /// None if the id that was given is no claim's.
    pub(crate) claim: Option<RewardClaimId>,
    #[serde(skip)]
    pub(crate) by: Actor,
}

/// The shop handed it over.
pub(crate) async fn fulfil(tx: &Tx, end: &End) -> Outcome<RewardClaimId, RewardError> {
    let row = found(tx, end.claim).await?;
    move_to(tx, &row, RewardClaimState::Claimed, RewardClaimState::Fulfilled).await?;
    tell(tx, "reward.fulfilled", &row).await?;
    audited(tx, "reward.claim.fulfil", &row, RewardClaimState::Fulfilled).await?;
    Ok(row.id)
}

/// Undoes a claim: the points go back into their lots and the stock has one more. A coupon is undone as long as nobody
/// used it; early access ends, whatever was ordered with it. A code of others
/// that was handed out has been seen: it does not become free again, and the stock stays.
pub(crate) async fn cancel(tx: &Tx, end: &End) -> Outcome<RewardClaimId, RewardError> {
    let row = found(tx, end.claim).await?;
    let is_at_once = row.coupon_id.is_some() || row.early_access.is_some() || row.code_id.is_some();
    let from = if is_at_once { RewardClaimState::Fulfilled } else { RewardClaimState::Claimed };
    // In the order in which everybody locks: the stock, the coupon, the account.
    let back = i32::from(row.code_id.is_none());
    reward::Entity::update_many()
        .col_expr(Reward::Stock, Expr::col(Reward::Stock).add(back))
        .filter(Reward::Id.eq(row.reward_id))
        .exec(tx.db())
        .await?;
    move_to(tx, &row, from, RewardClaimState::Cancelled).await?;
    if let Some(coupon) = row.coupon_id {
        withdraw(tx, coupon).await?;
    }
    let account = AccountId(row.customer_id.0);
    let act = Act::Undo(row.hold_id);
    let command = Command { account, act, by: end.by, effective_at: None, imported: false };
    match post(tx, &[command]).await?.pop() {
        Some(Ok(_)) => {}
        Some(Err(reason)) => return refuse(RewardError::Points(reason)),
        None => return Err(Fault::internal("a command without its posting").into()),
    }
    tell(tx, "reward.cancelled", &row).await?;
    audited(tx, "reward.claim.cancel", &row, RewardClaimState::Cancelled).await?;
    Ok(row.id)
}

/// Withdraws a coupon that nobody has used.
async fn withdraw(tx: &Tx, id: CouponId) -> Outcome<(), RewardError> {
    use coupon::Column as Coupon;
    let withdrawn = coupon::Entity::update_many()
        .col_expr(Coupon::DisabledAt, Expr::val(tx.now()))
        .filter(Coupon::Id.eq(id).and(Coupon::Used.eq(0)))
        .exec(tx.db())
        .await?;
    if withdrawn.rows_affected == 1 { Ok(()) } else { refuse(RewardError::Ended) }
}

async fn found(tx: &Tx, claim: Option<RewardClaimId>) -> Outcome<Model, RewardError> {
    let found = match claim {
        Some(claim) => Entity::find_by_id(claim).one(tx.db()).await?,
        None => None,
    };
    match found {
        Some(row) => Ok(row),
        None => refuse(RewardError::NotFound),
    }
}

/// Of two who end a claim at once, one does.
async fn move_to(
    tx: &Tx,
    row: &Model,
    from: RewardClaimState,
    to: RewardClaimState,
) -> Outcome<(), RewardError> {
    let moved = Entity::update_many()
        .col_expr(Column::State, Expr::val(to.to_value()))
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(row.id).and(Column::State.eq(from)))
        .exec(tx.db())
        .await?;
    if moved.rows_affected == 1 { Ok(()) } else { refuse(RewardError::Ended) }
}

async fn tell(tx: &Tx, topic: &'static str, row: &Model) -> Result<(), Fault> {
    let payload = json!({ "claimId": row.id, "rewardId": row.reward_id, "customerId": row.customer_id, "cost": row.cost });
    let (aggregate_id, occurred_at) = (row.id.0, tx.now());
    outbox::emit(tx, [Event { topic, aggregate_id, payload, imported: false, occurred_at }]).await
}

/// Leaves an entry if staff did it.
async fn audited(tx: &Tx, act: &'static str, row: &Model, after: RewardClaimState) -> Result<(), Fault> {
    if tx.caller().actor.kind != ActorKind::Staff {
        return Ok(());
    }
    let (before, after) = (json!({ "state": row.state }), json!({ "state": after }));
    let detail = json!({ "claimId": row.id, "before": before, "after": after });
    audit::record(tx, [Entry::of_customer(act, row.customer_id, detail)]).await
}
