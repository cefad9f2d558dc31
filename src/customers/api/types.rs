//! Customers and guest identities as clients see them.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::customer::AcquisitionReason;
use entity::{customer, guest_identity};

use super::addresses::CustomerAddress;
use super::{found, today, viewer};
use crate::app::App;
use crate::audit::reads::{Person, Reads};
use crate::auth::viewer::Viewer;
use crate::catalog::api::{WaitlistEntry, waitlist_of};
use crate::consent::api::{Consent, ConsentRecord, consent_history_of, consents_of};
use crate::customers::birthday::next_birthday;
use crate::customers::email::EmailAddress;
use crate::customers::preferences::Preferences;
use crate::customers::{CustomerBy, addresses};
use crate::feedback::api::{Review, SurveyAnswer, answers_of, reviews_of};
use crate::graphql::access::AllowedAs;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id};
use crate::graphql::newest::NewestPages;
use crate::graphql::page::PageArguments;
use crate::graphql::scalars::Date;
use crate::memberships::api::{Membership, MembershipSavings, membership_of, would_have};
use crate::messages::api::{InboxMessage, Message, inbox_of, messages_of, unread_of};
use crate::orders::api::{OrderPages, orders_of};
use crate::points::api::{PointsAccount, account_of};
use crate::points::orders::Owner;
use crate::referrals::api::CustomerReferrals;
use crate::rewards::api::{RewardClaim, claims_of};
use crate::tiers::api::{CustomerTier, tier_of};

/// What made a customer buy first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "AcquisitionReason")]
pub(super) enum CustomerAcquisitionReason {
    /// An offer.
    Offer,
    /// A need.
    Need,
    /// The moment.
    Impulse,
    /// Somebody's word.
    Referred,
    /// Something else.
    Other,
}

/// Something that a customer prefers.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "CustomerPreferenceInput")]
pub(super) struct CustomerPreference {
    /// 1 to 64 of a-z, 0-9, dot, underscore and hyphen.
    pub(super) key: String,
    /// 1 to 500 characters.
    pub(super) value: String,
}

/// A person known to the shop.
#[derive(Clone, Debug)]
pub struct Customer(pub(super) customer::Model);

impl Customer {
    /// To be shown in answer to this request; that staff read it is written down.
    pub(crate) fn shown(ctx: &Context<'_>, row: customer::Model) -> Self {
        note_read(ctx, Person::Customer(row.id));
        Self(row)
    }
}

#[Object]
impl Customer {
    /// Opaque; carries its type.
    pub async fn id(&self) -> ID {
        global_id(NodeType::Customer, self.0.id)
    }

    /// The shop's own id.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// How the shop writes to the customer.
    async fn email(&self) -> Option<EmailAddress> {
        self.0.email.clone().and_then(|email| EmailAddress::try_from(email).ok())
    }

    /// As the customer or the shop wrote it.
    async fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// BCP 47, such as `nl-BE`.
    async fn locale(&self) -> Option<&str> {
        self.0.locale.as_deref()
    }

    /// The day the customer was born.
    async fn birthday(&self) -> Option<Date> {
        self.0.birthday.map(Date)
    }

    /// The first birthday that is not over, by the shop's time zone; someone born on 29 February has it as the shop set.
    async fn next_birthday(&self, ctx: &Context<'_>) -> Option<Date> {
        let settings = ctx.data_unchecked::<App>().settings();
        next_birthday(self.0.birthday?, today(ctx), settings.leap_day_birthday).map(Date)
    }

    /// As written.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }

    /// What the customer prefers, by key; it means something to the shop only.
    async fn preferences(&self) -> Vec<CustomerPreference> {
        let pairs = Preferences::read(self.0.preferences.as_ref()).pairs();
        pairs.map(|(key, value)| CustomerPreference { key, value }).collect()
    }

    /// What made the customer buy first.
    async fn acquisition_reason(&self) -> Option<CustomerAcquisitionReason> {
        self.0.acquisition_reason.map(Into::into)
    }

