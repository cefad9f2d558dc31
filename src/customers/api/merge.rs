//! Two customers who turned out to be one, over GraphQL.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use super::payload::{self, CustomerErrorCode, Payload, answer, user_error};
use super::types::Customer;
use super::{key, reason};
use crate::app::App;
use crate::customers::merge::{self, Conflict, Merge, Preview, Taken};
use crate::error::split;
use crate::graphql::access::{Allowed, AllowedAs};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::points::api::PointsAccount;

/// What the customer who stays gets of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Taken")]
pub(super) enum CustomerMergeTaken {
    /// The shop's id.
    ExternalId,
    /// The account: the proven mailbox and the password.
    Account,
    /// The mailbox that an import named as the customer's.
    Mailbox,
    /// The address for contact.
    Email,
    /// What the customer is called.
    Name,
    /// The language.
    Locale,
    /// The birthday.
    Birthday,
    /// The telephone number.
    Phone,
    /// Preferences under keys that the other has not.
    Preferences,
    /// The reason of the first purchase.
    AcquisitionReason,
    /// Taking part in the points programme.
    Enrolment,
}

/// What both customers have: the one who stays keeps their own, and the other's goes on meaning them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Conflict")]
pub(super) enum CustomerMergeConflict {
    /// Both have an account with a proven mailbox: only the one of who stays can be signed in to.
    BothRegistered,
    /// Both have an id of the shop.
    BothHaveExternalIds,
}

/// What a merge would do, as of now.
#[derive(Debug, SimpleObject)]
#[graphql(name = "CustomerMergePreview")]
pub(super) struct PreviewNode {
    /// Who would go.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    from: Option<Customer>,
    /// Who would stay.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    into: Option<Customer>,
    /// What who stays would get of the profile.
    taken: Vec<CustomerMergeTaken>,
    /// What both have.
    conflicts: Vec<CustomerMergeConflict>,
    /// Orders that would move.
    orders: i32,
    /// Addresses that would move; those that both have do not count.
    addresses: i32,
    /// The account whose points would move, open holds and debts included.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    points: Option<PointsAccount>,
    /// What the merge would be refused for; empty if it would be done.
    user_errors: Vec<UserError<CustomerErrorCode>>,
}

/// Two customers who are one.
#[derive(Debug, InputObject)]
pub(super) struct CustomerMergeInput {
    /// Who goes.
    from_id: ID,
    /// Who stays.
    into_id: ID,
    /// Why, 1 to 500 characters; kept in the audit log.
    reason: String,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// Queries about merges.
#[derive(Debug, Default)]
pub(super) struct MergeQuery;

#[Object]
impl MergeQuery {
    /// What merging one customer into another would do; does nothing. For staff with `customers.manage`.
    #[graphql(guard = "Allowed")]
    async fn customer_merge_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who would go.")] from_id: ID,
        #[graphql(desc = "Who would stay.")] into_id: ID,
    ) -> Result<PreviewNode, ApiError> {
        let (from, into) = ids(&from_id, &into_id);
        let db = &ctx.data_unchecked::<App>().db.read;
        let Preview { from, into, taken, conflicts, orders, addresses, points, refusals } =
            match split(merge::preview(db, from, into).await)? {
                Ok(preview) => preview,
                Err(reason) => return Ok(PreviewNode::refused(user_error(reason))),
            };
        Ok(PreviewNode {
            from: Some(Customer::shown(ctx, from)),
            into: Some(Customer::shown(ctx, into)),
            taken: taken.into_iter().map(Into::into).collect(),
            conflicts: conflicts.into_iter().map(Into::into).collect(),
            orders: i32::try_from(orders)?,
            addresses: i32::try_from(addresses)?,
            points: points.map(PointsAccount::from),
            user_errors: refusals.into_iter().map(user_error).collect(),
        })
    }
}

impl PreviewNode {
    fn refused(reason: UserError<CustomerErrorCode>) -> Self {
        Self {
            from: None,
            into: None,
            taken: Vec::new(),
            conflicts: Vec::new(),
            orders: 0,
            addresses: 0,
            points: None,
            user_errors: vec![reason],
        }
    }
}

/// Mutations that merge.
#[derive(Debug, Default)]
pub(super) struct MergeMutation;

#[Object]
impl MergeMutation {
    /// Makes two customers one: orders, addresses, points with their own ends, holds and debts of the first become the
    /// second's, who also gets what they lack of the profile. The first can sign in no more, and whoever names them from
    /// then on means the second. It cannot be undone. For staff with `customers.manage` after a step-up.
    #[graphql(guard = "Allowed")]
    async fn customer_merge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who goes, who stays, and why.")] input: CustomerMergeInput,
    ) -> Result<Payload<payload::Merge>, ApiError> {
        let (from, into) = ids(&input.from_id, &input.into_id);
        let command = Merge { from, into, reason: reason(&input.reason)? };
        let key = key(ctx, input.idempotency_key, "customerMerge");
        let app = ctx.data_unchecked::<App>();
        answer(ctx, app.write_once(&key, &command, merge::merge).await).await
    }
}

fn ids(from: &ID, into: &ID) -> (Option<entity::id::CustomerId>, Option<entity::id::CustomerId>) {
    (local_id(from, NodeType::Customer), local_id(into, NodeType::Customer))
}
