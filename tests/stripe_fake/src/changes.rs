//! Changes of a running subscription: price, trial, pause, cancellation at a later time; and what they will cost.

use serde_json::{Value, json};

use crate::doc;
use crate::form::Form;
use crate::invoices::Attempt;
use crate::period::{next_boundary, share};
use crate::refusal::Refusal;
use crate::state::State;
use crate::subscriptions::{self, ended, fee, period, plan, recurring_price, set_period};

const FIELDS: [&str; 14] = [
    "items",
    "metadata",
    "default_payment_method",
    "payment_behavior",
    "payment_settings",
    "proration_behavior",
    "proration_date",
    "cancel_at_period_end",
    "cancel_at",
    "cancellation_details",
    "pause_collection",
    "trial_end",
    "description",
    "off_session",
];

/// What a change makes due.
struct Bill {
    lines: Vec<Value>,
    now: bool,
}

pub(crate) fn update(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&[&FIELDS[..], &["trial_settings", "billing_cycle_anchor"]].concat())?;
    let anchor = form.one_of("billing_cycle_anchor[type]", &["unchanged", "now"])?;
    let behaviors = ["allow_incomplete", "default_incomplete", "error_if_incomplete"];
    let behavior = form.one_of("payment_behavior", &behaviors)?;
    let before = state.get("subscription", id)?;
    let mild = ["metadata", "cancellation_details"];
    if ended(&before) && form.only(&mild).is_err() {
        let message = "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(Refusal::invalid(message));
    }
    let mut doc = before.clone();
    plain_fields(state, &mut doc, form)?;
    ending(&mut doc, form, state.now)?;
    let mut bill = swap_price(state, &mut doc, form)?;
    if form.has("trial_end") {
        let trial = move_trial(state, &mut doc, form)?;
        bill.lines.extend(trial.lines);
        bill.now |= trial.now;
    }
    if anchor == "now" {
        bill = begin_period(state, &mut doc, form)?;
    }
    let earlier = state.clone();
    state.update(id, "customer.subscription.updated", |stored| *stored = doc.clone());
    let Bill { lines, now } = bill;
    if now {
        let invoice = state.draft(id, "subscription_update", lines, (before_start(&before), state.now));
        state.finalize(&invoice);
        if behavior != "default_incomplete"
            && let Err(refusal) = state.collect(&invoice, None, Attempt::Automatic)
            && behavior == "error_if_incomplete"
        {
            state.restore(earlier);
            return Err(refusal);
        }
    } else {
        state.pending_lines.extend(lines.into_iter().map(|line| (id.to_owned(), line)));
    }
    state.get("subscription", id)
}

fn before_start(subscription: &Value) -> i64 {
    period(subscription).0
}

fn plain_fields(state: &State, doc: &mut Value, form: &Form) -> Result<(), Refusal> {
    doc["metadata"] = form.merge("metadata", &doc["metadata"]);
    doc["cancellation_details"] = form.merge("cancellation_details", &doc["cancellation_details"]);
    if let Some(description) = form.text("description") {
        doc["description"] = doc::or_null(Some(description));
    }
    if let Some(method) = form.text("default_payment_method") {
        if !method.is_empty() {
            state.own_method("default_payment_method", doc::text(doc, "/customer"), method)?;
        }
        doc["default_payment_method"] = doc::or_null(Some(method));
    }
    for (name, values, pointer) in [
        (
            "payment_settings[save_default_payment_method]",
            &["off", "on_subscription"][..],
            "/payment_settings/save_default_payment_method",
        ),
        (
            "trial_settings[end_behavior][missing_payment_method]",
            &["create_invoice", "cancel", "pause"][..],
            "/trial_settings/end_behavior/missing_payment_method",
        ),
    ] {
        if form.has(name) {
            doc::put(doc, pointer, form.one_of(name, values)?);
        }
    }
    if form.text("pause_collection") == Some("") {
        doc["pause_collection"] = Value::Null;
    } else if form.has("pause_collection") {
        form.need("pause_collection[behavior]")?;
        let behaviors = ["keep_as_draft", "mark_uncollectible", "void"];
        doc["pause_collection"] = json!({
            "behavior": form.one_of("pause_collection[behavior]", &behaviors)?,
            "resumes_at": form.int("pause_collection[resumes_at]")?,
        });
    }
    Ok(())
}

