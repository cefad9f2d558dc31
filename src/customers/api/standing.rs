//! Whether a customer may sign in, over GraphQL.

use async_graphql::{Context, ID, InputObject, Object};

use super::payload::{self, Payload, answer};
use super::{key, reason};
use crate::app::App;
use crate::customers::standing::{self, Stand};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};
use crate::graphql::scalars::IdempotencyKey;

/// A customer who may not sign in any more.
#[derive(Debug, InputObject)]
pub(super) struct CustomerDisableInput {
    /// Who.
    customer_id: ID,
    /// Why, 1 to 500 characters; kept in the audit log.
    reason: String,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// A customer who may sign in again.
#[derive(Debug, InputObject)]
pub(super) struct CustomerEnableInput {
    /// Who.
    customer_id: ID,
    /// Why, 1 to 500 characters; kept in the audit log.
    reason: Option<String>,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// Mutations of a customer's standing.
#[derive(Debug, Default)]
pub(super) struct StandingMutation;

#[Object]
impl StandingMutation {
    /// Refuses a customer sign-in and ends every session at once; orders go on being recorded. Who is disabled already
    /// stays so. For staff with `customers.manage`.
    #[graphql(guard = "Allowed")]
    async fn customer_disable(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and why.")] input: CustomerDisableInput,
    ) -> Result<Payload<payload::Disable>, ApiError> {
        let customer = local_id(&input.customer_id, NodeType::Customer);
        let command = Stand { customer, reason: Some(reason(&input.reason)?) };
        let key = key(ctx, input.idempotency_key, "customerDisable");
        let app = ctx.data_unchecked::<App>();
        answer(ctx, app.write_once(&key, &command, standing::disable).await).await
    }

    /// Allows a customer to sign in again; sessions that were ended stay so. For staff with `customers.manage`.
    #[graphql(guard = "Allowed")]
    async fn customer_enable(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and why.")] input: CustomerEnableInput,
    ) -> Result<Payload<payload::Enable>, ApiError> {
        let customer = local_id(&input.customer_id, NodeType::Customer);
        let given = input.reason.as_deref().map(reason).transpose()?;
        let command = Stand { customer, reason: given };
        let key = key(ctx, input.idempotency_key, "customerEnable");
        let app = ctx.data_unchecked::<App>();
        answer(ctx, app.write_once(&key, &command, standing::enable).await).await
    }
}
