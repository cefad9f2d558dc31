//! What happened to orders, told to the outbox: ids and amounts only.

use entity::Instant;
use entity::order::{Model, OrderState};
use sea_orm::ActiveEnum;
use serde_json::{Value as Json, json};

use crate::error::Fault;
use crate::outbox::{Event, emit};
use crate::tx::Tx;

/// An order that is recorded.
pub(super) fn recorded(order: &Model) -> Event {
    event("order.recorded", order, order.state, order.recorded_at, &json!({}))
}

/// Tells that something happened to `order`, which is in `state` now.
pub(super) async fn tell(
    tx: &Tx,
    topic: &'static str,
    order: &Model,
    state: OrderState,
    at: Instant,
    more: Json,
) -> Result<(), Fault> {
    emit(tx, [event(topic, order, state, at, &more)]).await
}

fn event(topic: &'static str, order: &Model, state: OrderState, at: Instant, more: &Json) -> Event {
    let mut payload = json!({
        "orderId": order.id,
        "externalId": order.external_id,
        "customerId": order.customer_id,
        "guestId": order.guest_id,
        "state": state.to_value(),
        "currency": order.currency,
        "linesTotal": order.lines_total,
        "shipping": order.shipping,
        "holdValue": order.hold_value,
    });
    if let (Json::Object(payload), Json::Object(more)) = (&mut payload, more) {
        payload.extend(more.clone());
    }
    Event { topic, aggregate_id: order.id.0, payload, imported: order.imported, occurred_at: at }
}