/// Cancellation at a later time, or taking that back.
fn ending(doc: &mut Value, form: &Form, now: i64) -> Result<(), Refusal> {
    let at_end = form.flag("cancel_at_period_end")?;
    if at_end == Some(true) && form.has("cancel_at") {
        return Err(Refusal::parameter(
            "cancel_at",
            "parameters_exclusive",
            "Received both cancel_at and cancel_at_period_end parameters. Please pass in only one.",
        ));
    }
    let cancel_at = match (at_end, form.text("cancel_at")) {
        (Some(true), _) | (_, Some("min_period_end" | "max_period_end")) => Some(period(doc).1),
        (Some(false), None) | (_, Some("")) => None,
        (_, Some(_)) => form.int("cancel_at")?,
        (None, None) => return Ok(()),
    };
    if cancel_at.is_some_and(|instant| instant <= now) {
        return Err(Refusal::invalid("Invalid timestamp: must be in the future.").with("param", "cancel_at"));
    }
    doc["cancel_at_period_end"] = (at_end == Some(true)).into();
    doc["cancel_at"] = cancel_at.into();
    doc["canceled_at"] = cancel_at.map(|_| now).into();
    let reason = if cancel_at.is_some() { Value::from("cancellation_requested") } else { Value::Null };
    doc["cancellation_details"]["reason"] = reason;
    Ok(())
}

/// Another price: the unused time of the old one is given back, that of the new one charged.
fn swap_price(state: &mut State, doc: &mut Value, form: &Form) -> Result<Bill, Refusal> {
    let nothing = Bill { lines: Vec::new(), now: false };
    let Some(wanted) = form.text("items[0][price]") else { return Ok(nothing) };
    if form.text("items[0][id]") != doc["items"]["data"][0]["id"].as_str() {
        let message = "This fake knows subscriptions with one item only: name it by items[0][id].";
        return Err(Refusal::invalid(message).with("param", "items[0][id]"));
    }
    let prorate = form.one_of("proration_behavior", &["create_prorations", "always_invoice", "none"])?;
    let new = recurring_price(state, "items[0][price]", wanted)?;
    let old = doc["items"]["data"][0]["price"].clone();
    if new["currency"] != old["currency"] {
        return Err(Refusal::invalid("The price's currency is not that of the subscription."));
    }
    if new["id"] == old["id"] {
        return Ok(nothing);
    }
    let (start, end) = period(doc);
    let (now, at) = (state.now, form.int("proration_date")?.unwrap_or(state.now));
    let (credit, whole) = (-share(fee(doc, &old), at, (start, end)), fee(doc, &new));
    let running = doc["status"] == "active" || doc["status"] == "past_due";
    let old_doc = doc.clone();
    doc["items"]["data"][0]["plan"] = plan(&new);
    doc["items"]["data"][0]["price"] = new.clone();
    if !running {
        return Ok(nothing);
    }
    let rhythm = |price: &Value| {
        (price["recurring"]["interval"].clone(), price["recurring"]["interval_count"].clone())
    };
    let same_rhythm = rhythm(&old) == rhythm(&new);
    let mut lines = Vec::new();
    if prorate != "none" {
        lines.push(proration(state.line(&old_doc, &old, credit, (at, end))));
    }
    if same_rhythm {
        if prorate != "none" {
            let rest = share(whole, at, (start, end));
            lines.push(proration(state.line(doc, &new, rest, (at, end))));
        }
        return Ok(Bill { lines, now: prorate == "always_invoice" });
    }
    if form.has("trial_end") && form.text("trial_end") != Some("now") {
        // The new rhythm begins with the end of the trial.
        return Ok(Bill { lines, now: false });
    }
    let next = next_boundary(now, &new, now);
    doc["billing_cycle_anchor"] = now.into();
    set_period(doc, now, next);
    lines.push(state.line(doc, &new, whole, (now, next)));
    Ok(Bill { lines, now: true })
}

fn proration(mut line: Value) -> Value {
    doc::put(&mut line, "/parent/subscription_item_details/proration", true);
    let what = if doc::amount(&line, "/amount") < 0 { "Unused" } else { "Remaining" };
    let price = doc::text(&line, "/pricing/price_details/price").to_owned();
    line["description"] = format!("{what} time on {price}").into();
    line
}

