//! The addresses of a customer over GraphQL.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::customer_address::Model;

use super::address::{Address, AddressInput};
use super::payload::{CustomerErrorCode, user_error};
use super::types::Customer;
use super::{changeable, found, key, viewer};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::customers::addresses::{self, Create, Defaults, Update, Which, Written};
use crate::customers::{CustomerBy, CustomerError, address};
use crate::error::{Outcome, split};
use crate::graphql::access::{Allowed, AllowedAs};
use crate::graphql::fault::ApiError;
use crate::graphql::global_id::{NodeType, global_id, local_id};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;

/// An address of a customer.
#[derive(Clone, Debug)]
pub(super) struct CustomerAddress(pub(super) Model);

#[Object]
impl CustomerAddress {
    /// Opaque; carries its type.
    async fn id(&self) -> ID {
        global_id(NodeType::CustomerAddress, self.0.id)
    }

    /// The address itself.
    async fn address(&self) -> Result<Address, ApiError> {
        Ok(addresses::address(self.0.clone())?.into())
    }

    /// Whether orders go here unless they say otherwise; true for one address of a customer at most.
    async fn default_shipping(&self) -> bool {
        self.0.default_shipping
    }

    /// Whether invoices go here unless an order says otherwise; true for one address of a customer at most.
    async fn default_billing(&self) -> bool {
        self.0.default_billing
    }

    /// Since when it is kept.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// An address to keep.
#[derive(Debug, InputObject)]
pub(super) struct CustomerAddressCreateInput {
    /// Whose; customers may leave out their own.
    customer_id: Option<ID>,
    /// The address.
    address: AddressInput,
    /// Whether orders go here from now on; they do anyhow if they went nowhere so far.
    #[graphql(default = false)]
    make_default_shipping: bool,
    /// Whether invoices go here from now on; they do anyhow if they went nowhere so far.
    #[graphql(default = false)]
    make_default_billing: bool,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// A change of an address.
#[derive(Debug, InputObject)]
pub(super) struct CustomerAddressUpdateInput {
    /// Which.
    address_id: ID,
    /// In place of the one before, whole; it stays as it is if this is left out or null.
    address: Option<AddressInput>,
    /// Whether orders go here from now on, and no longer where they went; `false` changes nothing.
    #[graphql(default = false)]
    make_default_shipping: bool,
    /// Whether invoices go here from now on, and no longer where they went; `false` changes nothing.
    #[graphql(default = false)]
    make_default_billing: bool,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// An address to forget.
#[derive(Debug, InputObject)]
pub(super) struct CustomerAddressDeleteInput {
    /// Which; of the others, the one kept last takes its place as a default.
    address_id: ID,
    /// The same key with the same input is answered again without doing it twice.
    idempotency_key: IdempotencyKey,
}

/// An address after the change, or why there was none.
#[derive(Debug, SimpleObject)]
#[graphql(name = "CustomerAddressPayload")]
pub(super) struct AddressPayload {
    /// As it is now; null if it is gone.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    address: Option<CustomerAddress>,
    /// Whose it is, as they are now.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    customer: Option<Customer>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why it was refused.
    user_errors: Vec<UserError<CustomerErrorCode>>,
}

/// Mutations of addresses.
#[derive(Debug, Default)]
pub(super) struct AddressesMutation;

#[Object]
impl AddressesMutation {
    /// Keeps an address of a customer; 50 at most.
    /// For the customer, shop keys with `customers:write`, staff with `customers.write`.
    #[graphql(guard = "Allowed")]
    async fn customer_address_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose address, and the address.")] input: CustomerAddressCreateInput,
    ) -> Result<AddressPayload, ApiError> {
        let defaults =
            Defaults { shipping: input.make_default_shipping, billing: input.make_default_billing };
        let command = Create {
            customer: changeable(viewer(ctx), input.customer_id.as_ref()),
            address: checked(input.address)?,
            defaults,
        };
        let key = key(ctx, input.idempotency_key, "customerAddressCreate");
        let app = ctx.data_unchecked::<App>();
        answer(ctx, app.write_once(&key, &command, addresses::create).await).await
    }

    /// Changes an address, or makes it a default.
    /// For the customer, shop keys with `customers:write`, staff with `customers.write`.
    #[graphql(guard = "Allowed")]
    async fn customer_address_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which address, and what of it.")] input: CustomerAddressUpdateInput,
    ) -> Result<AddressPayload, ApiError> {
        let defaults =
            Defaults { shipping: input.make_default_shipping, billing: input.make_default_billing };
        let address = input.address.map(checked).transpose()?;
        let command = Update { which: which(ctx, &input.address_id), address, defaults };
        let key = key(ctx, input.idempotency_key, "customerAddressUpdate");
        let app = ctx.data_unchecked::<App>();
        answer(ctx, app.write_once(&key, &command, addresses::update).await).await
    }

    /// Forgets an address.
    /// For the customer, shop keys with `customers:write`, staff with `customers.write`.
    #[graphql(guard = "Allowed")]
    async fn customer_address_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which address.")] input: CustomerAddressDeleteInput,
    ) -> Result<AddressPayload, ApiError> {
        let command = which(ctx, &input.address_id);
        let key = key(ctx, input.idempotency_key, "customerAddressDelete");
        let app = ctx.data_unchecked::<App>();
        answer(ctx, app.write_once(&key, &command, addresses::delete).await).await
    }
}

fn checked(given: AddressInput) -> Result<address::Address, ApiError> {
    given
        .try_into()
        .map_err(|problem: address::NotAnAddress| ApiError::bad_input(format!("address.{problem}")))
}

/// Customers reach their own only.
fn which(ctx: &Context<'_>, id: &ID) -> Which {
    let of = match viewer(ctx) {
        Viewer::Customer { customer, .. } => Some(*customer),
        Viewer::Anonymous | Viewer::Shop { .. } | Viewer::Staff { .. } => None,
    };
    Which { address: local_id(id, NodeType::CustomerAddress), of }
}

async fn answer(
    ctx: &Context<'_>,
    outcome: Outcome<Once<Written>, CustomerError>,
) -> Result<AddressPayload, ApiError> {
    let once = match split(outcome)? {
        Ok(once) => once,
        Err(reason) => {
            let user_errors = vec![user_error(reason)];
            return Ok(AddressPayload { address: None, customer: None, replayed: false, user_errors });
        }
    };
    let app = ctx.data_unchecked::<App>();
    let address = addresses::find(&app.db.read, once.value.address).await?.map(CustomerAddress);
    let customer = found(ctx, &CustomerBy::Id(once.value.customer)).await?;
    Ok(AddressPayload { address, customer, replayed: once.replayed, user_errors: Vec::new() })
}
