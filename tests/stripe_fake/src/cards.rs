//! Cards and how they behave, payment methods, and setting them up.

use serde_json::{Value, json};

use crate::doc;
use crate::form::Form;
use crate::refusal::Refusal;
use crate::state::State;

/// Stripe's test cards, by how they behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// 4242: pays.
    Visa,
    /// 4444: pays, with another fingerprint.
    Mastercard,
    /// A card of its own number and fingerprint, which pays.
    Numbered(u16),
    /// Cannot even be attached.
    Declined,
    /// Can be attached, but every charge is declined.
    ChargeCustomerFail,
    /// Can be attached, but has no money.
    InsufficientFunds,
    /// Pays only while the customer is there to authenticate.
    AuthenticationRequired,
}

/// What the bank says to a charge.
pub(crate) enum Verdict {
    Paid,
    Declined(Refusal),
    Authenticate(Refusal),
}

impl Card {
    const NAMED: [(&'static str, Self); 6] = [
        ("visa", Self::Visa),
        ("mastercard", Self::Mastercard),
        ("chargeDeclined", Self::Declined),
        ("chargeCustomerFail", Self::ChargeCustomerFail),
        ("chargeDeclinedInsufficientFunds", Self::InsufficientFunds),
        ("authenticationRequired", Self::AuthenticationRequired),
    ];

    fn named(token: &str) -> Option<Self> {
        let name = token.strip_prefix("pm_card_")?;
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, card)| *card)
    }

    /// The same card always has the same fingerprint, whoever uses it.
    pub fn fingerprint(self) -> String {
        match Self::NAMED.iter().find(|(_, card)| *card == self) {
            Some((name, _)) => format!("fp_{name}"),
            None => format!("fp_{}", self.last4()),
        }
    }

    fn of(method: &Value) -> Self {
        let fingerprint = doc::text(method, "/card/fingerprint");
        let named = Self::NAMED.iter().find(|(_, card)| card.fingerprint() == fingerprint);
        let number = || doc::text(method, "/card/last4").parse().unwrap_or_default();
        named.map_or_else(|| Self::Numbered(number()), |(_, card)| *card)
    }

    fn last4(self) -> String {
        match self {
            Self::Visa => "4242".into(),
            Self::Mastercard => "4444".into(),
            Self::Numbered(number) => format!("{number:04}"),
            Self::Declined => "0002".into(),
            Self::ChargeCustomerFail => "0341".into(),
            Self::InsufficientFunds => "9995".into(),
            Self::AuthenticationRequired => "3184".into(),
        }
    }

    /// The bank's word, with the customer there or not.
    fn verdict(self, on_session: bool) -> Verdict {
        let declined = |decline, message| Verdict::Declined(Refusal::card("card_declined", decline, message));
        match self {
            Self::Declined | Self::ChargeCustomerFail => {
                declined("generic_decline", "Your card was declined.")
            }
            Self::InsufficientFunds => declined("insufficient_funds", "Your card has insufficient funds."),
            Self::AuthenticationRequired if !on_session => Verdict::Authenticate(Refusal::card(
                "authentication_required",
                "authentication_required",
                "Your card was declined. This transaction requires authentication.",
            )),
            Self::Visa | Self::Mastercard | Self::Numbered(_) | Self::AuthenticationRequired => Verdict::Paid,
        }
    }
}

impl State {
    /// What the bank says to charging that payment method.
    pub(crate) fn verdict(&self, method: &str, on_session: bool) -> Verdict {
        let gone = || Verdict::Declined(Refusal::no_such("payment_method", "PaymentMethod", method));
        self.find(method).map_or_else(gone, |doc| Card::of(doc).verdict(on_session))
    }

    /// A new payment method for `card`, attached to `customer`.
    pub(crate) fn attach(&mut self, customer: &str, card: Card) -> Result<Value, Refusal> {
        self.named("customer", "customer", customer)?;
        if card == Card::Declined {
            return Err(Refusal::card("card_declined", "generic_decline", "Your card was declined."));
        }
        let brand = if card == Card::Mastercard { "mastercard" } else { "visa" };
        let nowhere = json!({
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
        });
        let doc = json!({
            "id": self.id("pm"), "object": "payment_method", "type": "card", "created": self.now,
            "customer": customer, "livemode": false, "metadata": {}, "allow_redisplay": "unspecified",
            "billing_details": { "address": nowhere, "email": null, "name": null, "phone": null, "tax_id": null },
            "card": {
                "brand": brand, "country": "DE", "display_brand": brand, "exp_month": 12, "exp_year": 2040,
                "fingerprint": card.fingerprint(), "funding": "credit", "last4": card.last4(),
                "generated_from": null, "wallet": null, "regulated_status": "unregulated",
                "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
                "networks": { "available": [brand], "preferred": null },
                "three_d_secure_usage": { "supported": true },
            },
        });
        Ok(self.add(doc))
    }

