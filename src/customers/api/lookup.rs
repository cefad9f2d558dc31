//! Finding one customer or guest identity.

use async_graphql::{Context, ID, Object};

use super::types::{Customer, Guest};
use super::{found, viewer};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::customers::email::EmailAddress;
use crate::customers::{CustomerBy, GuestBy, find_guest};
use crate::external_id::ExternalId;
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, local_id};

/// Finding one customer.
#[derive(Debug, Default)]
pub(super) struct LookupQuery;

#[Object]
impl LookupQuery {
    /// The customer who is signed in. For the customer.
    #[graphql(guard = "Allowed")]
    async fn me(&self, ctx: &Context<'_>) -> Result<Option<Customer>, ApiError> {
        match viewer(ctx) {
            Viewer::Customer { customer, .. } => found(ctx, &CustomerBy::Id(*customer)).await,
            Viewer::Anonymous | Viewer::Shop { .. } | Viewer::Staff { .. } => Ok(None),
        }
    }

    /// A customer by exactly one of our id, the shop's id, or the mailbox that is the customer's; null if there is none.
    /// For shop keys with `customers:read`, staff with `customers.read`.
    #[graphql(guard = "Allowed")]
    async fn customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Our id.")] id: Option<ID>,
        #[graphql(desc = "The shop's own id.")] external_id: Option<String>,
        #[graphql(desc = "A proven mailbox, or one that an import named as the customer's.")] email: Option<
            EmailAddress,
        >,
    ) -> Result<Option<Customer>, ApiError> {
        let by = match (id, external_id, email) {
            (Some(id), None, None) => match local_id(&id, NodeType::Customer) {
                Some(id) => CustomerBy::Id(id),
                None => return Ok(None),
            },
            (None, Some(external_id), None) => match ExternalId::try_from(external_id) {
                Ok(external_id) => CustomerBy::ExternalId(external_id),
                Err(_) => return Ok(None),
            },
            (None, None, Some(email)) => CustomerBy::Mailbox(email),
            _ => return Err(ApiError::bad_input("give exactly one of id, externalId and email")),
        };
        found(ctx, &by).await
    }

    /// A guest identity by exactly one of our id or its address; null if there is none.
    /// For shop keys with `customers:read`, staff with `customers.read`.
    #[graphql(guard = "Allowed")]
    async fn guest(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Our id.")] id: Option<ID>,
        #[graphql(desc = "The address that ordered.")] email: Option<EmailAddress>,
    ) -> Result<Option<Guest>, ApiError> {
        let by = match (id, email) {
            (Some(id), None) => match local_id(&id, NodeType::Guest) {
                Some(id) => GuestBy::Id(id),
                None => return Ok(None),
            },
            (None, Some(email)) => GuestBy::Mailbox(email),
            _ => return Err(ApiError::bad_input("give exactly one of id and email")),
        };
        let app = ctx.data_unchecked::<App>();
        Ok(find_guest(&app.db.read, &by).await?.map(|row| Guest::shown(ctx, row)))
    }
}
