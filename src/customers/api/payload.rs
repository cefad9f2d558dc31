//! What changes of customers answer.

use std::borrow::Cow;
use std::marker::PhantomData;

use async_graphql::{Context, Enum, SimpleObject, TypeName};
use entity::id::CustomerId;

use super::found;
use super::types::Customer;
use crate::customers::{CustomerBy, CustomerError};
use crate::error::{Fault, Outcome, split};
use crate::graphql::access::AllowedAs;
use crate::graphql::fault::ApiError;
use crate::graphql::payload::UserError;
use crate::idempotency::Once;

/// Why a customer was not changed, for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum CustomerErrorCode {
    /// No such customer or address, or not yours; `field` says which.
    NotFound,
    /// The customer has 50 addresses already, or both together have more.
    AddressLimit,
    /// Both are one and the same customer.
    SameCustomer,
    /// One of them turned out to be another customer already; `field` says which.
    AlreadyMerged,
    /// The account of both would hold more than 2147483647 points.
    BalanceLimit,
}

/// A refusal for a program and for a person.
pub(super) fn user_error(reason: CustomerError) -> UserError<CustomerErrorCode> {
    use CustomerErrorCode as Code;
    let (code, field, message) = match reason {
        CustomerError::NotFound => (Code::NotFound, Some("customerId"), "There is no such customer."),
        CustomerError::AddressNotFound => (Code::NotFound, Some("addressId"), "There is no such address."),
        CustomerError::AddressLimit => (Code::AddressLimit, None, "A customer has 50 addresses at most."),
        CustomerError::NobodyToMerge(field) => (Code::NotFound, Some(field), "There is no such customer."),
        CustomerError::SameCustomer => (Code::SameCustomer, Some("intoId"), "Both are the same customer."),
        CustomerError::AlreadyMerged(field) => {
            (Code::AlreadyMerged, Some(field), "This customer turned out to be another already.")
        }
        CustomerError::BalanceLimit => {
            (Code::BalanceLimit, None, "An account holds at most 2147483647 points.")
        }
    };
    let field = field.map(|field| vec!["input".to_owned(), field.to_owned()]);
    UserError { code, field, message: message.to_owned() }
}

/// Names the payload of one mutation.
pub(super) trait Mutation: Send + Sync + 'static {
    /// As in the schema.
    const PAYLOAD: &'static str;
}

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident = $payload:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl Mutation for $name {
            const PAYLOAD: &'static str = $payload;
        }
    )*};
}

payloads! {
    /// `customerRecord`.
    Record = "CustomerRecordPayload";
    /// `customerUpdate`.
    Update = "CustomerUpdatePayload";
    /// `customerDisable`.
    Disable = "CustomerDisablePayload";
    /// `customerEnable`.
    Enable = "CustomerEnablePayload";
    /// `customerMerge`.
    Merge = "CustomerMergePayload";
}

/// A customer after the change, or why there was none.
#[derive(Debug, SimpleObject)]
#[graphql(name_type)]
pub(super) struct Payload<M: Mutation> {
    /// As it is now.
    #[graphql(guard = "AllowedAs(\"customer\")")]
    customer: Option<Customer>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why it was refused.
    user_errors: Vec<UserError<CustomerErrorCode>>,
    #[graphql(skip)]
    of: PhantomData<M>,
}

impl<M: Mutation> TypeName for Payload<M> {
    fn type_name() -> Cow<'static, str> {
        M::PAYLOAD.into()
    }
}

/// Reads the customer as it is now.
pub(super) async fn answer<M: Mutation>(
    ctx: &Context<'_>,
    outcome: Outcome<Once<CustomerId>, CustomerError>,
) -> Result<Payload<M>, ApiError> {
    let (customer, replayed, user_errors) = match split(outcome)? {
        Err(reason) => (None, false, vec![user_error(reason)]),
        Ok(once) => match found(ctx, &CustomerBy::Id(once.value)).await? {
            Some(customer) => (Some(customer), once.replayed, Vec::new()),
            None => return Err(Fault::internal("a customer that was changed is gone").into()),
        },
    };
    Ok(Payload { customer, replayed, user_errors, of: PhantomData })
}