    /// Where the customer can be reached, those kept longest first; 50 at most. Needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn addresses(&self, ctx: &Context<'_>) -> Result<Vec<CustomerAddress>, ApiError> {
        let rows = addresses::of(&ctx.data_unchecked::<App>().db.read, self.0.id).await?;
        Ok(rows.into_iter().map(CustomerAddress).collect())
    }

    /// Products that the customer waits for, what was asked for last first; 100 at most, but after a merge. Needs what
    /// `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn waitlist(&self, ctx: &Context<'_>) -> Result<Vec<WaitlistEntry>, ApiError> {
        waitlist_of(ctx, self.0.id).await
    }

    /// Rewards that the customer claimed, the last first. Needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn reward_claims(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<RewardClaim>, ApiError> {
        claims_of(ctx, self.0.id, PageArguments { first, after, last, before }).await
    }

    /// What the customer says of products, the newest first, also what is not published. Needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn reviews(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<Review>, ApiError> {
        reviews_of(ctx, self.0.id, PageArguments { first, after, last, before }).await
    }

    /// What the customer answered to surveys, by the newest message that asked. Needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn survey_answers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<SurveyAnswer>, ApiError> {
        answers_of(ctx, self.0.id, PageArguments { first, after, last, before }).await
    }

    /// How the customer brings friends; null for somebody who turned out to be another. Needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn referral(&self) -> Option<CustomerReferrals> {
        self.0.merged_into.is_none().then(|| CustomerReferrals::of(self.0.id))
    }

    /// The customer whom this one turned out to be: whoever names this one means that one.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn merged_into(&self, ctx: &Context<'_>) -> Result<Option<Customer>, ApiError> {
        match self.0.merged_into {
            Some(into) => found(ctx, &CustomerBy::Id(into)).await,
            None => Ok(None),
        }
    }

    /// Since when there is an account with a proven mailbox.
    async fn registered(&self) -> Option<DateTime<Utc>> {
        self.0.registered_at
    }

    /// Since when in the points programme.
    async fn enrolled(&self) -> Option<DateTime<Utc>> {
        self.0.enrolled_at
    }

    /// Since when sign-in is refused.
    async fn disabled(&self) -> Option<DateTime<Utc>> {
        self.0.disabled_at
    }

    /// When first heard of.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// The points account; needs what `customer` needs; null only for somebody who takes no part in the programme.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn points(&self, ctx: &Context<'_>) -> Result<Option<PointsAccount>, ApiError> {
        account_of(ctx, Owner::Customer(self.0.id).account()).await
    }

    /// The tier, what keeps it and what leads to the next; needs what `customer` needs; null if the shop has no tiers.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn tier(&self, ctx: &Context<'_>) -> Result<Option<CustomerTier>, ApiError> {
        tier_of(ctx, self.0.id).await
    }

    /// The paid membership that has not ended; null if there is none. Needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn membership(&self, ctx: &Context<'_>) -> Result<Option<Membership>, ApiError> {
        membership_of(ctx, self.0.id).await
    }

    /// What a plan would have saved in its last interval, by the orders placed without it; null if there is no such plan.
    /// Needs what `membershipSavings` needs, which tells of other times.
    #[graphql(guard = "AllowedAs(\"membershipSavings\")")]
    async fn would_have_saved(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Code of the plan.")] plan: String,
    ) -> Result<Option<MembershipSavings>, ApiError> {
        would_have(ctx.data_unchecked::<App>(), self.0.id, plan, None, None).await
    }

    /// What may be sent to the customer, for each purpose on each channel; needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn consents(&self, ctx: &Context<'_>) -> Result<Vec<Consent>, ApiError> {
        consents_of(ctx, self.0.id).await
    }

    /// All that was said about it, what was told last first; needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn consent_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<ConsentRecord>, ApiError> {
        consent_history_of(ctx, self.0.id, PageArguments { first, after, last, before }).await
    }

    /// The inbox, the newest first; for the customer alone.
    #[graphql(guard = "AllowedAs(\"me\")")]
    async fn inbox(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<InboxMessage>, ApiError> {
        inbox_of(ctx, self.0.id, PageArguments { first, after, last, before }).await
    }

    /// How many messages of the inbox are not marked as read; for the customer alone.
    #[graphql(guard = "AllowedAs(\"me\")")]
    async fn inbox_unread(&self, ctx: &Context<'_>) -> Result<i32, ApiError> {
        unread_of(ctx, self.0.id).await
    }

    /// What was sent to the customer, and what not and why, the newest first; needs what `customer` needs.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<Message>, ApiError> {
        messages_of(ctx, self.0.id, PageArguments { first, after, last, before }).await
    }

    /// Orders, those placed last first; needs what `orders` needs.
    #[graphql(guard = "AllowedAs(\"orders\")")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the last placed, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the first placed, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<OrderPages, ApiError> {
        orders_of(ctx, Owner::Customer(self.0.id), PageArguments { first, after, last, before }).await
    }
}

/// An address that ordered and is not proven.
#[derive(Clone, Debug)]
pub struct Guest(guest_identity::Model);

impl Guest {
    /// To be shown in answer to this request; that staff read it is written down.
    pub(crate) fn shown(ctx: &Context<'_>, row: guest_identity::Model) -> Self {
        note_read(ctx, Person::Guest(row.id));
        Self(row)
    }
}

/// That staff read of a person is written down.
pub(crate) fn note_read(ctx: &Context<'_>, person: Person) {
    if matches!(viewer(ctx), Viewer::Staff { .. })
        && let Some(reads) = ctx.data_opt::<Arc<Reads>>()
    {
        reads.note(person);
    }
}

#[Object]
impl Guest {
    /// Opaque; carries its type.
    pub async fn id(&self) -> ID {
        global_id(NodeType::Guest, self.0.id)
    }

    /// As first written.
    async fn email(&self) -> Option<EmailAddress> {
        EmailAddress::try_from(self.0.email.clone()).ok()
    }

    /// Whom the address proved to be.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<Customer>, ApiError> {
        let Some(customer) = self.0.customer_id else { return Ok(None) };
        found(ctx, &CustomerBy::Id(customer)).await
    }

    /// When the address was proven.
    async fn joined(&self) -> Option<DateTime<Utc>> {
        self.0.joined_at
    }

    /// When it first ordered.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// The points account; needs what `customer` needs; null only for somebody who takes no part in the programme.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    async fn points(&self, ctx: &Context<'_>) -> Result<Option<PointsAccount>, ApiError> {
        account_of(ctx, Owner::Guest(self.0.id).account()).await
    }

    /// What may be sent to the guest, for each purpose on each channel; needs what `guest` needs.
    #[graphql(guard = "AllowedAs(\"guest\")")]
    async fn consents(&self, ctx: &Context<'_>) -> Result<Vec<Consent>, ApiError> {
        consents_of(ctx, self.0.id).await
    }

    /// All that was said about it, what was told last first; needs what `guest` needs.
    #[graphql(guard = "AllowedAs(\"guest\")")]
    async fn consent_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<NewestPages<ConsentRecord>, ApiError> {
        consent_history_of(ctx, self.0.id, PageArguments { first, after, last, before }).await
    }

    /// Orders, those placed last first; needs what `orders` needs.
    #[graphql(guard = "AllowedAs(\"orders\")")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the last placed, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the first placed, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Result<OrderPages, ApiError> {
        orders_of(ctx, Owner::Guest(self.0.id), PageArguments { first, after, last, before }).await
    }
}
