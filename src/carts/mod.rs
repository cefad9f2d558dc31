//! Carts that the shop tells of, for reminders only: whose they are, what is in them and when they were last touched.
//!
//! Invariant: a cart is closed while an order of the same identity was placed at or after its last touch, whichever of the
//! two comes to be known first.

pub mod api;
mod close;
mod events;
pub(crate) mod prune;
mod rules;
mod upsert;

use entity::Instant;
use entity::cart::{Column, Entity};
use entity::id::CustomerId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use crate::customers::email::EmailAddress;
use crate::error::{Outcome, refuse};
use crate::external_id::ExternalId;
use crate::money::Currency;
use crate::tx::Tx;

pub(crate) use close::{Bought, close, follow, reassign};
pub(crate) use upsert::upsert;

/// A cart as the shop states it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Upsert {
    /// The shop's.
    pub(crate) external_id: ExternalId,
    /// Whose it is.
    pub(crate) whose: Whose,
    /// Of the amounts.
    pub(crate) currency: Currency,
    /// At most 500.
    pub(crate) lines: Vec<CartLine>,
    /// Now, if none.
    pub(crate) touched_at: Option<Instant>,
}

/// Whose a cart is, as the shop states it.
#[derive(Clone, Debug, Serialize)]
pub(crate) enum Whose {
    /// A customer's, by our id.
    Customer(CustomerId),
    /// A customer's, by the shop's id; made if unknown, as for an order.
    External(ExternalId),
    /// Of whoever has this mailbox, or of the address alone.
    Email(EmailAddress),
}

/// A line of a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CartLine {
    /// The shop's.
    pub(crate) sku: String,
    /// As shown.
    pub(crate) name: String,
    /// 1 to 1,000,000.
    pub(crate) quantity: i32,
    /// Minor units.
    pub(crate) line_total: i64,
}

/// Why a cart stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CartError {
    /// No such cart.
    NotFound,
    /// No such customer.
    UnknownCustomer,
    /// A value is out of its bounds: its path in the input, and what is wrong with it.
    Invalid(Vec<String>, String),
}

impl CartError {
    /// Of a field of the cart itself.
    pub(crate) fn invalid(field: &str, problem: impl Into<String>) -> Self {
        Self::Invalid(vec![field.to_owned()], problem.into())
    }

    /// Of a field of a line; lines are counted from 0.
    pub(crate) fn line(index: usize, field: &str, problem: impl Into<String>) -> Self {
        Self::Invalid(vec!["lines".to_owned(), index.to_string(), field.to_owned()], problem.into())
    }
}

/// Forgets a cart.
pub(crate) async fn delete(tx: &Tx, external_id: &ExternalId) -> Outcome<(), CartError> {
    let which = Column::ExternalId.eq(external_id.as_str());
    let deleted = Entity::delete_many().filter(which).exec(tx.db()).await?;
    if deleted.rows_affected == 0 { refuse(CartError::NotFound) } else { Ok(()) }
}

/// The text by which orders find the carts of a customer.
fn of_customer(customer: CustomerId) -> String {
    format!("customer:{}", customer.0.simple())
}

/// The same for an address.
fn of_email(key: &str) -> String {
    format!("email:{key}")
}
