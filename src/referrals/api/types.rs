//! Referrals as callers see them: customers see where theirs are, the shop also between whom and why.

#![expect(clippy::unused_async, reason = "async-graphql takes no resolver that is not async")]

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, Object};
use entity::id::CustomerId;
use entity::referral::{Column, Entity, Model};
use entity::{Instant, referral};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::loaders::{CodeOf, CountsOf, ReceivedBy, ReferralLoader};
use crate::app::App;
use crate::audit::reads::Person;
use crate::auth::viewer::Viewer;
use crate::customers::api::note_read;
use crate::error::Fault;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::page::PageArguments;
use crate::points::amount::Points;
use crate::points::orders::Owner;
use crate::referrals::friend_of;

/// Where a referral is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "referral::ReferralState")]
pub enum ReferralState {
    /// Waits for the friend's first paid order.
    Pending,
    /// Waits for the end of that order's return window.
    Qualified,
    /// Both were rewarded.
    Rewarded,
    /// Nobody is rewarded.
    Refused,
    /// Both were rewarded, and what they got was taken back.
    ClawedBack,
}

/// Why a referral does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "referral::ReferralReason")]
pub enum ReferralReason {
    /// No such code, or one of somebody who takes no part in the programme or is disabled.
    CodeUnknown,
    /// Friend and referrer are one person.
    SamePerson,
    /// They have one mailbox, whatever its address has behind a plus or between dots.
    SameEmail,
    /// They have a postal address in common, of their profiles or orders.
    SameAddress,
    /// They paid with one card.
    SameCard,
    /// The friend had ordered before.
    NotNewCustomer,
    /// Another brought the friend.
    AlreadyReferred,
    /// The friend brought the referrer, or who brought the referrer, and so on.
    Circular,
    /// The referrer was rewarded as often as one may be in a year.
    ReferrerLimit,
    /// One of them takes no part in the programme, or is disabled.
    LeftProgramme,
    /// The order was cancelled, or all of it came back.
    OrderReturned,
}

impl ReferralReason {
    /// For a person of the shop.
    fn told(self) -> &'static str {
        match self {
            Self::CodeUnknown => "Nobody who takes part in the programme has the code.",
            Self::SamePerson => "Friend and referrer are one person.",
            Self::SameEmail => "Friend and referrer have one mailbox.",
            Self::SameAddress => "Friend and referrer have a postal address in common.",
            Self::SameCard => "Friend and referrer paid with one card.",
            Self::NotNewCustomer => "The friend had ordered before.",
            Self::AlreadyReferred => "Another customer had brought the friend before.",
            Self::Circular => "The friend had brought the referrer, by way of others or directly.",
            Self::ReferrerLimit => "The referrer was rewarded as often as one may be in a year.",
            Self::LeftProgramme => "One of them takes no part in the programme, or is disabled.",
            Self::OrderReturned => "The order was cancelled, or all of it came back.",
        }
    }
}

/// A friend whom a customer brought.
#[derive(Clone, Debug)]
pub struct Referral(pub(super) Model);

impl Referral {
    /// To be shown to the shop; that staff read of the two is written down.
    pub(super) fn shown(ctx: &Context<'_>, row: Model) -> Self {
        note_read(ctx, Person::Customer(row.referrer_id));
        match friend_of(&row) {
            Some(Owner::Customer(customer)) => note_read(ctx, Person::Customer(customer)),
            Some(Owner::Guest(guest)) => note_read(ctx, Person::Guest(guest)),
            None => {}
        }
        Self(row)
    }
}

/// Who is between whom, and why, is for the shop.
fn is_shop(ctx: &Context<'_>) -> bool {
    matches!(ctx.data_opt(), Some(Viewer::Shop { .. } | Viewer::Staff { .. }))
}

