//! Which call does what.

use serde_json::Value;

use crate::expand::expand;
use crate::form::Form;
use crate::refusal::Refusal;
use crate::state::State;
use crate::{cards, catalog, changes, checkout, customers, events, invoices, payments, subscriptions};

/// Answers one call; `path` is what follows `/v1/`.
pub(crate) fn answer(state: &mut State, method: &str, path: &str, form: &Form) -> Result<Value, Refusal> {
    let steps: Vec<&str> = path.split('/').collect();
    let found = match method {
        "GET" => read(state, &steps, form),
        "POST" => write(state, &steps, form),
        "DELETE" => delete(state, &steps, form),
        _ => None,
    };
    let unknown = || Refusal::invalid(&format!("Unrecognized request URL ({method}: /v1/{path})."));
    let doc = found.ok_or_else(|| Refusal { status: 404, ..unknown() })??;
    expand(state, doc, &form.list("expand"))
}

type Answer = Option<Result<Value, Refusal>>;

fn read(state: &State, path: &[&str], form: &Form) -> Answer {
    let kind = match path {
        ["customers"] => return Some(customers::list(state, form)),
        ["customers", customer, "payment_methods"] => return Some(cards::list(state, Some(customer), form)),
        ["payment_methods"] => return Some(cards::list(state, None, form)),
        ["products"] => return Some(catalog::list_products(state, form)),
        ["prices"] => return Some(catalog::list_prices(state, form)),
        ["subscriptions"] => return Some(subscriptions::list(state, form)),
        ["invoices"] => return Some(invoices::list(state, form)),
        ["invoice_payments"] => return Some(payments::list_payments(state, form)),
        ["charges"] => return Some(payments::list_charges(state, form)),
        ["refunds"] => return Some(payments::list_refunds(state, form)),
        ["disputes"] => return Some(payments::list_disputes(state, form)),
        ["events"] => return Some(events::list(state, form)),
        ["checkout", "sessions"] => return Some(checkout::list(state, form)),
        ["checkout", "sessions", _] => "checkout.session",
        ["customers", _] => "customer",
        ["products", _] => "product",
        ["prices", _] => "price",
        ["payment_methods", _] => "payment_method",
        ["setup_intents", _] => "setup_intent",
        ["payment_intents", _] => "payment_intent",
        ["subscriptions", _] => "subscription",
        ["invoices", _] => "invoice",
        ["invoice_payments", _] => "invoice_payment",
        ["charges", _] => "charge",
        ["refunds", _] => "refund",
        ["disputes", _] => "dispute",
        ["events", _] => "event",
        _ => return None,
    };
    Some(state.get(kind, path.last().copied().unwrap_or_default()))
}

fn write(state: &mut State, path: &[&str], form: &Form) -> Answer {
    Some(match path {
        ["customers"] => customers::create(state, form),
        ["customers", id] => customers::update(state, id, form),
        ["products"] => catalog::create_product(state, form),
        ["products", id] => catalog::update_product(state, id, form),
        ["prices"] => catalog::create_price(state, form),
        ["prices", id] => catalog::update_price(state, id, form),
        ["payment_methods", id, "attach"] => cards::attach(state, id, form),
        ["payment_methods", id, "detach"] => cards::detach(state, id, form),
        ["setup_intents"] => cards::create_setup_intent(state, form),
        ["checkout", "sessions"] => checkout::create(state, form),
        ["checkout", "sessions", id, "expire"] => checkout::expire(state, id, form),
        ["billing_portal", "sessions"] => checkout::portal(state, form),
        ["subscriptions"] => subscriptions::create(state, form),
        ["subscriptions", id] => changes::update(state, id, form),
        ["subscriptions", id, "resume"] => changes::resume(state, id, form),
        ["invoices", "create_preview"] => changes::preview(state, form),
        ["invoices", id, "pay"] => invoices::pay(state, id, form),
        ["invoices", id, "void"] => invoices::void(state, id, form),
        ["refunds"] => payments::refund(state, form),
        _ => return None,
    })
}

fn delete(state: &mut State, path: &[&str], form: &Form) -> Answer {
    Some(match path {
        ["customers", id] => customers::delete(state, id, form),
        ["subscriptions", id] => subscriptions::cancel(state, id, form),
        _ => return None,
    })
}
