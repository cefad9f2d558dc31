//! Subscriptions: how they begin and how they end.

use serde_json::{Value, json};

use crate::doc;
use crate::form::Form;
use crate::invoices::{Attempt, subscription_of};
use crate::period::next_boundary;
use crate::refusal::Refusal;
use crate::state::State;

/// Nothing more will happen to it.
pub(crate) fn ended(subscription: &Value) -> bool {
    ["canceled", "incomplete_expired"].contains(&doc::text(subscription, "/status"))
}

/// Begin and end of the current period, which stand on the item.
pub(crate) fn period(subscription: &Value) -> (i64, i64) {
    let item = "/items/data/0/current_period";
    (doc::amount(subscription, &format!("{item}_start")), doc::amount(subscription, &format!("{item}_end")))
}

pub(crate) fn set_period(subscription: &mut Value, start: i64, end: i64) {
    doc::put(subscription, "/items/data/0/current_period_start", start);
    doc::put(subscription, "/items/data/0/current_period_end", end);
}

/// The price's amount for the item's quantity.
pub(crate) fn fee(subscription: &Value, price: &Value) -> i64 {
    doc::amount(price, "/unit_amount") * doc::amount(subscription, "/items/data/0/quantity")
}

/// The recurring, active price that a parameter names.
pub(crate) fn recurring_price(state: &State, param: &str, id: &str) -> Result<Value, Refusal> {
    let price = state.named(param, "price", id)?;
    if price["type"] != "recurring" {
        return Err(Refusal::invalid("The price specified is set to `type=one_time`").with("param", param));
    }
    if price["active"] != true {
        return Err(Refusal::invalid("The price specified is inactive.").with("param", param));
    }
    Ok(price)
}

/// The old form of a price, which an item still carries.
pub(crate) fn plan(price: &Value) -> Value {
    json!({
        "id": price["id"], "object": "plan", "active": price["active"], "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"], "billing_scheme": "per_unit", "created": price["created"],
        "currency": price["currency"], "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"], "livemode": false, "metadata": price["metadata"],
        "meter": null, "nickname": price["nickname"], "product": price["product"], "tiers_mode": null,
        "transform_usage": null, "trial_period_days": null, "usage_type": "licensed",
    })
}

/// When a trial that is asked for ends; none if it is over at once.
fn trial_end(state: &State, form: &Form) -> Result<Option<i64>, Refusal> {
    let end = match form.text("trial_end") {
        Some("now") => None,
        Some(_) => form.int("trial_end")?,
        None => form.int("trial_period_days")?.filter(|days| *days > 0).map(|days| state.now + days * 86_400),
    };
    if end.is_some_and(|end| end <= state.now) {
        return Err(Refusal::invalid("Invalid timestamp: must be in the future.").with("param", "trial_end"));
    }
    Ok(end)
}

pub(crate) fn create(state: &mut State, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "customer",
        "items",
        "metadata",
        "default_payment_method",
        "payment_behavior",
        "payment_settings",
        "trial_end",
        "trial_period_days",
        "trial_settings",
        "cancel_at_period_end",
        "cancel_at",
        "description",
        "off_session",
        "collection_method",
        "proration_behavior",
    ])?;
    start(state, form, Attempt::Automatic)
}

/// Begins a subscription and tries to collect its first invoice as `attempt`.
pub(crate) fn start(state: &mut State, form: &Form, attempt: Attempt) -> Result<Value, Refusal> {
    let behaviors = ["allow_incomplete", "default_incomplete", "error_if_incomplete"];
    let behavior = form.one_of("payment_behavior", &behaviors)?;
    let doc = opening(state, form)?;
    let id = doc::id(&doc);
    let earlier = state.clone();
    state.add(doc.clone());
    if doc["status"] == "trialing" && doc["default_payment_method"].is_null() {
        let holder = state.named("customer", "customer", doc::text(&doc, "/customer"))?;
        if holder["invoice_settings"]["default_payment_method"].is_null() {
            let intent = doc::id(&state.setup_intent(&doc["customer"], "off_session", &json!({})));
            state.change(&id, |doc| doc["pending_setup_intent"] = intent.into());
        }
    }
    state.tell("customer.subscription.created", &id, None);
    let amount = if doc["status"] == "trialing" { 0 } else { fee(&doc, &doc["items"]["data"][0]["price"]) };
    let line = state.line(&doc, &doc["items"]["data"][0]["price"], amount, period(&doc));
    let invoice = state.draft(&id, "subscription_create", vec![line], (state.now, state.now));
    state.finalize(&invoice);
    if behavior != "default_incomplete" {
        let nothing_to_charge = |refusal: &Refusal| refusal.status == 400;
        if let Err(refusal) = state.collect(&invoice, None, attempt)
            && (behavior == "error_if_incomplete" || nothing_to_charge(&refusal))
        {
            state.restore(earlier);
            return Err(refusal);
        }
    }
    state.get("subscription", &id)
}

