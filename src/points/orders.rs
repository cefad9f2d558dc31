//! What an order does to points: called by the orders slice inside its own transaction.

use entity::Instant;
use entity::id::{AccountId, CustomerId, GuestId, HoldId, LineId, OrderId, ReturnId};
use serde::Serialize;

use crate::actor::Actor;
use crate::error::{Fault, Outcome};
use crate::money::{Currency, Money};
use crate::tx::Tx;

/// Whose an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Owner {
    /// A customer's.
    Customer(CustomerId),
    /// A guest identity's: earns pending points only.
    Guest(GuestId),
}

/// A paid order that earns.
#[derive(Clone, Debug)]
pub struct PaidOrder {
    /// Which.
    pub order: OrderId,
    /// Whose account it earns on.
    pub owner: Owner,
    /// What its amounts are in.
    pub currency: Currency,
    /// When it was paid: the entries' effective instant.
    pub paid_at: Instant,
    /// When it was delivered, if it was already.
    pub delivered_at: Option<Instant>,
    /// Who says so.
    pub by: Actor,
    /// History: the events say so too.
    pub imported: bool,
    /// Its lines.
    pub lines: Vec<PaidLine>,
}

/// A line that earns.
#[derive(Clone, Debug)]
pub struct PaidLine {
    /// Which.
    pub line: LineId,
    /// Minor units after discount.
    pub line_total: i64,
    /// Minor units of it that points pay.
    pub redeemed_value: i64,
    /// Ten-thousandths of tax inside the total.
    pub tax_rate: Option<i32>,
}

/// Some pieces of a line come back.
#[derive(Clone, Debug)]
pub struct ReturnedLine {
    /// The return this is.
    pub return_id: ReturnId,
    /// Of which order.
    pub order: OrderId,
    /// Of which line.
    pub line: LineId,
    /// Pieces bought.
    pub bought: i32,
    /// Pieces returned before this return.
    pub returned_before: i32,
    /// Pieces returned with this return included.
    pub returned: i32,
    /// Points of the order's hold that this line carries.
    pub redeemed_points: i32,
}

/// What a hold is worth to the order that it is pinned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pinned {
    /// Points that stay held.
    pub points: i32,
    /// What they pay.
    pub value: Money,
}

/// Why a hold cannot be used for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum HoldError {
    /// No such hold of this owner.
    NotFound,
    /// Captured, voided or lapsed already, or pinned to another order.
    NotHeld,
    /// Its value is in another currency.
    CurrencyMismatch,
    /// The order's value admits fewer points than the programme's minimum.
    BelowMinimum,
}

/// Opens accounts for owners that have none.
pub(crate) async fn open_accounts(_tx: &Tx, _owners: &[Owner]) -> Result<(), Fault> {
    Err(Fault::internal("not here yet"))
}

/// Earns for orders of any owners, in one batch.
pub(crate) async fn earn(_tx: &Tx, _orders: &[PaidOrder]) -> Result<(), Fault> {
    Err(Fault::internal("not here yet"))
}

/// Pins a hold to an order: clamps it to the order's value, releases the excess.
pub(crate) async fn pin(
    _tx: &Tx,
    _hold: HoldId,
    _owner: Owner,
    _order: OrderId,
    _value: Money,
    _by: Actor,
) -> Outcome<Pinned, HoldError> {
    Err(Fault::internal("not here yet").into())
}

/// Captures the hold of a paid order.
pub(crate) async fn capture(
    _tx: &Tx,
    _account: AccountId,
    _hold: HoldId,
    _by: Actor,
    _at: Instant,
) -> Outcome<(), HoldError> {
    Err(Fault::internal("not here yet").into())
}

/// Gives back the hold of an unpaid order that is cancelled; a hold that lapsed already is fine.
pub(crate) async fn release(_tx: &Tx, _account: AccountId, _hold: HoldId, _by: Actor) -> Result<(), Fault> {
    Err(Fault::internal("not here yet"))
}

/// Tells pending points of these lines when they activate, now that the order is delivered.
pub(crate) async fn delivered(
    _tx: &Tx,
    _owner: Owner,
    _lines: &[LineId],
    _delivered_at: Instant,
    _by: Actor,
) -> Result<(), Fault> {
    Err(Fault::internal("not here yet"))
}

/// Takes back what returned pieces earned and gives back what was redeemed on them, all lines of a return in one batch.
pub(crate) async fn returned(
    _tx: &Tx,
    _owner: Owner,
    _hold: Option<HoldId>,
    _lines: &[ReturnedLine],
    _by: Actor,
    _at: Instant,
) -> Result<(), Fault> {
    Err(Fault::internal("not here yet"))
}

/// Moves a guest identity's pending points to the customer that it proved to be.
pub(crate) async fn join(_tx: &Tx, _guest: GuestId, _customer: CustomerId) -> Result<(), Fault> {
    Err(Fault::internal("not here yet"))
}

impl Owner {
    /// The account's id is its owner's.
    pub fn account(self) -> AccountId {
        match self {
            Self::Customer(customer) => AccountId(customer.0),
            Self::Guest(guest) => AccountId(guest.0),
        }
    }
}
