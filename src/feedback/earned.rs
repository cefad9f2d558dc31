//! What feedback earns.

use entity::id::CustomerId;

use crate::actor::Actor;
use crate::earning::{self, Stated};
use crate::error::{Fault, Stop};
use crate::points::orders::Owner;
use crate::tx::Tx;

/// Gives what the rules in force give for an event; it happened all the same if none is for it, or the customer had it as
/// often as the rules allow.
pub(super) async fn credit(tx: &Tx, customer: CustomerId, event: &'static str) -> Result<(), Fault> {
    let account = Owner::Customer(customer).account();
    let stated = Stated { account, event: event.to_owned(), reason: None, by: Actor::SYSTEM };
    match earning::event(tx, &stated).await {
        Ok(_) | Err(Stop::Refused(_) | Stop::RefusedRecorded(_)) => Ok(()),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}
