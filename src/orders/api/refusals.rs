//! What mutations of orders answer.

use std::borrow::Cow;
use std::marker::PhantomData;

use async_graphql::{Enum, SimpleObject, TypeName};

use super::types::Order;
use crate::graphql::payload::UserError;
use crate::orders::OrderError;
use crate::points::orders::HoldError;

/// Why nothing was done to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum OrderErrorCode {
    /// No such order, line, customer or hold; `field` says which.
    NotFound,
    /// The order's state does not admit it.
    InvalidState,
    /// Another body was recorded under this external id.
    ExternalIdReused,
    /// A line of the input cannot be.
    InvalidLine,
    /// More pieces than are left to return.
    QuantityExceeded,
    /// The hold is captured, voided or lapsed, or belongs to another order.
    HoldNotUsable,
    /// The hold's value is in another currency.
    HoldCurrencyMismatch,
    /// The order's value admits fewer points than the least that can be redeemed.
    HoldBelowMinimum,
    /// The membership that the order is joined with is not paid; the message says what shipping is due without it, and so
    /// does `shippingTerms { standard }` of the order.
    MembershipNotCharged,
    /// A value is out of its bounds.
    Invalid,
}

/// Names the payload of one mutation.
pub trait Mutation: Send + Sync + 'static {
    /// As in the schema.
    const PAYLOAD: &'static str;
}

/// `orderRecord`.
#[derive(Debug)]
pub(super) struct Record;
/// `orderPay`.
#[derive(Debug)]
pub(super) struct Pay;
/// `orderShip`.
#[derive(Debug)]
pub(super) struct Ship;
/// `orderDeliver`.
#[derive(Debug)]
pub(super) struct Deliver;
/// `orderCancel`.
#[derive(Debug)]
pub(super) struct Cancel;
/// `orderReturn`.
#[derive(Debug)]
pub(super) struct Return;

impl Mutation for Record {
    const PAYLOAD: &'static str = "OrderRecordPayload";
}
impl Mutation for Pay {
    const PAYLOAD: &'static str = "OrderPayPayload";
}
impl Mutation for Ship {
    const PAYLOAD: &'static str = "OrderShipPayload";
}
impl Mutation for Deliver {
    const PAYLOAD: &'static str = "OrderDeliverPayload";
}
impl Mutation for Cancel {
    const PAYLOAD: &'static str = "OrderCancelPayload";
}
impl Mutation for Return {
    const PAYLOAD: &'static str = "OrderReturnPayload";
}

/// What became of the order.
#[derive(Debug, SimpleObject)]
#[graphql(name_type)]
pub struct Payload<M: Mutation> {
    /// The order as it is now; null if nothing was done.
    order: Option<Order>,
    /// Whether an earlier request with this idempotency key did it.
    replayed: bool,
    /// Why nothing was done; empty if it was.
    user_errors: Vec<UserError<OrderErrorCode>>,
    #[graphql(skip)]
    of: PhantomData<M>,
}

impl<M: Mutation> TypeName for Payload<M> {
    fn type_name() -> Cow<'static, str> {
        M::PAYLOAD.into()
    }
}

impl<M: Mutation> Payload<M> {
    /// It was done, now or by an earlier request.
    pub(super) fn done(order: Order, replayed: bool) -> Self {
        Self { order: Some(order), replayed, user_errors: Vec::new(), of: PhantomData }
    }

    /// It was refused.
    pub(super) fn refused(reason: &OrderError) -> Self {
        Self { order: None, replayed: false, user_errors: vec![user_error(reason)], of: PhantomData }
    }
}

fn user_error(reason: &OrderError) -> UserError<OrderErrorCode> {
    let (code, field): (OrderErrorCode, Option<Vec<String>>) = match reason {
        OrderError::NotFound => (OrderErrorCode::NotFound, None),
        OrderError::InvalidState { .. } => (OrderErrorCode::InvalidState, None),
        OrderError::ExternalIdReused => (OrderErrorCode::ExternalIdReused, path(&["externalId"])),
        OrderError::InvalidLine { index, field, .. } => {
            (OrderErrorCode::InvalidLine, path(&["lines", &index.to_string(), field]))
        }
        OrderError::UnknownLine { index } => (OrderErrorCode::NotFound, path(&["lines", &index.to_string()])),
        OrderError::QuantityExceeded { index, .. } => {
            (OrderErrorCode::QuantityExceeded, path(&["lines", &index.to_string(), "quantity"]))
        }
        OrderError::Hold(reason) => (of_hold(*reason), path(&["holdId"])),
        OrderError::MembershipNotFound => (OrderErrorCode::NotFound, path(&["membershipId"])),
        OrderError::MembershipNotCharged { .. } => (OrderErrorCode::MembershipNotCharged, None),
        OrderError::SlotHoldNotFound => (OrderErrorCode::NotFound, path(&["deliverySlotHold"])),
        OrderError::UnknownCustomer => (OrderErrorCode::NotFound, path(&["customerId"])),
        OrderError::Invalid { field, .. } => (OrderErrorCode::Invalid, path(&[field])),
    };
    UserError { code, field, message: reason.to_string() }
}

fn of_hold(reason: HoldError) -> OrderErrorCode {
    match reason {
        HoldError::NotFound => OrderErrorCode::NotFound,
        HoldError::NotHeld => OrderErrorCode::HoldNotUsable,
        HoldError::CurrencyMismatch => OrderErrorCode::HoldCurrencyMismatch,
        HoldError::BelowMinimum => OrderErrorCode::HoldBelowMinimum,
    }
}

/// Where in the mutation's arguments the mistake is.
#[expect(clippy::unnecessary_wraps, reason = "fits the field of the error")]
fn path(parts: &[&str]) -> Option<Vec<String>> {
    Some(std::iter::once("input").chain(parts.iter().copied()).map(str::to_owned).collect())
}
