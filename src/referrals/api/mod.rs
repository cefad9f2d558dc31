//! Referrals over GraphQL.

mod loaders;
mod types;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::id::CustomerId;
use entity::referral::{self, Column, Entity};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

pub use self::loaders::loader;
pub use self::types::{CustomerReferrals, Referral, ReferralReason, ReferralState};
use super::bind::{Accept, ReferralError, accept};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::customers::api::changeable;
use crate::error::{Fault, split};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::page::PageArguments;
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Key;
use crate::throttle::{self, Tried};

/// Which referrals.
#[derive(Debug, InputObject)]
pub struct ReferralsFilter {
    /// In this state.
    state: Option<ReferralState>,
    /// Refused or taken back for this reason.
    reason: Option<ReferralReason>,
    /// With this customer, as referrer or friend.
    customer_id: Option<ID>,
}

impl ReferralsFilter {
    fn condition(self) -> Condition {
        let customer = self.customer_id.map(|id| match local_id::<CustomerId>(&id, NodeType::Customer) {
            Some(id) => Condition::any().add(Column::ReferrerId.eq(id)).add(Column::FriendId.eq(id)),
            // An id of nothing names no referrals.
            None => Condition::all().add(Column::Id.is_null()),
        });
        Condition::all()
            .add_option(self.state.map(|state| Column::State.eq(referral::ReferralState::from(state))))
            .add_option(self.reason.map(|reason| Column::Reason.eq(referral::ReferralReason::from(reason))))
            .add_option(customer)
    }
}

/// A code that somebody was given.
#[derive(Debug, InputObject)]
pub struct ReferralAcceptInput {
    /// As the friend types it; case, spaces and hyphens make no difference.
    code: String,
    /// The friend; a customer leaves it out.
    customer_id: Option<ID>,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Why a friend has no referrer by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ReferralErrorCode {
    /// No such customer that the caller may touch.
    NotFound,
    /// No such code, or one of somebody who takes no part in the programme or is disabled.
    CodeUnknown,
    /// It is the customer's own code.
    SamePerson,
    /// Friend and referrer have one mailbox, whatever its address has behind a plus or between dots.
    SameEmail,
    /// They have a postal address in common.
    SameAddress,
    /// They paid with one card.
    SameCard,
    /// The friend has ordered before.
    NotNewCustomer,
    /// Another brought the friend.
    AlreadyReferred,
    /// The friend brought the referrer, or who brought the referrer, and so on.
    Circular,
    /// One of them takes no part in the programme, or is disabled.
    LeftProgramme,
    /// Something speaks against it that customers are not told, since it may tell of somebody else.
    NotEligible,
}

/// A friend who has a referrer, or why not.
#[derive(Debug, SimpleObject)]
pub struct ReferralAcceptPayload {
    /// Null if the code does not count.
    referral: Option<Referral>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why the code does not count.
    user_errors: Vec<UserError<ReferralErrorCode>>,
}

/// Queries about referrals.
#[derive(Debug, Default)]
pub struct ReferralsQuery;

/// Mutations of referrals.
#[derive(Debug, Default)]
pub struct ReferralsMutation;

#[Object]
impl ReferralsQuery {
    /// Friends whom customers brought, the last first.
    /// For shop keys with `customers:read`, staff with `customers.read`.
    #[graphql(guard = "Allowed")]
    async fn referrals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the newest, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the oldest, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only referrals that match all of it.")] filter: Option<ReferralsFilter>,
    ) -> Result<NewestPages<Referral>, ApiError> {
        let found = Entity::find().filter(filter.map_or_else(Condition::all, ReferralsFilter::condition));
        let arguments = PageArguments { first, after, last, before };
        newest_first(ctx, found, Column::Id, arguments, |row| (row.id.0, Referral::shown(ctx, row))).await
    }
}

#[Object]
impl ReferralsMutation {
    /// Names the code that the customer was given, before the first order: both are rewarded when that is paid and its
    /// return window is over. One referrer for ever, the first. `orderRecord` takes the code of guests.
    /// For the customer, shop keys with `customers:write`.
    #[graphql(guard = "Allowed")]
    async fn referral_accept(
        &self,
        ctx: &Context<'_>,
        input: ReferralAcceptInput,
    ) -> Result<ReferralAcceptPayload, ApiError> {
        let (app, viewer) = (ctx.data_unchecked::<App>(), ctx.data_unchecked::<Viewer>());
        if let Viewer::Customer { customer, .. } = viewer {
            // Whoever tries many codes is looking for something.
            throttle::credential(app, Tried::ReferralCode, &customer.0.to_string()).await?;
        }
        let friend = changeable(viewer, input.customer_id.as_ref());
        let command = Accept { code: input.code, friend };
        let key =
            Key { scope: viewer.key_scope(), key: input.idempotency_key.0, operation: "referralAccept" };
        match split(app.write_once(&key, &command, accept).await)? {
            Ok(once) => {
                let row = Entity::find_by_id(once.value).one(&app.db.read).await?;
                let row = row.ok_or_else(|| Fault::internal("a referral that was written is gone"))?;
                let (referral, user_errors) = (Some(Referral(row)), Vec::new());
                Ok(ReferralAcceptPayload { referral, replayed: once.replayed, user_errors })
            }
            Err(error) => {
                let user_errors = vec![told(error, viewer)];
                Ok(ReferralAcceptPayload { referral: None, replayed: false, user_errors })
            }
        }
    }
}

/// Customers are not told what speaks of the other: whoever has a code could try what its owner's address is.
fn told(error: ReferralError, viewer: &Viewer) -> UserError<ReferralErrorCode> {
    use ReferralErrorCode as Code;
    let ReferralError::Refused(reason) = error else {
        return user_error(Code::NotFound, "customerId", "There is no such customer.");
    };
    let is_customer = matches!(viewer, Viewer::Customer { .. });
    let code = match ReferralReason::from(reason) {
        ReferralReason::CodeUnknown => Code::CodeUnknown,
        ReferralReason::SamePerson => Code::SamePerson,
        ReferralReason::NotNewCustomer => Code::NotNewCustomer,
        ReferralReason::AlreadyReferred => Code::AlreadyReferred,
        _ if is_customer => Code::NotEligible,
        ReferralReason::SameEmail => Code::SameEmail,
        ReferralReason::SameAddress => Code::SameAddress,
        ReferralReason::SameCard => Code::SameCard,
        ReferralReason::Circular => Code::Circular,
        ReferralReason::LeftProgramme => Code::LeftProgramme,
        // These come up later only.
        ReferralReason::ReferrerLimit | ReferralReason::OrderReturned => Code::NotEligible,
    };
    let message = match code {
        Code::CodeUnknown => "There is no such code.",
        Code::SamePerson => "Nobody can invite themselves.",
        Code::NotNewCustomer => "Only somebody who has not ordered yet can be invited.",
        Code::AlreadyReferred => "Somebody else's invitation came first.",
        _ => "This invitation does not count.",
    };
    user_error(code, "code", message)
}

fn user_error(code: ReferralErrorCode, field: &str, message: &str) -> UserError<ReferralErrorCode> {
    let field = Some(vec!["input".to_owned(), field.to_owned()]);
    UserError { code, field, message: message.to_owned() }
}
