//! Customers.

use serde_json::{Value, json};

use crate::doc;
use crate::form::Form;
use crate::refusal::Refusal;
use crate::state::State;

const FIELDS: [&str; 10] = [
    "address",
    "description",
    "email",
    "invoice_settings",
    "metadata",
    "name",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
];

pub(crate) fn create(state: &mut State, form: &Form) -> Result<Value, Refusal> {
    form.only(&FIELDS)?;
    let id = state.id("cus");
    let prefix = id.rsplit('_').next().unwrap_or_default().chars().take(8).collect::<String>().to_uppercase();
    let doc = json!({
        "id": id, "object": "customer", "address": null, "balance": 0, "created": state.now, "currency": null,
        "default_source": null, "delinquent": false, "description": null, "email": null,
        "invoice_prefix": prefix, "livemode": false, "metadata": {}, "name": null, "next_invoice_sequence": 1,
        "phone": null, "preferred_locales": [], "shipping": null, "tax_exempt": "none", "test_clock": null,
        "invoice_settings": {
            "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null,
        },
    });
    let mut doc = doc;
    fill(state, &mut doc, form)?;
    Ok(state.add(doc))
}

pub(crate) fn update(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&FIELDS)?;
    let mut doc = live(state, id)?;
    fill(state, &mut doc, form)?;
    state.change(id, |stored| *stored = doc.clone());
    Ok(doc)
}

fn fill(state: &State, doc: &mut Value, form: &Form) -> Result<(), Refusal> {
    for name in ["description", "email", "name", "phone"] {
        if let Some(value) = form.text(name) {
            doc[name] = doc::or_null(Some(value));
        }
    }
    if form.has("metadata") {
        doc["metadata"] = form.merge("metadata", &doc["metadata"]);
    }
    if form.has("preferred_locales") {
        doc["preferred_locales"] = form.list("preferred_locales").into();
    }
    if form.has("address") {
        let nowhere = json!({
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
        });
        doc["address"] = form.merge("address", &nowhere);
    }
    if let Some(method) = form.text("invoice_settings[default_payment_method]") {
        if !method.is_empty() {
            state.own_method("invoice_settings[default_payment_method]", doc::text(doc, "/id"), method)?;
        }
        doc::put(doc, "/invoice_settings/default_payment_method", doc::or_null(Some(method)));
    }
    Ok(())
}

fn live(state: &State, id: &str) -> Result<Value, Refusal> {
    let doc = state.get("customer", id)?;
    if doc["deleted"] == true { Err(Refusal::missing("customer", id)) } else { Ok(doc) }
}

/// Takes the customer away, and cancels what they were subscribed to.
pub(crate) fn delete(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&[])?;
    live(state, id)?;
    for subscription in state.all("subscription") {
        if subscription["customer"] == id && !crate::subscriptions::ended(&subscription) {
            state.cancel(&doc::id(&subscription), "cancellation_requested");
        }
    }
    let gone = json!({ "id": id, "object": "customer", "deleted": true });
    state.change(id, |doc| *doc = gone.clone());
    Ok(gone)
}

pub(crate) fn list(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["email", "limit", "starting_after", "ending_before"])?;
    let mut all = state.all("customer");
    all.retain(|doc| doc["deleted"] != true && form.text("email").is_none_or(|email| doc["email"] == email));
    form.page("/v1/customers", &all)
}
