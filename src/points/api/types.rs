//! What clients see of an account: balances, lots, holds and the ledger.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::id::AccountId;
use entity::points_entry::{ActorKind, Bucket, EntryKind};
use entity::points_hold::HoldState;
use entity::points_lot::LotState;
use entity::{Instant, points_account, points_entry, points_hold, points_lot};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::page::{Page, PageArguments, Pages};
use crate::graphql::scalars::{MoneyValue, PointsTotal};
use crate::money::{Currency, Money};
use crate::points::amount::Points;
use crate::points::store::Span;

/// Where points are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Bucket")]
pub enum PointsBucket {
    /// Outside: where points come from.
    Issued,
    /// Earned, not active.
    Pending,
    /// To spend.
    Available,
    /// Set aside.
    Held,
    /// Spent.
    Redeemed,
    /// Lost by time.
    Expired,
    /// Taken back.
    Revoked,
    /// Owed: repaid first from later credits.
    Debt,
}

/// Why points moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "EntryKind")]
pub enum PointsEntryKind {
    /// Earned.
    Earn,
    /// Became spendable.
    Activate,
    /// Set aside.
    Hold,
    /// Given back from a hold.
    Release,
    /// Spent from a hold.
    Capture,
    /// Spent points given back after a return.
    Refund,
    /// By staff.
    Adjust,
    /// Taken back after a return.
    ClawBack,
    /// Lost by time.
    Expire,
    /// A guest never came.
    Lapse,
    /// A claw-back the balance could not cover.
    Owe,
    /// A debt paid from a later credit.
    Repay,
    /// Left a guest identity for the customer it proved to be.
    JoinOut,
    /// Came from a guest identity.
    JoinIn,
    /// Left a customer who turned out to be another.
    MergeOut,
    /// Came from a customer who turned out to be this one.
    MergeIn,
    /// Brought over from another programme.
    Opening,
}

/// Who moved points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ActorKind")]
pub enum PointsActor {
    /// The member.
    Customer,
    /// The shop's server.
    Shop,
    /// The shop's staff.
    Staff,
    /// Time and rules.
    System,
}

/// Where a hold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "HoldState")]
pub enum PointsHoldState {
    /// Set aside.
    Held,
    /// Spent.
    Captured,
    /// Given back.
    Voided,
    /// Given back by time.
    Expired,
    /// Spent, some given back.
    PartiallyReversed,
    /// Spent, all given back.
    Reversed,
}

/// A points account.
#[derive(Debug)]
pub struct PointsAccount(pub(crate) points_account::Model);

/// The account of an owner.
pub async fn account_of(app: &App, account: AccountId) -> Result<Option<PointsAccount>, ApiError> {
    Ok(app.shared.accounts.one(app, account).await?.map(PointsAccount))
}

/// The account that commands on this one are posted to: another, if it was merged.
pub(super) async fn posted_account(app: &App, account: AccountId) -> Result<Option<PointsAccount>, ApiError> {
    let mut found = account_of(app, account).await?;
    while let Some(heir) = found.as_ref().and_then(|account| account.0.merged_into) {
        found = account_of(app, heir).await?;
    }
    Ok(found)
}

/// An amount as clients are told it: never beyond what a client can hold.
pub(crate) fn shown(points: i64) -> Points {
    Points::try_from(points).unwrap_or(if points < 0 { Points::ZERO } else { Points::MAX })
}

#[Object]
impl PointsAccount {
    /// Points to spend. Points past their end are taken out within a minute, and are never spent.
    async fn available(&self) -> Points {
        shown(self.0.available)
    }

    /// Points earned and not active yet.
    async fn pending(&self) -> Points {
        shown(self.0.pending)
    }

    /// Points set aside for orders.
    async fn held(&self) -> Points {
        shown(self.0.held)
    }

    /// Points owed after a return: repaid first from later credits.
    async fn debt(&self) -> Points {
        shown(self.0.debt)
    }

    /// All points ever spent and not given back.
    async fn redeemed(&self) -> PointsTotal {
        PointsTotal(self.0.redeemed)
    }

    /// All points lost by time.
    async fn expired(&self) -> PointsTotal {
        PointsTotal(self.0.expired)
    }