#[Object]
impl Referral {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::Referral, self.0.id)
    }

    /// Where it is.
    async fn state(&self) -> ReferralState {
        self.0.state.into()
    }

    /// Since when the friend has this referrer.
    async fn bound_at(&self) -> Instant {
        self.0.bound_at
    }

    /// When the order that counts was paid; null as long as none does.
    async fn qualified_at(&self) -> Option<Instant> {
        self.0.qualified_at
    }

    /// When the return window of the order that counts ends.
    async fn vests_at(&self) -> Option<Instant> {
        self.0.vests_at
    }

    /// When both were rewarded.
    async fn rewarded_at(&self) -> Option<Instant> {
        self.0.rewarded_at
    }

    /// When it was refused or taken back.
    async fn ended_at(&self) -> Option<Instant> {
        self.0.ended_at
    }

    /// What the referrer got, before anything was taken back.
    async fn referrer_points(&self) -> Result<Points, ApiError> {
        Ok(Points::try_from(i64::from(self.0.referrer_points))?)
    }

    /// What the friend got, before anything was taken back.
    async fn friend_points(&self) -> Result<Points, ApiError> {
        Ok(Points::try_from(i64::from(self.0.friend_points))?)
    }

    /// Why nobody is rewarded, or why it was taken back; null for customers: it may tell of the other.
    async fn reason(&self, ctx: &Context<'_>) -> Option<ReferralReason> {
        self.0.reason.filter(|_| is_shop(ctx)).map(Into::into)
    }

    /// Where it is and why, in a sentence; null for customers.
    async fn explanation(&self, ctx: &Context<'_>) -> Option<String> {
        is_shop(ctx).then(|| explained(&self.0))
    }

    /// The code that the friend named; null for customers.
    async fn code(&self, ctx: &Context<'_>) -> Option<&str> {
        is_shop(ctx).then_some(self.0.code.as_str())
    }

    /// Who brought the friend; null for customers.
    async fn referrer_id(&self, ctx: &Context<'_>) -> Option<ID> {
        is_shop(ctx).then(|| global_id(NodeType::Customer, self.0.referrer_id))
    }

    /// The friend; null for a guest, and for customers.
    async fn friend_id(&self, ctx: &Context<'_>) -> Option<ID> {
        self.0.friend_id.filter(|_| is_shop(ctx)).map(|id| global_id(NodeType::Customer, id))
    }

    /// The friend, until the mailbox is proven; null for customers.
    async fn guest_id(&self, ctx: &Context<'_>) -> Option<ID> {
        self.0.guest_id.filter(|_| is_shop(ctx)).map(|id| global_id(NodeType::Guest, id))
    }

    /// The order that counts; null as long as none does, and for customers.
    async fn order_id(&self, ctx: &Context<'_>) -> Option<ID> {
        self.0.order_id.filter(|_| is_shop(ctx)).map(|id| global_id(NodeType::Order, id))
    }
}

fn explained(row: &Model) -> String {
    let why = row.reason.map(|reason| ReferralReason::from(reason).told()).unwrap_or_default();
    let day = |at: Option<Instant>| at.map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default();
    match row.state {
        referral::ReferralState::Pending => "Waits for the friend's first paid order.".to_owned(),
        referral::ReferralState::Qualified => {
            format!("Waits for the end of the order's return window on {}.", day(row.vests_at))
        }
        referral::ReferralState::Rewarded => format!(
            "On {} the referrer got {} points and the friend {}.",
            day(row.rewarded_at),
            row.referrer_points,
            row.friend_points
        ),
        referral::ReferralState::Refused => format!("Refused on {}: {why}", day(row.ended_at)),
        referral::ReferralState::ClawedBack => format!("Taken back on {}: {why}", day(row.ended_at)),
    }
}

/// How a customer brings friends, and whom that brought.
#[derive(Clone, Copy, Debug)]
pub struct CustomerReferrals(CustomerId);

impl CustomerReferrals {
    /// Of a customer who did not turn out to be another.
    pub(crate) fn of(customer: CustomerId) -> Self {
        Self(customer)
    }
}

#[Object]
impl CustomerReferrals {
    /// What friends name to be brought by this customer; made when it is first asked for.
    async fn code(&self, ctx: &Context<'_>) -> Result<String, ApiError> {
        Ok(self.made_code(ctx).await?)
    }

    /// A link to the storefront with the code as `referral`; null if the shop has not said where its storefront is.
    async fn url(&self, ctx: &Context<'_>) -> Result<Option<String>, ApiError> {
        let Some(storefront) = ctx.data_unchecked::<App>().settings().storefront_url.clone() else {
            return Ok(None);
        };
        Ok(Some(format!("{storefront}/?referral={}", self.made_code(ctx).await?)))
    }

    /// Friends who named the code, whatever became of that.
    async fn invited(&self, ctx: &Context<'_>) -> Result<i32, ApiError> {
        let counts = loader(ctx).load_one(CountsOf(self.0)).await.map_err(Fault::of)?;
        Ok(i32::try_from(counts.unwrap_or_default().invited)?)
    }

    /// Friends for whom both were rewarded.
    async fn rewarded(&self, ctx: &Context<'_>) -> Result<i32, ApiError> {
        let counts = loader(ctx).load_one(CountsOf(self.0)).await.map_err(Fault::of)?;
        Ok(i32::try_from(counts.unwrap_or_default().rewarded)?)
    }

    /// Friends who named the code, the last first.
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<Referral>, ApiError> {
        let theirs = Entity::find().filter(Column::ReferrerId.eq(self.0));
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, theirs, Column::Id, arguments, |row| (row.id.0, Referral::shown(ctx, row))).await
    }

    /// The referral by which this customer was brought.
    async fn received(&self, ctx: &Context<'_>) -> Result<Option<Referral>, ApiError> {
        let received = loader(ctx).load_one(ReceivedBy(self.0)).await.map_err(Fault::of)?;
        Ok(received.map(|row| Referral::shown(ctx, row)))
    }
}

impl CustomerReferrals {
    async fn made_code(&self, ctx: &Context<'_>) -> Result<String, Fault> {
        let code = loader(ctx).load_one(CodeOf(self.0)).await.map_err(Fault::of)?;
        code.ok_or_else(|| Fault::internal("a customer without a code"))
    }
}

fn loader<'a>(ctx: &Context<'a>) -> &'a DataLoader<ReferralLoader> {
    ctx.data_unchecked()
}
