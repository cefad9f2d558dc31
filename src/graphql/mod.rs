//! The GraphQL API as a whole: roots, who may call what, scalars, ids, pages and limits. Types live with their slice.

pub mod access;
mod documents;
pub mod execute;
pub mod fault;
pub mod global_id;
mod lexer;
pub mod limits;
mod measure;
pub mod newest;
pub mod node;
pub(crate) mod once;
pub mod page;
pub mod payload;
pub mod scalars;
mod shape;

use async_graphql::{EmptySubscription, MergedObject, Request};

use crate::app::App;
use crate::audit::api::AuditQuery;
use crate::auth::api::{AuthMutation, AuthQuery};
use crate::auth::api_keys::api::{ApiKeysMutation, ApiKeysQuery};
use crate::auth::staff::api::{StaffMutation, StaffQuery};
use crate::billing::api::{BillingMutation, BillingQuery};
use crate::carts::api::{CartsMutation, CartsQuery};
use crate::catalog::api::{CatalogMutation, CatalogQuery};
use crate::consent::api::{ConsentMutation, ConsentQuery};
use crate::customers::api::{CustomersMutation, CustomersQuery};
use crate::delivery::api::{DeliveryMutation, DeliveryQuery};
use crate::earning::api::{EarningMutation, EarningQuery};
use crate::feedback::api::{FeedbackMutation, FeedbackQuery};
use crate::journeys::api::{JourneysMutation, JourneysQuery};
use crate::memberships::api::{MembershipsMutation, MembershipsQuery};
use crate::messages::api::{MessagesMutation, MessagesQuery};
use crate::onboarding::api::{OnboardingMutation, OnboardingQuery};
use crate::orders::api::{OrdersMutation, OrdersQuery};
use crate::packing::api::{PackingMutation, PackingQuery};
use crate::points::api::{
    AccountsAhead, AdjustmentsMutation, AdjustmentsQuery, LiabilityQuery, PointsMutation, PointsQuery,
};
use crate::referrals::api::{ReferralsMutation, ReferralsQuery};
use crate::rewards::api::{
    CouponsMutation, CouponsQuery, RewardCodesMutation, RewardsMutation, RewardsQuery,
};
use crate::settings::api::{SettingsMutation, SettingsQuery};
use crate::tiers::api::{TierMutation, TierQuery, TiersAhead};

/// Reading.
///
/// An operation has a cost, told in `extensions.cost` of its answer: a field with a selection costs 1 and what is
/// selected in it, `totalCount` 1, other fields without a selection nothing. A connection costs 1 and its selection as
/// many times as `first` or `last` says, or 20 times; so do `companions`, the products of a payload and the methods of a quote, 20 times. A root field of a mutation costs 10 more; `__schema` and `__type`
/// cost 100 each. An operation that costs more than 5,000, unless the shop has set another limit, is refused with
/// `OPERATION_TOO_COMPLEX`.
///
/// Requests are limited per address, account and API key, and tries of credentials per address and mailbox. What comes
/// too often is not done: it is answered with HTTP 429, the header `Retry-After`, the code `RATE_LIMITED` and, beside the
/// code, `retryAfterSeconds`.
#[derive(Debug, Default, MergedObject)]
pub struct Query(PeopleQuery, TradeQuery, LoyaltyQuery, DialogueQuery, node::NodeQuery);

/// Who people are, and what they may do.
#[derive(Debug, Default, MergedObject)]
struct PeopleQuery(CustomersQuery, OnboardingQuery, AuthQuery, StaffQuery, ApiKeysQuery, AuditQuery);

/// What the shop sells.
#[derive(Debug, Default, MergedObject)]
struct TradeQuery(SettingsQuery, OrdersQuery, CatalogQuery, CartsQuery, PackingQuery, DeliveryQuery);

/// What makes people come back.
#[derive(Debug, Default, MergedObject)]
struct LoyaltyQuery(
    PointsQuery,
    AdjustmentsQuery,
    EarningQuery,
    CouponsQuery,
    RewardsQuery,
    ReferralsQuery,
    LiabilityQuery,
    TierQuery,
    MembershipsQuery,
    BillingQuery,
);

/// What people are told, and what they say.
#[derive(Debug, Default, MergedObject)]
struct DialogueQuery(ConsentQuery, MessagesQuery, JourneysQuery, FeedbackQuery);

/// Changing; every mutation takes an idempotency key, except those whose credential can be used once only.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(PeopleMutation, TradeMutation, LoyaltyMutation, DialogueMutation);

/// Who people are, and what they may do.
#[derive(Debug, Default, MergedObject)]
struct PeopleMutation(AuthMutation, CustomersMutation, OnboardingMutation, StaffMutation, ApiKeysMutation);

/// What the shop sells.
#[derive(Debug, Default, MergedObject)]
struct TradeMutation(
    SettingsMutation,
    OrdersMutation,
    CatalogMutation,
    CartsMutation,
    PackingMutation,
    DeliveryMutation,
);

/// What makes people come back.
#[derive(Debug, Default, MergedObject)]
struct LoyaltyMutation(
    PointsMutation,
    AdjustmentsMutation,
    EarningMutation,
    CouponsMutation,
    RewardsMutation,
    RewardCodesMutation,
    ReferralsMutation,
    TierMutation,
    MembershipsMutation,
    BillingMutation,
);

/// What people are told, and what they say.
#[derive(Debug, Default, MergedObject)]
struct DialogueMutation(ConsentMutation, MessagesMutation, JourneysMutation, FeedbackMutation);

/// The schema with the application in it.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Builds the schema; with `app` it answers, without it only describes itself.
pub fn schema(app: Option<App>) -> Schema {
    let builder =
        Schema::build(Query::default(), Mutation::default(), EmptySubscription).disable_suggestions();
    match app {
        Some(app) => builder.data(app).finish(),
        None => builder.finish(),
    }
}

/// The schema as written in `schema.graphql`, ending without a line break.
pub fn sdl() -> String {
    schema(None).sdl().trim_end().to_owned()
}

/// Gives `request` its loaders: they live as long as it does, so that nothing they keep is seen by another viewer.
pub fn request_data(app: &App, request: Request) -> Request {
    request
        .data(AccountsAhead::default())
        .data(TiersAhead::default())
        .data(crate::orders::api::loader(app))
        .data(crate::earning::api::loader(app))
        .data(crate::catalog::api::loader(app))
        .data(crate::referrals::api::loader(app))
        .data(crate::tiers::api::loader(app))
        .data(crate::rewards::api::loader(app))
        .data(crate::memberships::api::loader(app))
        .data(crate::delivery::api::loader(app))
        .data(crate::feedback::api::loader(app))
        .data(crate::journeys::api::loader(app))
}