/// The subscription as it is before anything was paid.
fn opening(state: &mut State, form: &Form) -> Result<Value, Refusal> {
    form.one_of("collection_method", &["charge_automatically"])?;
    let customer = form.need("customer")?;
    state.named("customer", "customer", customer)?;
    let price = recurring_price(state, "items[0][price]", form.need("items[0][price]")?)?;
    if form.has("items[1]") {
        return Err(
            Refusal::invalid("This fake knows subscriptions with one item only.").with("param", "items")
        );
    }
    let method = form.text("default_payment_method").filter(|method| !method.is_empty());
    if let Some(method) = method {
        state.own_method("default_payment_method", customer, method)?;
    }
    if form.has("trial_end") && form.has("trial_period_days") {
        return Err(Refusal::parameter(
            "trial_end",
            "parameters_exclusive",
            "Received both trial_end and trial_period_days parameters. Please pass in only one.",
        ));
    }
    let trial = trial_end(state, form)?;
    let now = state.now;
    let end = trial.unwrap_or_else(|| next_boundary(now, &price, now));
    let (id, item) = (state.id("sub"), state.id("si"));
    let missing = form.one_of(
        "trial_settings[end_behavior][missing_payment_method]",
        &["create_invoice", "cancel", "pause"],
    )?;
    let saving = "payment_settings[save_default_payment_method]";
    let items = [json!({
        "id": item, "object": "subscription_item", "billing_thresholds": null, "created": now,
        "current_period_start": now, "current_period_end": end, "discounts": [], "metadata": {},
        "plan": plan(&price), "price": price, "quantity": form.int("items[0][quantity]")?.unwrap_or(1),
        "subscription": id, "tax_rates": [],
    })];
    let at_end = form.flag("cancel_at_period_end")?.unwrap_or(false);
    let cancel_at = if at_end { Some(end) } else { form.int("cancel_at")? };
    if cancel_at.is_some_and(|instant| instant <= now) {
        return Err(Refusal::invalid("Invalid timestamp: must be in the future.").with("param", "cancel_at"));
    }
    Ok(json!({
        "id": id, "object": "subscription", "application": null, "application_fee_percent": null,
        "automatic_tax": { "enabled": false, "liability": null, "disabled_reason": null },
        "billing_cycle_anchor": trial.unwrap_or(now), "billing_cycle_anchor_config": null,
        "billing_mode": { "type": "flexible", "flexible": { "proration_discounts": "included" } },
        "billing_schedules": [], "billing_thresholds": null, "cancel_at": cancel_at,
        "cancel_at_period_end": at_end, "canceled_at": cancel_at.map(|_| now),
        "cancellation_details": { "comment": null, "feedback": null, "reason": null },
        "collection_method": "charge_automatically", "created": now, "currency": price["currency"],
        "customer": customer, "days_until_due": null, "default_payment_method": method, "default_source": null,
        "default_tax_rates": [], "description": doc::or_null(form.text("description")), "discounts": [],
        "ended_at": null, "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
        "items": doc::list(&format!("/v1/subscription_items?subscription={id}"), &items),
        "latest_invoice": null, "livemode": false, "metadata": form.merge("metadata", &json!({})),
        "next_pending_invoice_item_invoice": null, "on_behalf_of": null, "pause_collection": null,
        "payment_settings": {
            "payment_method_options": null, "payment_method_types": null,
            "save_default_payment_method": form.one_of(saving, &["off", "on_subscription"])?,
        },
        "pending_invoice_item_interval": null, "pending_setup_intent": null, "pending_update": null,
        "schedule": null, "start_date": now, "status": if trial.is_some() { "trialing" } else { "incomplete" },
        "test_clock": null, "transfer_data": null, "trial_end": trial,
        "trial_settings": { "end_behavior": { "missing_payment_method": missing } },
        "trial_start": trial.map(|_| now),
    }))
}

pub(crate) fn list(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["customer", "status", "price", "created", "limit", "starting_after", "ending_before"])?;
    let (from, to) = (form.int("created[gte]")?, form.int("created[lt]")?);
    let mut all = state.all("subscription");
    all.retain(|doc| form.text("customer").is_none_or(|id| doc["customer"] == id));
    all.retain(|doc| form.text("price").is_none_or(|id| doc["items"]["data"][0]["price"]["id"] == id));
    all.retain(|doc| from.is_none_or(|from| doc::amount(doc, "/created") >= from));
    all.retain(|doc| to.is_none_or(|to| doc::amount(doc, "/created") < to));
    all.retain(|doc| match form.text("status") {
        None => doc["status"] != "canceled",
        Some("all") => true,
        Some("ended") => ended(doc),
        Some(status) => doc["status"] == status,
    });
    form.page("/v1/subscriptions", &all)
}

pub(crate) fn cancel(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&["cancellation_details", "invoice_now", "prorate"])?;
    form.one_of("invoice_now", &["false"])?;
    form.one_of("prorate", &["false"])?;
    let doc = state.get("subscription", id)?;
    if ended(&doc) {
        return Err(Refusal::missing("subscription", id));
    }
    let details = form.merge("cancellation_details", &doc["cancellation_details"]);
    state.change(id, |doc| doc["cancellation_details"] = details);
    state.cancel(id, "cancellation_requested");
    state.get("subscription", id)
}

impl State {
    /// Ends a subscription now: what is still owed is not collected any more.
    pub(crate) fn cancel(&mut self, id: &str, reason: &str) {
        let now = self.now;
        let incomplete = self.find(id).is_some_and(|doc| doc["status"] == "incomplete");
        self.pending_lines.retain(|(of, _)| of != id);
        self.change(id, |doc| {
            doc["status"] = "canceled".into();
            doc["ended_at"] = now.into();
            doc["canceled_at"] = doc::number(doc, "/canceled_at").unwrap_or(now).into();
            doc["pause_collection"] = Value::Null;
            doc::put(doc, "/cancellation_details/reason", reason);
        });
        for invoice in self.all("invoice") {
            if subscription_of(&invoice) != id {
                continue;
            }
            let invoice = doc::id(&invoice);
            self.change(&invoice, |doc| {
                if doc["status"] == "open" || doc["status"] == "draft" {
                    doc["auto_advance"] = false.into();
                    doc["automatically_finalizes_at"] = Value::Null;
                    doc["next_payment_attempt"] = Value::Null;
                }
            });
            if incomplete {
                self.void(&invoice);
            }
        }
        self.tell("customer.subscription.deleted", id, None);
    }
}