    /// The earns of which something is pending or left, those that end first first; at most 100.
    async fn lots(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most this many, 1 to 100.", default = 20)] first: i32,
    ) -> Result<Vec<PointsLot>, ApiError> {
        use points_lot::Column;
        let limit = bounded(first)?;
        let lots = points_lot::Entity::find()
            .filter(Column::AccountId.eq(self.0.id))
            .filter(Column::State.is_in([LotState::Open, LotState::Pending, LotState::Waiting]))
            .order_by_asc(Column::ExpiresAt.is_null())
            .order_by_asc(Column::ExpiresAt)
            .order_by_asc(Column::OpenedAt)
            .order_by_asc(Column::Id)
            .limit(limit)
            .all(&ctx.data_unchecked::<App>().db.read)
            .await?;
        Ok(lots.into_iter().map(PointsLot).collect())
    }

    /// What ends next: at most 20 instants with the points that end then. What ends without activity is told with the
    /// instant when that will be, unless an activity comes before.
    async fn next_expiries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most this many, 1 to 20.", default = 3)] first: i32,
    ) -> Result<Vec<PointsExpiry>, ApiError> {
        use points_lot::Column;
        let limit = bounded(first)?.min(20);
        let db = &ctx.data_unchecked::<App>().db.read;
        let rows: Vec<(Instant, i64)> = points_lot::Entity::find()
            .select_only()
            .column(Column::ExpiresAt)
            .expr(Column::Remaining.sum())
            .filter(Column::AccountId.eq(self.0.id))
            .filter(Column::State.eq(LotState::Open))
            .filter(Column::ExpiresAt.is_not_null())
            .group_by(Column::ExpiresAt)
            .order_by_asc(Column::ExpiresAt)
            .limit(limit)
            .into_tuple()
            .all(db)
            .await?;
        let mut ends: BTreeMap<Instant, i64> = rows.into_iter().collect();
        if let Some(at) = self.0.inactive_at {
            let idle: Option<Option<i64>> = points_lot::Entity::find()
                .select_only()
                .expr(Column::Remaining.sum())
                .filter(Column::AccountId.eq(self.0.id))
                .filter(Column::State.eq(LotState::Open))
                .filter(Column::ActivityPeriod.eq(self.0.activity_period))
                .into_tuple()
                .one(db)
                .await?;
            if let Some(points) = idle.flatten() {
                *ends.entry(at).or_default() += points;
            }
        }
        let ends = ends.into_iter().take(usize::try_from(limit)?);
        Ok(ends.map(|(at, points)| PointsExpiry { at, points: shown(points) }).collect())
    }

    /// The holds that are open.
    async fn holds(&self, ctx: &Context<'_>) -> Result<Vec<PointsHold>, ApiError> {
        use points_hold::Column;
        let holds = points_hold::Entity::find()
            .filter(Column::AccountId.eq(self.0.id))
            .filter(Column::State.eq(HoldState::Held))
            .order_by_asc(Column::CreatedAt)
            .limit(100)
            .all(&ctx.data_unchecked::<App>().db.read)
            .await?;
        Ok(holds.into_iter().map(PointsHold).collect())
    }

    /// The ledger of this account, newest first.
    async fn entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<Pages<i64, PointsEntry>, ApiError> {
        let page = Page::<i64>::of(PageArguments { first, after, last, before })?;
        let app = ctx.data_unchecked::<App>();
        // The sequence has no gaps: the last number is the count, and a page is a span of numbers.
        let found = app.shared.entries.one(app, span(&self.0, &page)).await?;
        let mut rows = found.unwrap_or_default();
        if !page.backwards {
            rows.reverse();
        }
        Ok(page.connect(rows, self.0.seq, |row| (row.seq, PointsEntry(row))))
    }
}

/// The entries of a page, and the one behind it.
fn span(account: &points_account::Model, page: &Page<i64>) -> Span {
    let more = i64::try_from(page.limit).unwrap_or(i64::MAX);
    let from = page.before.map_or(1, |before| before.saturating_add(1)).max(1);
    let until = page.after.map_or(account.seq, |after| after.saturating_sub(1)).min(account.seq);
    let account = account.id;
    if page.backwards {
        Span { account, from, until: until.min(from.saturating_add(more)) }
    } else {
        Span { account, from: from.max(until.saturating_sub(more)), until }
    }
}

fn bounded(first: i32) -> Result<u64, ApiError> {
    match u64::try_from(first) {
        Ok(first @ 1..=100) => Ok(first),
        _ => Err(ApiError::bad_input("first must be 1 to 100")),
    }
}

/// Points that end at one instant.
#[derive(Debug, SimpleObject)]
pub(super) struct PointsExpiry {
    /// When they end.
    at: Instant,
    /// How many.
    points: Points,
}

