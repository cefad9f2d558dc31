//! Invoices: drafted, finalized, collected, paid or voided.

use serde_json::{Value, json};

use crate::cards::Verdict;
use crate::doc;
use crate::form::Form;
use crate::refusal::Refusal;
use crate::state::State;

/// Days from one failed automatic attempt to the next; after the last, the subscription is cancelled.
const RETRY_DAYS: [i64; 3] = [3, 5, 7];

/// Who tries to collect an invoice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Stripe itself: counts, and is tried again.
    Automatic,
    /// The `pay` call.
    Manual,
    /// The customer, who is there and can authenticate.
    OnSession,
}

impl State {
    /// One line of an invoice.
    pub(crate) fn line(
        &mut self,
        subscription: &Value,
        price: &Value,
        amount: i64,
        period: (i64, i64),
    ) -> Value {
        let what = doc::text(price, "/id");
        json!({
            "id": self.id("il"), "object": "line_item", "amount": amount, "currency": price["currency"],
            "description": format!("1 × {what}"), "discount_amounts": [], "discountable": true, "discounts": [],
            "invoice": null, "livemode": false, "metadata": subscription["metadata"],
            "parent": {
                "type": "subscription_item_details", "invoice_item_details": null,
                "subscription_item_details": {
                    "invoice_item": null, "proration": false, "proration_details": { "credited_items": null },
                    "subscription": subscription["id"], "subscription_item": subscription["items"]["data"][0]["id"],
                },
            },
            "period": { "start": period.0, "end": period.1 }, "pretax_credit_amounts": [],
            "pricing": {
                "type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"],
                "price_details": { "price": price["id"], "product": price["product"] },
            },
            "quantity": subscription["items"]["data"][0]["quantity"], "subscription": subscription["id"],
            "subtotal": amount, "taxes": [],
        })
    }

    /// A draft with these lines and those that waited for the subscription's next invoice.
    pub(crate) fn draft(
        &mut self,
        subscription: &str,
        reason: &str,
        lines: Vec<Value>,
        period: (i64, i64),
    ) -> String {
        let owner = self.find(subscription).cloned().unwrap_or_default();
        let id = self.id("in");
        let (waiting, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending_lines).into_iter().partition(|(of, _)| of == subscription);
        self.pending_lines = rest;
        let mut lines: Vec<Value> = waiting.into_iter().map(|(_, line)| line).chain(lines).collect();
        for line in &mut lines {
            line["invoice"] = id.as_str().into();
        }
        let total: i64 = lines.iter().map(|line| doc::amount(line, "/amount")).sum();
        let customer = self.find(doc::text(&owner, "/customer")).cloned().unwrap_or_default();
        let doc = json!({
            "id": id, "object": "invoice", "account_country": "DE", "account_name": "Fake", "account_tax_ids": null,
            "amount_due": total.max(0), "amount_overpaid": 0, "amount_paid": 0, "amount_remaining": total.max(0),
            "amount_shipping": 0, "application": null, "attempt_count": 0, "attempted": false, "auto_advance": true,
            "automatic_tax": { "enabled": false, "liability": null, "status": null, "disabled_reason": null, "provider": null },
            "automatically_finalizes_at": null, "billing_reason": reason,
            "collection_method": "charge_automatically", "created": self.now, "currency": owner["currency"],
            "custom_fields": null, "customer": owner["customer"], "customer_address": customer["address"],
            "customer_email": customer["email"], "customer_name": customer["name"], "customer_phone": null,
            "customer_shipping": null, "customer_tax_exempt": "none", "customer_tax_ids": [],
            "default_payment_method": null, "default_source": null, "default_tax_rates": [], "description": null,
            "discounts": [], "due_date": null, "effective_at": null, "ending_balance": null, "footer": null,
            "from_invoice": null, "hosted_invoice_url": null, "invoice_pdf": null, "issuer": { "type": "self" },
            "last_finalization_error": null, "latest_revision": null,
            "lines": doc::list(&format!("/v1/invoices/{id}/lines"), &lines),
            "livemode": false, "metadata": {}, "next_payment_attempt": null, "number": null, "on_behalf_of": null,
            "parent": {
                "type": "subscription_details", "quote_details": null,
                "subscription_details": { "metadata": owner["metadata"], "subscription": subscription },
            },
            "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
            "period_start": period.0, "period_end": period.1, "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0, "receipt_number": null, "rendering": null, "shipping_cost": null,
            "shipping_details": null, "starting_balance": 0, "statement_descriptor": null, "status": "draft",
            "status_transitions": { "finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
            "subtotal": total, "subtotal_excluding_tax": total, "test_clock": null, "total": total,
            "total_discount_amounts": [], "total_excluding_tax": total, "total_pretax_credit_amounts": [],
            "total_taxes": [], "webhooks_delivered_at": null,
        });
        self.add(doc);
        self.tell("invoice.created", &id, None);
        self.change(subscription, |doc| doc["latest_invoice"] = id.as_str().into());
        id
    }

    /// Makes a draft binding: it gets a number, takes the customer's credit into account and asks for the rest.
    pub(crate) fn finalize(&mut self, id: &str) {
        let Some(invoice) = self.find(id).cloned() else { return };
        let customer = doc::text(&invoice, "/customer").to_owned();
        let holder = self.find(&customer).cloned().unwrap_or_default();
        let sequence = doc::amount(&holder, "/next_invoice_sequence");
        let starting = doc::amount(&holder, "/balance");
        let open = doc::amount(&invoice, "/total") + starting.min(0);
        self.change(&customer, |doc| {
            doc["next_invoice_sequence"] = (sequence + 1).into();
            doc["balance"] = open.min(0).into();
        });
        let (now, due) = (self.now, open.max(0));
        self.change(id, |doc| {
            doc["number"] = format!("{}-{sequence:04}", doc::text(&holder, "/invoice_prefix")).into();
            doc["status"] = "open".into();
            doc["starting_balance"] = starting.into();
            doc["ending_balance"] = open.min(0).into();
            doc["amount_due"] = due.into();
            doc["amount_remaining"] = due.into();
            doc["effective_at"] = now.into();
            doc["automatically_finalizes_at"] = Value::Null;
            doc["hosted_invoice_url"] = format!("https://invoice.stripe.com/i/{id}").into();
            doc["invoice_pdf"] = format!("https://pay.stripe.com/invoice/{id}/pdf").into();
            doc::put(doc, "/status_transitions/finalized_at", now);
        });
        if due > 0 {
            self.ask(id, due);
        }
        self.tell("invoice.finalized", id, None);
        if due == 0 {
            self.mark_paid(id, 0);
        }
    }

    /// The payment method that an invoice would be charged to.
    fn default_method(&self, invoice: &Value) -> Option<String> {
        let subscription = self.find(subscription_of(invoice))?;
        let customer = self.find(doc::text(invoice, "/customer"))?;
        let own = doc::text(subscription, "/default_payment_method");
        let general = doc::text(customer, "/invoice_settings/default_payment_method");
        [own, general].into_iter().find(|method| !method.is_empty()).map(str::to_owned)
    }

    /// Tries to charge an open invoice.
    pub(crate) fn collect(
        &mut self,
        id: &str,
        method: Option<&str>,
        attempt: Attempt,
    ) -> Result<(), Refusal> {
        let invoice = self.get("invoice", id)?;
        if invoice["status"] != "open" {
            return Ok(());
        }
        let due = doc::amount(&invoice, "/amount_remaining");
        let Some(method) = method.map(str::to_owned).or_else(|| self.default_method(&invoice)) else {
            self.failed(id, attempt);
            return Err(Refusal::invalid(
                "This customer has no attached payment source or default payment method. Please consider adding a \
                 default payment method.",
            )
            .with("code", "resource_missing"));
        };
        match self.verdict(&method, attempt == Attempt::OnSession) {
            Verdict::Paid => {
                self.charge(id, &method, due);
                self.mark_paid(id, due);
                self.keep_method(subscription_of(&invoice), &method);
                Ok(())
            }
            Verdict::Declined(refusal) => {
                self.decline(id, &method, due, &refusal);
                self.failed(id, attempt);
                Err(refusal)
            }
            Verdict::Authenticate(refusal) => {
                self.require_action(id, &method);
                self.tell("invoice.payment_action_required", id, None);
                self.failed(id, attempt);
                Err(refusal)
            }
        }
    }

    fn keep_method(&mut self, subscription: &str, method: &str) {
        self.change(subscription, |doc| {
            if doc::text(doc, "/payment_settings/save_default_payment_method") == "on_subscription" {
                doc["default_payment_method"] = method.into();
            }
        });
    }

    fn failed(&mut self, id: &str, attempt: Attempt) {
        let now = self.now;
        self.change(id, |doc| {
            doc["attempted"] = true.into();
            if attempt == Attempt::Automatic {
                let count = doc::amount(doc, "/attempt_count");
                let days = usize::try_from(count).ok().and_then(|count| RETRY_DAYS.get(count));
                let first = doc["billing_reason"] == "subscription_create";
                let next = days.filter(|_| !first).map(|days| now + days * 86_400);
                doc["attempt_count"] = (count + 1).into();
                doc["next_payment_attempt"] = next.into();
            }
        });
        self.tell("invoice.payment_failed", id, None);
        let subscription = self.find(id).map(|doc| subscription_of(doc).to_owned()).unwrap_or_default();
        self.update(&subscription, "customer.subscription.updated", |doc| {
            if doc["latest_invoice"] == id && (doc["status"] == "active" || doc["status"] == "trialing") {
                doc["status"] = "past_due".into();
            }
        });
    }

    /// The invoice is settled; so is the subscription, if that was its last one.
    fn mark_paid(&mut self, id: &str, paid: i64) {
        let now = self.now;
        self.change(id, |doc| {
            doc["status"] = "paid".into();
            doc["amount_paid"] = paid.into();
            doc["amount_remaining"] = 0.into();
            doc["attempted"] = true.into();
            doc["attempt_count"] = (doc::amount(doc, "/attempt_count") + i64::from(paid > 0)).into();
            doc["next_payment_attempt"] = Value::Null;
            doc::put(doc, "/status_transitions/paid_at", now);
        });
        self.tell("invoice.paid", id, None);
        let subscription = self.find(id).map(|doc| subscription_of(doc).to_owned()).unwrap_or_default();
        self.update(&subscription, "customer.subscription.updated", |doc| {
            if doc["latest_invoice"] == id && (doc["status"] == "incomplete" || doc["status"] == "past_due") {
                doc["status"] = "active".into();
            }
        });
    }

    /// Nothing will be collected any more; a first invoice takes its subscription along.
    pub(crate) fn void(&mut self, id: &str) {
        let now = self.now;
        self.change(id, |doc| {
            doc["status"] = "void".into();
            doc["next_payment_attempt"] = Value::Null;
            doc::put(doc, "/status_transitions/voided_at", now);
        });
        self.cancel_intents(id);
        self.tell("invoice.voided", id, None);
        let subscription = self.find(id).map(|doc| subscription_of(doc).to_owned()).unwrap_or_default();
        self.update(&subscription, "customer.subscription.updated", |doc| {
            if doc["latest_invoice"] == id && doc["status"] == "incomplete" {
                doc["status"] = "incomplete_expired".into();
                doc["ended_at"] = now.into();
            }
        });
    }
}

