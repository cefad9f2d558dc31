//! What is really taken and given back: payment intents, charges, refunds and disputes.

use serde_json::{Value, json};

use crate::doc;
use crate::form::Form;
use crate::refusal::Refusal;
use crate::state::State;

impl State {
    /// An invoice asks for money: a payment intent, and the invoice payment that ties the two together.
    pub(crate) fn ask(&mut self, invoice: &str, amount: i64) {
        let Some(asked) = self.find(invoice).cloned() else { return };
        let id = self.id("pi");
        let secret = format!("{id}_secret_{:x}", self.now);
        self.add(json!({
            "id": id, "object": "payment_intent", "amount": amount, "amount_capturable": 0,
            "amount_details": { "tip": {} }, "amount_received": 0, "application": null,
            "application_fee_amount": null, "automatic_payment_methods": null, "canceled_at": null,
            "cancellation_reason": null, "capture_method": "automatic", "client_secret": secret,
            "confirmation_method": "automatic", "created": self.now, "currency": asked["currency"],
            "customer": asked["customer"], "description": "Subscription", "last_payment_error": null,
            "latest_charge": null, "livemode": false, "metadata": {}, "next_action": null, "on_behalf_of": null,
            "payment_method": null, "payment_method_options": {}, "payment_method_types": ["card"],
            "processing": null, "receipt_email": null, "review": null, "setup_future_usage": "off_session",
            "shipping": null, "source": null, "statement_descriptor": null, "statement_descriptor_suffix": null,
            "status": "requires_payment_method", "transfer_data": null, "transfer_group": null,
        }));
        let payment = json!({
            "id": self.id("inpay"), "object": "invoice_payment", "amount_paid": null, "amount_requested": amount,
            "created": self.now, "currency": asked["currency"], "invoice": invoice, "is_default": true,
            "livemode": false, "payment": { "type": "payment_intent", "payment_intent": id }, "status": "open",
            "status_transitions": { "canceled_at": null, "paid_at": null },
        });
        self.add(payment);
    }

    /// The payments of an invoice, the newest first.
    pub(crate) fn payments_of(&self, invoice: &str) -> Vec<Value> {
        let mut all = self.all("invoice_payment");
        all.retain(|doc| doc["invoice"] == invoice);
        all
    }

    /// The payment intent of an invoice, if it asked for money.
    pub(crate) fn intent_of(&self, invoice: &str) -> Option<String> {
        let payments = self.payments_of(invoice);
        payments.first().map(|doc| doc::text(doc, "/payment/payment_intent").to_owned())
    }

    /// The invoice that a payment intent pays.
    pub(crate) fn invoice_of(&self, intent: &str) -> Option<String> {
        let all = self.all("invoice_payment");
        let found = all.iter().find(|doc| doc::text(doc, "/payment/payment_intent") == intent);
        found.map(|doc| doc::text(doc, "/invoice").to_owned())
    }

    fn record_charge(
        &mut self,
        intent: &Value,
        method: &str,
        amount: i64,
        refusal: Option<&Refusal>,
    ) -> String {
        let id = self.id("ch");
        let card = self.find(method).cloned().unwrap_or_default();
        let paid = refusal.is_none();
        self.add(json!({
            "id": id, "object": "charge", "amount": amount, "amount_captured": if paid { amount } else { 0 },
            "amount_refunded": 0, "application": null, "application_fee": null, "application_fee_amount": null,
            "balance_transaction": null, "billing_details": card["billing_details"],
            "calculated_statement_descriptor": "FAKE", "captured": paid, "created": self.now,
            "currency": intent["currency"], "customer": intent["customer"], "description": intent["description"],
            "disputed": false, "failure_balance_transaction": null,
            "failure_code": refusal.map(Refusal::code),
            "failure_message": refusal.map(|refusal| refusal.error["message"].clone()), "fraud_details": {},
            "livemode": false, "metadata": {}, "on_behalf_of": null, "outcome": null, "paid": paid,
            "payment_intent": intent["id"], "payment_method": method, "payment_method_details": null,
            "receipt_email": null, "receipt_number": null, "receipt_url": null, "refunded": false, "review": null,
            "shipping": null, "source": null, "source_transfer": null, "statement_descriptor": null,
            "statement_descriptor_suffix": null, "status": if paid { "succeeded" } else { "failed" },
            "transfer_data": null, "transfer_group": null,
        }));
        id
    }