    /// Says whether the payment method is this customer's.
    pub(crate) fn own_method(&self, param: &str, customer: &str, method: &str) -> Result<(), Refusal> {
        let own = self.find(method).is_some_and(|doc| doc["customer"] == customer);
        let message = format!("The customer does not have a payment method with the ID {method}.");
        if own { Ok(()) } else { Err(Refusal::parameter(param, "resource_missing", &message)) }
    }
}

pub(crate) fn attach(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&["customer"])?;
    let customer = form.need("customer")?;
    if let Some(card) = Card::named(id) {
        return state.attach(customer, card);
    }
    let method = state.get("payment_method", id)?;
    state.named("customer", "customer", customer)?;
    if method["customer"] == Value::Null {
        return Err(Refusal::invalid(
            "This PaymentMethod was detached from a customer and may not be used again.",
        ));
    }
    if method["customer"] != customer {
        return Err(Refusal::invalid(
            "The payment method you provided has already been attached to a customer.",
        ));
    }
    Ok(method)
}

pub(crate) fn detach(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&[])?;
    state.get("payment_method", id)?;
    state.change(id, |doc| doc["customer"] = Value::Null);
    for holder in state.all("customer") {
        state.change(&doc::id(&holder), |doc| {
            if doc::text(doc, "/invoice_settings/default_payment_method") == id {
                doc::put(doc, "/invoice_settings/default_payment_method", Value::Null);
            }
        });
    }
    for holder in state.all("subscription") {
        if holder["default_payment_method"] == id {
            state.update(&doc::id(&holder), "customer.subscription.updated", |doc| {
                doc["default_payment_method"] = Value::Null;
            });
        }
    }
    state.get("payment_method", id)
}

pub(crate) fn list(state: &State, customer: Option<&str>, form: &Form) -> Result<Value, Refusal> {
    form.only(&["customer", "type", "limit", "starting_after", "ending_before"])?;
    let customer = customer.or(form.text("customer"));
    let mut all = state.all("payment_method");
    all.retain(|doc| customer.is_some_and(|customer| doc["customer"] == customer));
    form.page("/v1/payment_methods", &all)
}

impl State {
    /// A setup intent that waits for a card.
    pub(crate) fn setup_intent(&mut self, customer: &Value, usage: &str, metadata: &Value) -> Value {
        let id = self.id("seti");
        let secret = format!("{id}_secret_{:x}", self.now);
        self.add(json!({
            "id": id, "object": "setup_intent", "client_secret": secret, "created": self.now,
            "customer": customer, "description": null, "last_setup_error": null, "latest_attempt": null,
            "livemode": false, "mandate": null, "metadata": metadata, "next_action": null, "on_behalf_of": null,
            "payment_method": null, "payment_method_options": {}, "payment_method_types": ["card"],
            "single_use_mandate": null, "status": "requires_payment_method", "usage": usage,
            "application": null, "cancellation_reason": null, "automatic_payment_methods": { "enabled": true },
        }))
    }

    /// The customer sets up a card: it becomes the one of the subscription that waits for it.
    pub(crate) fn confirm_setup(&mut self, id: &str, card: Card) -> Result<(), Refusal> {
        let intent = self.get("setup_intent", id)?;
        if intent["status"] != "requires_payment_method" {
            return Err(Refusal::invalid("This SetupIntent has been confirmed already."));
        }
        let method = doc::id(&self.attach(doc::text(&intent, "/customer"), card)?);
        self.change(id, |doc| {
            doc["status"] = "succeeded".into();
            doc["payment_method"] = method.as_str().into();
        });
        for subscription in self.all("subscription") {
            if subscription["pending_setup_intent"] == id {
                self.update(&doc::id(&subscription), "customer.subscription.updated", |doc| {
                    doc["pending_setup_intent"] = Value::Null;
                    doc["default_payment_method"] = method.as_str().into();
                });
            }
        }
        Ok(())
    }
}

pub(crate) fn create_setup_intent(state: &mut State, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "customer",
        "usage",
        "metadata",
        "payment_method_types",
        "automatic_payment_methods",
        "description",
    ])?;
    let usage = form.one_of("usage", &["off_session", "on_session"])?;
    if let Some(customer) = form.text("customer") {
        state.named("customer", "customer", customer)?;
    }
    let metadata = form.merge("metadata", &json!({}));
    Ok(state.setup_intent(&doc::or_null(form.text("customer")), usage, &metadata))
}
