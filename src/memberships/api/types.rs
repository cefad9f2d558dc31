//! Memberships over GraphQL.

use async_graphql::{ComplexObject, Context, Enum, ID, Object, SimpleObject};
use entity::Instant;
use entity::membership::{EndedWhy, MembershipState, Model};
use entity::membership_charge::{self, ChargeStatus};

use super::loaders;
use super::plans::{MembershipInterval, MembershipPlan};
use super::savings::{MembershipSavings, of_membership};
use crate::app::App;
use crate::delivery::api::{DeliverySlotHold, places_of};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::scalars::MoneyValue;
use crate::money::Money;

/// Where a membership is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "MembershipState", remote = "MembershipState")]
pub(super) enum StateName {
    /// Asked for; neither paid nor on trial yet.
    Incomplete,
    /// On trial.
    Trialing,
    /// Paid.
    Active,
    /// A payment is late; its benefits go on for the grace that its plan gives.
    PastDue,
    /// Paused: the days that are left wait.
    Paused,
    /// Ended because somebody wanted that.
    Cancelled,
    /// Ended because nobody paid.
    Expired,
}

/// Why a membership ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "EndedWhy")]
pub(super) enum MembershipEndReason {
    /// Its member cancelled it.
    Member,
    /// The shop cancelled it.
    Shop,
    /// Its member withdrew from the contract.
    Withdrawn,
    /// Its payment was given back.
    Refunded,
    /// Its payment was taken back by the bank.
    Disputed,
    /// Its trial was begun with a card that had one before.
    TrialUsed,
    /// It was ended where it is billed.
    Deleted,
    /// It was not paid in time.
    Unpaid,
    /// Its first payment never came.
    NeverPaid,
}

/// What became of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ChargeStatus")]
pub(super) enum MembershipChargeStatus {
    /// Nobody has paid yet.
    Open,
    /// A try to take it failed.
    Failed,
    /// It will not be taken.
    Void,
    /// Paid.
    Paid,
    /// Paid; the payer's bank has taken it back for now.
    Disputed,
    /// Disputed, and kept.
    Won,
    /// Given or taken back for good.
    Refunded,
}

/// A paid membership.
#[derive(Clone, Debug)]
pub(crate) struct Membership(pub(super) Model);

#[Object]
impl Membership {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::Membership, self.0.id)
    }

    /// Whose it is.
    async fn customer_id(&self) -> ID {
        global_id(NodeType::Customer, self.0.customer_id)
    }

    /// What it is.
    async fn plan(&self, ctx: &Context<'_>) -> Result<MembershipPlan, ApiError> {
        loaders::plan(ctx, self.0.plan_id).await
    }

    /// Where it is, as of the last change; `entitled` is exact.
    async fn state(&self) -> StateName {
        self.0.state.into()
    }

    /// Whether its benefits are given now.
    async fn entitled(&self, ctx: &Context<'_>) -> bool {
        let now = ctx.data_unchecked::<App>().clock.now();
        self.0.ended_at.is_none() && self.0.entitled_until.is_some_and(|until| now < until)
    }

    /// Until when its benefits are given if nothing happens, grace included; null if they never were.
    async fn entitled_until(&self) -> Option<Instant> {
        self.0.entitled_until
    }

    /// The end of what is paid, or of the trial; null before that.
    async fn paid_through(&self) -> Option<Instant> {
        self.0.paid_through
    }

    /// The end of the trial, once it has begun.
    async fn trial_until(&self) -> Option<Instant> {
        self.0.trial_until
    }

    /// Whether it ends with what is paid, or with its minimum term.
    async fn cancel_at_period_end(&self) -> bool {
        self.0.cancels_at.is_some()
    }

    /// When it is to end.
    async fn cancels_at(&self) -> Option<Instant> {
        self.0.cancels_at
    }

    /// The end of its minimum term, once it has begun; null if it has none.
    async fn minimum_until(&self) -> Option<Instant> {
        self.0.minimum_until
    }

    /// What it costs per interval, as agreed.
    async fn price(&self) -> Result<MoneyValue, ApiError> {
        Ok(Money { minor: self.0.price, currency: self.0.currency.parse()? }.into())
    }

    /// How often that is paid.
    async fn billed(&self) -> MembershipInterval {
        self.0.billed.into()
    }

    /// What it becomes; null if it stays what it is.
    async fn next_plan(&self, ctx: &Context<'_>) -> Result<Option<MembershipPlan>, ApiError> {
        match self.0.next_plan_id {
            Some(plan) => Ok(Some(loaders::plan(ctx, plan).await?)),
            None => Ok(None),
        }
    }

    /// When it becomes that; as soon as the difference is paid, if null.
    async fn next_plan_at(&self) -> Option<Instant> {
        self.0.next_at
    }

    /// When it was asked for.
    async fn began_at(&self) -> Instant {
        self.0.began_at
    }

    /// When it was first paid, or its trial began.
    async fn joined_at(&self) -> Option<Instant> {
        self.0.joined_at
    }

    /// When it ended.
    async fn ended_at(&self) -> Option<Instant> {
        self.0.ended_at
    }

    /// Why it ended.
    async fn ended_because(&self) -> Option<MembershipEndReason> {
        self.0.ended_why.map(Into::into)
    }

    /// What it saved its member in shipping.
    async fn savings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Orders placed from then on; since it was asked for, if left out.")] from: Option<
            Instant,
        >,
        #[graphql(desc = "Orders placed before; all until now, if left out.")] until: Option<Instant>,
    ) -> Result<MembershipSavings, ApiError> {
        let plan = loaders::plan(ctx, self.0.plan_id).await?.0;
        of_membership(ctx.data_unchecked::<App>(), &self.0, plan, from, until).await
    }

    /// The places in delivery slots that its customer holds or has ordered, for members only or not, and that are not over;
    /// the earliest first, 20 at most.
    async fn slots(&self, ctx: &Context<'_>) -> Result<Vec<DeliverySlotHold>, ApiError> {
        places_of(ctx, self.0.customer_id).await
    }

    /// What was asked for it, the last first; 24 at most.
    async fn charges(&self, ctx: &Context<'_>) -> Result<Vec<MembershipCharge>, ApiError> {
        loaders::charges(ctx, self.0.id).await
    }
}

/// What was asked, and paid, for some time of a membership.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct MembershipCharge {
    #[graphql(skip)]
    row: membership_charge::Model,
    /// From when on it is for.
    covers_from: Instant,
    /// Until when.
    covers_until: Instant,
    /// When it was asked.
    asked_at: Instant,
    /// When it was paid.
    paid_at: Option<Instant>,
    /// When a try to take it failed last.
    failed_at: Option<Instant>,
}

#[ComplexObject]
impl MembershipCharge {
    /// What became of it.
    async fn status(&self) -> MembershipChargeStatus {
        self.row.status.into()
    }

    /// What was asked.
    async fn amount(&self) -> Result<MoneyValue, ApiError> {
        Ok(Money { minor: self.row.amount, currency: self.row.currency.parse()? }.into())
    }

    /// What of it was given back.
    async fn refunded(&self) -> Result<MoneyValue, ApiError> {
        Ok(Money { minor: self.row.refunded, currency: self.row.currency.parse()? }.into())
    }
}

impl From<membership_charge::Model> for MembershipCharge {
    fn from(row: membership_charge::Model) -> Self {
        let (covers_from, covers_until) = (row.covers_from, row.covers_until);
        let (asked_at, paid_at, failed_at) = (row.asked_at, row.paid_at, row.failed_at);
        Self { row, covers_from, covers_until, asked_at, paid_at, failed_at }
    }
}