    /// Takes the money that an invoice asks for.
    pub(crate) fn charge(&mut self, invoice: &str, method: &str, amount: i64) {
        let Some(intent) = self.intent_of(invoice).and_then(|id| self.find(&id).cloned()) else { return };
        let charge = self.record_charge(&intent, method, amount, None);
        self.change(&doc::id(&intent), |doc| {
            doc["status"] = "succeeded".into();
            doc["amount_received"] = amount.into();
            doc["latest_charge"] = charge.as_str().into();
            doc["payment_method"] = method.into();
            doc["last_payment_error"] = Value::Null;
            doc["next_action"] = Value::Null;
        });
        let now = self.now;
        for payment in self.payments_of(invoice) {
            self.change(&doc::id(&payment), |doc| {
                doc["status"] = "paid".into();
                doc["amount_paid"] = amount.into();
                doc::put(doc, "/status_transitions/paid_at", now);
            });
        }
    }

    /// The bank said no.
    pub(crate) fn decline(&mut self, invoice: &str, method: &str, amount: i64, refusal: &Refusal) {
        let Some(intent) = self.intent_of(invoice).and_then(|id| self.find(&id).cloned()) else { return };
        let charge = self.record_charge(&intent, method, amount, Some(refusal));
        self.change(&doc::id(&intent), |doc| {
            doc["status"] = "requires_payment_method".into();
            doc["latest_charge"] = charge.into();
            doc["last_payment_error"] = refusal.error.clone();
        });
    }

    /// The bank wants to hear it from the customer.
    pub(crate) fn require_action(&mut self, invoice: &str, method: &str) {
        let Some(intent) = self.intent_of(invoice) else { return };
        self.change(&intent, |doc| {
            doc["status"] = "requires_action".into();
            doc["payment_method"] = method.into();
            doc["next_action"] = json!({ "type": "use_stripe_sdk", "use_stripe_sdk": {} });
        });
    }

    /// Nobody will pay a void invoice any more.
    pub(crate) fn cancel_intents(&mut self, invoice: &str) {
        let now = self.now;
        for payment in self.payments_of(invoice) {
            self.change(&doc::id(&payment), |doc| {
                doc["status"] = "canceled".into();
                doc::put(doc, "/status_transitions/canceled_at", now);
            });
            self.change(doc::text(&payment, "/payment/payment_intent"), |doc| {
                doc["status"] = "canceled".into();
                doc["canceled_at"] = now.into();
                doc["cancellation_reason"] = "void_invoice".into();
            });
        }
    }

    /// A customer's bank takes the money of a charge back, for now.
    pub(crate) fn open_dispute(&mut self, charge: &str) -> Result<String, Refusal> {
        let taken = self.get("charge", charge)?;
        if taken["disputed"] == true || taken["paid"] != true {
            return Err(Refusal::invalid("This charge cannot be disputed."));
        }
        let id = self.id("du");
        self.change(charge, |doc| doc["disputed"] = true.into());
        self.add(json!({
            "id": id, "object": "dispute", "amount": taken["amount"], "balance_transactions": [], "charge": charge,
            "created": self.now, "currency": taken["currency"], "enhanced_eligibility_types": [],
            "evidence": { "enhanced_evidence": {} },
            "evidence_details": {
                "due_by": self.now + 7 * 86_400, "enhanced_eligibility": {}, "has_evidence": false,
                "past_due": false, "submission_count": 0,
            },
            "is_charge_refundable": false, "livemode": false, "metadata": {},
            "payment_intent": taken["payment_intent"], "payment_method_details": null, "reason": "fraudulent",
            "status": "needs_response",
        }));
        self.tell("charge.dispute.created", &id, None);
        Ok(id)
    }
}

