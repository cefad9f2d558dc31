use std::fmt;

use entity::order::OrderState;

use crate::money::Money;
use crate::points::orders::HoldError;

/// Why nothing was done to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderError {
    /// No such order.
    NotFound,
    /// The order's state does not admit the step.
    InvalidState {
        /// Where it is.
        state: OrderState,
    },
    /// Another body was recorded under this external id.
    ExternalIdReused,
    /// A line that cannot be.
    InvalidLine {
        /// Place in the input, from 0.
        index: usize,
        /// Which part of it.
        field: &'static str,
        /// What is wrong with that.
        problem: String,
    },
    /// The order has no such line.
    UnknownLine {
        /// Place in the input, from 0.
        index: usize,
    },
    /// More pieces than are left.
    QuantityExceeded {
        /// Place in the input, from 0.
        index: usize,
        /// Pieces that can still be returned.
        left: i32,
    },
    /// The points set aside cannot pay this order.
    Hold(HoldError),
    /// The buyer has no such membership to join with an order.
    MembershipNotFound,
    /// The membership that the order is joined with is not paid.
    MembershipNotCharged {
        /// What shipping costs without it.
        shipping_due: Money,
    },
    /// The buyer has no such place in a delivery slot.
    SlotHoldNotFound,
    /// No customer has this id.
    UnknownCustomer,
    /// A value is out of its bounds.
    Invalid {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl OrderError {
    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { field, problem: problem.into() }
    }

    pub(crate) fn line(index: usize, field: &'static str, problem: impl Into<String>) -> Self {
        Self::InvalidLine { index, field, problem: problem.into() }
    }
}

/// For a person, with the amounts in it.
impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("There is no such order."),
            Self::InvalidState { state } => {
                write!(f, "The order is {}, which does not admit this.", state_name(*state))
            }
            Self::ExternalIdReused => {
                f.write_str("An order with this external id and a different body is recorded already.")
            }
            Self::InvalidLine { index, field, problem } => {
                write!(f, "Line {}: {field} {problem}.", index + 1)
            }
            Self::UnknownLine { index } => write!(f, "Line {}: the order has no such line.", index + 1),
            Self::QuantityExceeded { index, left } => {
                write!(f, "Line {}: only {left} pieces are left to return.", index + 1)
            }
            Self::Hold(HoldError::NotFound) => f.write_str("This buyer has no such hold."),
            Self::Hold(HoldError::NotHeld) => {
                f.write_str("The hold is captured, voided or lapsed, or belongs to another order.")
            }
            Self::Hold(HoldError::CurrencyMismatch) => {
                f.write_str("The hold's value is in another currency than the order.")
            }
            Self::Hold(HoldError::BelowMinimum) => {
                f.write_str("The order's value admits fewer points than the least that can be redeemed.")
            }
            Self::MembershipNotFound => {
                f.write_str("This buyer has no such membership that an order could be joined with.")
            }
            Self::MembershipNotCharged { shipping_due } => write!(
                f,
                "The membership that the order is joined with is not paid. Without it {} {} of shipping is due.",
                shipping_due.amount(),
                shipping_due.currency
            ),
            Self::SlotHoldNotFound => f.write_str("This buyer has no such hold on a delivery slot."),
            Self::UnknownCustomer => f.write_str("There is no such customer."),
            Self::Invalid { field, problem } => write!(f, "{field} {problem}."),
        }
    }
}

fn state_name(state: OrderState) -> &'static str {
    match state {
        OrderState::Placed => "placed",
        OrderState::Paid => "paid",
        OrderState::Shipped => "shipped",
        OrderState::Delivered => "delivered",
        OrderState::Cancelled => "cancelled",
    }
}