/// One earn and what is left of it.
#[derive(Debug)]
pub(super) struct PointsLot(pub(crate) points_lot::Model);

#[Object]
impl PointsLot {
    /// Global id.
    async fn id(&self) -> ID {
        global_id(NodeType::PointsLot, self.0.id)
    }

    /// Points earned.
    async fn earned(&self) -> Points {
        shown(self.0.amount.into())
    }

    /// Points of it not active yet.
    async fn pending(&self) -> Points {
        shown(self.0.pending.into())
    }

    /// Points of it left to spend.
    async fn remaining(&self) -> Points {
        shown(self.0.remaining.into())
    }

    /// When its pending points activate, if that is known.
    async fn activates_at(&self) -> Option<Instant> {
        self.0.activates_at
    }

    /// When it became spendable.
    async fn opened_at(&self) -> Option<Instant> {
        self.0.opened_at
    }

    /// When what is left of it ends; null if never, or without activity only.
    async fn expires_at(&self) -> Option<Instant> {
        self.0.expires_at
    }

    /// Whether it ends when the member has been inactive for so long as the programme says.
    async fn ends_without_activity(&self) -> bool {
        self.0.activity_period.is_some() && self.0.expires_at.is_none()
    }
}

/// Points set aside, then spent or given back.
#[derive(Debug)]
pub(super) struct PointsHold(pub(crate) points_hold::Model);

#[Object]
impl PointsHold {
    /// Global id.
    async fn id(&self) -> ID {
        global_id(NodeType::PointsHold, self.0.id)
    }

    /// Where it is.
    async fn state(&self) -> PointsHoldState {
        self.0.state.into()
    }

    /// Points it set aside.
    async fn points(&self) -> Points {
        shown(self.0.amount.into())
    }

    /// What they pay; null for a reward.
    async fn value(&self) -> Option<MoneyValue> {
        let currency: Currency = self.0.currency.as_deref()?.parse().ok()?;
        Some(Money { minor: self.0.value, currency }.into())
    }

    /// Points of it that returns gave back.
    async fn reversed(&self) -> Points {
        shown(self.0.reversed.into())
    }

    /// The order that has it.
    async fn order_id(&self) -> Option<ID> {
        self.0.order_id.map(|order| global_id(NodeType::Order, order))
    }

    /// What a reward was for.
    async fn reference(&self) -> Option<&str> {
        self.0.reference.as_deref()
    }

    /// When it gives its points back unless captured.
    async fn expires_at(&self) -> Instant {
        self.0.expires_at
    }
}

/// One move of points.
#[derive(Debug)]
pub(super) struct PointsEntry(pub(crate) points_entry::Model);

#[Object]
impl PointsEntry {
    /// Global id.
    async fn id(&self) -> ID {
        global_id(NodeType::PointsEntry, self.0.id)
    }

    /// Its number in the account, from 1 without gaps.
    async fn sequence(&self) -> i64 {
        self.0.seq
    }

    /// Why.
    async fn kind(&self) -> PointsEntryKind {
        self.0.kind.into()
    }

    /// Where from.
    async fn from(&self) -> PointsBucket {
        self.0.from_bucket.into()
    }

    /// Where to.
    async fn to(&self) -> PointsBucket {
        self.0.to_bucket.into()
    }

    /// How many, above 0.
    async fn points(&self) -> Points {
        shown(self.0.amount.into())
    }

    /// The order behind it.
    async fn order_id(&self) -> Option<ID> {
        self.0.order_id.map(|order| global_id(NodeType::Order, order))
    }

    /// The rule that gave it, such as `base:EUR`.
    async fn rule(&self) -> Option<&str> {
        self.0.rule.as_deref()
    }

    /// The version of that rule.
    async fn rule_version(&self) -> Option<i32> {
        self.0.rule_version
    }

    /// In the words of staff or the shop.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// Who did it.
    async fn actor(&self) -> PointsActor {
        self.0.actor_kind.into()
    }

    /// Which member of staff did it; told to staff only.
    async fn staff_id(&self, ctx: &Context<'_>) -> Option<ID> {
        let told = matches!(ctx.data_opt::<Viewer>(), Some(Viewer::Staff { .. }));
        let staff = self.0.actor_id.filter(|_| told && self.0.actor_kind == ActorKind::Staff)?;
        Some(global_id(NodeType::Staff, staff))
    }

    /// When it counts.
    async fn effective_at(&self) -> Instant {
        self.0.effective_at
    }

    /// When it was written.
    async fn recorded_at(&self) -> Instant {
        self.0.recorded_at
    }
}