pub(crate) fn list_payments(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["invoice", "status", "limit", "starting_after", "ending_before"])?;
    let mut all = state.all("invoice_payment");
    all.retain(|doc| form.text("invoice").is_none_or(|id| doc["invoice"] == id));
    all.retain(|doc| form.text("status").is_none_or(|status| doc["status"] == status));
    form.page("/v1/invoice_payments", &all)
}

/// Gives money back: never more than was taken.
pub(crate) fn refund(state: &mut State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["payment_intent", "charge", "amount", "reason", "metadata"])?;
    let charge = match (form.text("charge"), form.text("payment_intent")) {
        (Some(charge), None) => state.named("charge", "charge", charge)?,
        (None, Some(intent)) => {
            let intent = state.named("payment_intent", "payment_intent", intent)?;
            let id = doc::text(&intent, "/latest_charge");
            let refusal = || {
                let id = doc::text(&intent, "/id");
                Refusal::invalid(&format!(
                    "This PaymentIntent ({id}) does not have a successful charge to refund."
                ))
            };
            state.find(id).filter(|charge| charge["paid"] == true).cloned().ok_or_else(refusal)?
        }
        _ => {
            return Err(Refusal::invalid(
                "One of the following params should be provided: payment_intent or charge.",
            ));
        }
    };
    let id = doc::id(&charge);
    if charge["disputed"] == true {
        let message = format!("Charge {id} has been charged back; cannot issue a refund.");
        return Err(Refusal::parameter("charge", "charge_disputed", &message));
    }
    let left = doc::amount(&charge, "/amount_captured") - doc::amount(&charge, "/amount_refunded");
    if left == 0 {
        let message = format!("Charge {id} has already been refunded.");
        return Err(Refusal::parameter("charge", "charge_already_refunded", &message));
    }
    let amount = form.int("amount")?.unwrap_or(left);
    if amount < 1 {
        return Err(Refusal::parameter(
            "amount",
            "parameter_invalid_integer",
            "This value must be greater than or equal to 1.",
        ));
    }
    if amount > left {
        let message =
            format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
        return Err(Refusal::invalid(&message).with("param", "amount"));
    }
    let reasons = ["", "duplicate", "fraudulent", "requested_by_customer"];
    let reason = doc::or_null(Some(form.one_of("reason", &reasons)?));
    state.change(&id, |doc| {
        let refunded = doc::amount(doc, "/amount_refunded") + amount;
        doc["amount_refunded"] = refunded.into();
        doc["refunded"] = (doc["amount_captured"] == refunded).into();
    });
    let doc = json!({
        "id": state.id("re"), "object": "refund", "amount": amount, "balance_transaction": null, "charge": id,
        "created": state.now, "currency": charge["currency"], "destination_details": null,
        "metadata": form.merge("metadata", &json!({})), "payment_intent": charge["payment_intent"],
        "reason": reason, "receipt_number": null, "source_transfer_reversal": null, "status": "succeeded",
        "transfer_reversal": null,
    });
    let doc = state.add(doc);
    state.tell("refund.created", &doc::id(&doc), None);
    state.tell("charge.refunded", &id, None);
    Ok(doc)
}

pub(crate) fn list_charges(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["customer", "payment_intent", "created", "limit", "starting_after", "ending_before"])?;
    let from = form.int("created[gte]")?;
    let mut all = of(state, "charge", &["customer", "payment_intent"], form);
    all.retain(|doc| from.is_none_or(|from| doc::amount(doc, "/created") >= from));
    form.page("/v1/charges", &all)
}

pub(crate) fn list_disputes(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["payment_intent", "charge", "limit", "starting_after", "ending_before"])?;
    form.page("/v1/disputes", &of(state, "dispute", &["payment_intent", "charge"], form))
}

pub(crate) fn list_refunds(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["payment_intent", "charge", "limit", "starting_after", "ending_before"])?;
    form.page("/v1/refunds", &of(state, "refund", &["payment_intent", "charge"], form))
}

/// The objects of a kind whose fields are as the form wants them.
fn of(state: &State, kind: &str, fields: &[&str], form: &Form) -> Vec<Value> {
    let mut all = state.all(kind);
    for field in fields {
        all.retain(|doc| form.text(field).is_none_or(|id| doc[*field] == id));
    }
    all
}
