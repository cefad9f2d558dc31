//! What happened to carts, told to the outbox: ids and instants only.

use entity::cart::Model;
use serde_json::json;

use crate::error::Fault;
use crate::outbox::{Event, emit};
use crate::tx::Tx;

/// Somebody put something in the cart, or took something out.
pub(super) async fn touched(tx: &Tx, cart: &Model) -> Result<(), Fault> {
    let payload = json!({
        "cartId": cart.id,
        "customerId": cart.customer_id,
        "touchedAt": cart.touched_at,
        "closedAt": cart.closed_at,
    });
    let (aggregate_id, occurred_at) = (cart.id.0, cart.touched_at);
    emit(tx, [Event { topic: "cart.touched", aggregate_id, payload, imported: false, occurred_at }]).await
}
