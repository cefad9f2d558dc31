//! What clients see of an account: lots, holds and entries.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::points_entry::{ActorKind, Bucket, EntryKind};
use entity::points_hold::HoldState;
use entity::{Instant, points_entry, points_hold, points_lot};

use crate::auth::viewer::Viewer;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::scalars::MoneyValue;
use crate::money::{Currency, Money};
use crate::points::amount::Points;

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

/// An amount as clients are told it: never beyond what a client can hold.
pub(crate) fn shown(points: i64) -> Points {
    Points::try_from(points).unwrap_or(if points < 0 { Points::ZERO } else { Points::MAX })
}

/// Points that end at one instant.
#[derive(Debug, SimpleObject)]
pub(super) struct PointsExpiry {
    /// When they end.
    pub(super) at: Instant,
    /// How many.
    pub(super) points: Points,
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
