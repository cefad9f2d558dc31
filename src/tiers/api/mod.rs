//! Tiers over GraphQL.

mod loaders;
mod programme;
mod types;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::Instant;

pub use self::loaders::{TierLoader, loader};
pub use self::programme::{Tier, TierInput, TierProgramme, TierProgrammeInput};
pub use self::types::{CustomerTier, TierChange};
pub(crate) use self::types::{TiersAhead, tier_ahead, tier_of};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::customers::api::{Customer, reason, shown};
use crate::error::split;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Key;
use crate::tiers::given::{Give, TierError, give};

/// Queries about tiers.
#[derive(Debug, Default)]
pub struct TierQuery;

/// What staff do to tiers.
#[derive(Debug, Default)]
pub struct TierMutation;

/// A tier that a customer is to have at least.
#[derive(Debug, InputObject)]
struct CustomerTierSetInput {
    /// Who.
    customer_id: ID,
    /// The code of the tier; null takes back what was given before.
    tier: Option<String>,
    /// Until when, in the future; without end, if left out. Only with a tier.
    until: Option<Instant>,
    /// Why, 1 to 500 characters on one line; kept in the audit log and with the change, and not shown to the customer.
    reason: String,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// Why a tier was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CustomerTierErrorCode {
    /// No such customer, or one who takes no part in the programme.
    NotFound,
    /// The shop has no such tier.
    UnknownTier,
    /// A value is out of its bounds.
    Invalid,
}

/// The customer whose tier was set.
#[derive(Debug, SimpleObject)]
pub struct CustomerTierSetPayload {
    /// Who, with the tier as it is now; none if it was refused.
    customer: Option<Customer>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why it was refused.
    user_errors: Vec<UserError<CustomerTierErrorCode>>,
}

#[Object]
impl TierQuery {
    /// The tiers of the shop, and how members come by them. For everyone.
    #[graphql(guard = "Allowed")]
    async fn tiers(&self, ctx: &Context<'_>) -> TierProgramme {
        TierProgramme::from(&ctx.data_unchecked::<App>().settings().tiers)
    }
}

#[Object]
impl TierMutation {
    /// Gives a customer at least this tier, in place of what staff gave before; it ends like any other, with grace and
    /// notice, unless it is taken back. For staff with `customers.manage`.
    #[graphql(guard = "Allowed")]
    async fn customer_tier_set(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, which and why.")] input: CustomerTierSetInput,
    ) -> Result<CustomerTierSetPayload, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let key = Key {
            scope: ctx.data_unchecked::<Viewer>().key_scope(),
            key: input.idempotency_key.0,
            operation: "customerTierSet",
        };
        let command = Give {
            customer: local_id(&input.customer_id, NodeType::Customer),
            tier: input.tier,
            until: input.until,
            reason: reason(&input.reason)?,
        };
        match split(app.write_once(&key, &command, give).await)? {
            Ok(once) => Ok(CustomerTierSetPayload {
                customer: shown(ctx, once.value).await?,
                replayed: once.replayed,
                user_errors: Vec::new(),
            }),
            Err(error) => {
                Ok(CustomerTierSetPayload { customer: None, replayed: false, user_errors: vec![told(error)] })
            }
        }
    }
}

fn told(error: TierError) -> UserError<CustomerTierErrorCode> {
    use CustomerTierErrorCode as Code;
    let (code, field, message) = match error {
        TierError::NotFound => (Code::NotFound, "customerId", "There is no such member.".to_owned()),
        TierError::UnknownTier => (Code::UnknownTier, "tier", "The shop has no such tier.".to_owned()),
        TierError::Invalid { field, problem } => (Code::Invalid, field, format!("{field} {problem}.")),
    };
    UserError { code, field: Some(vec!["input".to_owned(), field.to_owned()]), message }
}