/// The trial ends now or at another time, or begins within a paid period.
fn move_trial(state: &mut State, doc: &mut Value, form: &Form) -> Result<Bill, Refusal> {
    let prorate = form.one_of("proration_behavior", &["create_prorations", "always_invoice", "none"])?;
    let price = doc["items"]["data"][0]["price"].clone();
    let now = state.now;
    let trialing = doc["status"] == "trialing";
    if form.text("trial_end") == Some("now") {
        if !trialing {
            return Ok(Bill { lines: Vec::new(), now: false });
        }
        let next = next_boundary(now, &price, now);
        doc["status"] = "active".into();
        doc["trial_end"] = now.into();
        doc["billing_cycle_anchor"] = now.into();
        set_period(doc, now, next);
        let line = state.line(doc, &price, fee(doc, &price), (now, next));
        return Ok(Bill { lines: vec![line], now: true });
    }
    let end = form.int("trial_end")?.filter(|end| *end > now);
    let end = end.ok_or_else(|| {
        Refusal::invalid("Invalid timestamp: must be in the future.").with("param", "trial_end")
    })?;
    let mut lines = Vec::new();
    if trialing {
        let start = period(doc).0;
        set_period(doc, start, end);
    } else {
        if prorate != "none" {
            let credit = -share(fee(doc, &price), now, period(doc));
            lines.push(proration(state.line(doc, &price, credit, (now, period(doc).1))));
        }
        doc["trial_start"] = now.into();
        doc["status"] = "trialing".into();
        set_period(doc, now, end);
        lines.push(state.line(doc, &price, 0, (now, end)));
    }
    doc["trial_end"] = end.into();
    doc["billing_cycle_anchor"] = end.into();
    state.announced.remove(doc::text(doc, "/id"));
    Ok(Bill { lines, now: !trialing })
}

/// A new period begins now, whatever is left of the old one.
fn begin_period(state: &mut State, doc: &mut Value, form: &Form) -> Result<Bill, Refusal> {
    form.one_of("proration_behavior", &["none"])?;
    let (now, price) = (state.now, doc["items"]["data"][0]["price"].clone());
    let next = next_boundary(now, &price, now);
    doc["status"] = "active".into();
    doc["billing_cycle_anchor"] = now.into();
    set_period(doc, now, next);
    let line = state.line(doc, &price, fee(doc, &price), (now, next));
    Ok(Bill { lines: vec![line], now: true })
}

/// Ends the pause that came with a trial's end without a card.
pub(crate) fn resume(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&["billing_cycle_anchor", "proration_behavior"])?;
    let before = state.get("subscription", id)?;
    if before["status"] != "paused" {
        return Err(Refusal::invalid("Only paused subscriptions can be resumed."));
    }
    let (now, price) = (state.now, before["items"]["data"][0]["price"].clone());
    let next = next_boundary(now, &price, now);
    let line = state.line(&before, &price, fee(&before, &price), (now, next));
    let earlier = state.clone();
    state.change(id, |doc| {
        doc["status"] = "active".into();
        doc["billing_cycle_anchor"] = now.into();
        set_period(doc, now, next);
    });
    let invoice = state.draft(id, "subscription_update", vec![line], (now, now));
    state.finalize(&invoice);
    if let Err(refusal) = state.collect(&invoice, None, Attempt::Manual) {
        state.restore(earlier);
        return Err(refusal);
    }
    state.tell("customer.subscription.resumed", id, None);
    state.get("subscription", id)
}

/// What the next invoice will be: tried out on a copy, of which nothing stays.
pub(crate) fn preview(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["customer", "subscription", "subscription_details", "currency"])?;
    let mut trial = state.clone();
    let mut inner = form.inside("subscription_details");
    inner.only(&[&FIELDS[..], &["trial_period_days"]].concat())?;
    inner.set("payment_behavior", "default_incomplete");
    let invoice = if let Some(id) = form.text("subscription") {
        next_invoice(&mut trial, id, &inner)?
    } else {
        inner.set("customer", form.need("customer")?);
        let doc = subscriptions::start(&mut trial, &inner, Attempt::Automatic)?;
        doc::text(&doc, "/latest_invoice").to_owned()
    };
    let mut doc = trial.get("invoice", &invoice)?;
    let id = format!("upcoming_{invoice}");
    doc["id"] = id.as_str().into();
    doc["status"] = "draft".into();
    doc["number"] = Value::Null;
    doc["created"] = state.now.into();
    for line in doc["lines"]["data"].as_array_mut().into_iter().flatten() {
        line["invoice"] = id.as_str().into();
    }
    Ok(doc)
}

/// The invoice that a change brings at once, or else that of the renewal.
fn next_invoice(trial: &mut State, id: &str, change: &Form) -> Result<String, Refusal> {
    let before = trial.named("subscription", "subscription", id)?["latest_invoice"].clone();
    let after = update(trial, id, change)?;
    if after["latest_invoice"] != before {
        return Ok(doc::text(&after, "/latest_invoice").to_owned());
    }
    if ended(&after) || !after["cancel_at"].is_null() {
        let message = format!("No upcoming invoices for subscription: {id}");
        return Err(Refusal::invalid(&message).with("code", "invoice_upcoming_none"));
    }
    trial.now = period(&after).1;
    Ok(trial.renew(id))
}