pub(crate) fn subscription_of(invoice: &Value) -> &str {
    doc::text(invoice, "/parent/subscription_details/subscription")
}

pub(crate) fn list(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "customer",
        "subscription",
        "status",
        "created",
        "limit",
        "starting_after",
        "ending_before",
    ])?;
    let (from, to) = (form.int("created[gte]")?, form.int("created[lt]")?);
    let mut all = state.all("invoice");
    all.retain(|doc| form.text("customer").is_none_or(|id| doc["customer"] == id));
    all.retain(|doc| form.text("subscription").is_none_or(|id| subscription_of(doc) == id));
    all.retain(|doc| form.text("status").is_none_or(|status| doc["status"] == status));
    all.retain(|doc| from.is_none_or(|from| doc::amount(doc, "/created") >= from));
    all.retain(|doc| to.is_none_or(|to| doc::amount(doc, "/created") < to));
    form.page("/v1/invoices", &all)
}

pub(crate) fn pay(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&["payment_method", "off_session"])?;
    let invoice = state.get("invoice", id)?;
    match doc::text(&invoice, "/status") {
        "open" => {}
        "draft" => state.finalize(id),
        "paid" => return Err(Refusal::invalid("Invoice is already paid")),
        status => return Err(Refusal::invalid(&format!("You can't pay an invoice that is {status}"))),
    }
    if let Some(method) = form.text("payment_method") {
        state.own_method("payment_method", doc::text(&invoice, "/customer"), method)?;
    }
    let attempt = if form.flag("off_session")? == Some(false) { Attempt::OnSession } else { Attempt::Manual };
    state.collect(id, form.text("payment_method"), attempt)?;
    state.get("invoice", id)
}

pub(crate) fn void(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&[])?;
    let invoice = state.get("invoice", id)?;
    if invoice["status"] != "open" && invoice["status"] != "uncollectible" {
        return Err(Refusal::invalid("You can only pass in open or uncollectible invoices."));
    }
    state.void(id);
    state.get("invoice", id)
}
