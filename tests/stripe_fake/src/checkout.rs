//! Checkout sessions and portal sessions: the pages that Stripe itself shows.

use serde_json::{Value, json};

use crate::cards::Card;
use crate::doc;
use crate::form::Form;
use crate::invoices::Attempt;
use crate::refusal::Refusal;
use crate::state::State;
use crate::subscriptions;

const DAY: i64 = 86_400;

pub(crate) fn create(state: &mut State, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "mode",
        "customer",
        "customer_email",
        "client_reference_id",
        "line_items",
        "success_url",
        "cancel_url",
        "metadata",
        "subscription_data",
        "payment_method_collection",
        "expires_at",
        "locale",
        "payment_method_types",
    ])?;
    form.need("mode")?;
    form.one_of("mode", &["subscription"])?;
    let price =
        subscriptions::recurring_price(state, "line_items[0][price]", form.need("line_items[0][price]")?)?;
    let quantity = form.int("line_items[0][quantity]")?.unwrap_or(1);
    if let Some(customer) = form.text("customer") {
        state.named("customer", "customer", customer)?;
    }
    let expires = form.int("expires_at")?.unwrap_or(state.now + DAY);
    if !(state.now + 30 * 60..=state.now + DAY).contains(&expires) {
        return Err(Refusal::invalid("The `expires_at` timestamp must be 30 minutes to 24 hours away.")
            .with("param", "expires_at"));
    }
    let inner = form.inside("subscription_data");
    inner.only(&["metadata", "trial_end", "trial_period_days", "trial_settings", "description"])?;
    let trial = inner.has("trial_end") || inner.has("trial_period_days");
    let total = if trial { 0 } else { doc::amount(&price, "/unit_amount") * quantity };
    let id = state.id("cs_test");
    let mut basket = inner;
    basket.set("items[0][price]", doc::text(&price, "/id"));
    basket.set("items[0][quantity]", &quantity.to_string());
    state.baskets.insert(id.clone(), basket);
    let doc = json!({
        "id": id, "object": "checkout.session", "adaptive_pricing": null, "after_expiration": null,
        "allow_promotion_codes": null, "amount_subtotal": total, "amount_total": total,
        "automatic_tax": { "enabled": false, "liability": null, "status": null, "provider": null },
        "billing_address_collection": null, "cancel_url": doc::or_null(form.text("cancel_url")),
        "client_reference_id": doc::or_null(form.text("client_reference_id")), "client_secret": null,
        "collected_information": null, "consent": null, "consent_collection": null, "created": state.now,
        "currency": price["currency"], "currency_conversion": null, "custom_fields": [],
        "custom_text": {
            "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
        },
        "customer": doc::or_null(form.text("customer")), "customer_creation": "always", "customer_details": null,
        "customer_email": doc::or_null(form.text("customer_email")), "discounts": [], "expires_at": expires,
        "invoice": null, "invoice_creation": null, "livemode": false, "locale": doc::or_null(form.text("locale")),
        "metadata": form.merge("metadata", &json!({})), "mode": "subscription", "origin_context": null,
        "payment_intent": null, "payment_link": null,
        "payment_method_collection": form.one_of("payment_method_collection", &["always", "if_required"])?,
        "payment_method_configuration_details": null, "payment_method_options": {},
        "payment_method_types": ["card"], "payment_status": "unpaid", "permissions": null,
        "phone_number_collection": { "enabled": false }, "recovered_from": null,
        "saved_payment_method_options": null, "setup_intent": null, "shipping_address_collection": null,
        "shipping_cost": null, "shipping_options": [], "status": "open", "submit_type": null, "subscription": null,
        "success_url": form.need("success_url")?,
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
        "ui_mode": "hosted_page", "url": format!("https://checkout.stripe.com/c/pay/{id}"), "wallet_options": null,
    });
    Ok(state.add(doc))
}

pub(crate) fn list(state: &State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["customer", "subscription", "status", "limit", "starting_after", "ending_before"])?;
    let mut all = state.all("checkout.session");
    for field in ["customer", "subscription", "status"] {
        all.retain(|doc| form.text(field).is_none_or(|value| doc[field] == value));
    }
    form.page("/v1/checkout/sessions", &all)
}

pub(crate) fn expire(state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&[])?;
    open_session(state, id)?;
    state.expire_session(id);
    state.get("checkout.session", id)
}

fn open_session(state: &State, id: &str) -> Result<Value, Refusal> {
    let session = state.get("checkout.session", id)?;
    let status = doc::text(&session, "/status");
    let message = format!(
        "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of {status}."
    );
    if status == "open" { Ok(session) } else { Err(Refusal::invalid(&message)) }
}

impl State {
    pub(crate) fn expire_session(&mut self, id: &str) {
        self.change(id, |doc| {
            doc["status"] = "expired".into();
            doc["url"] = Value::Null;
        });
        self.tell("checkout.session.expired", id, None);
    }

    /// The customer fills in Stripe's page and pays: on a refusal the session stays open.
    pub(crate) fn complete_session(&mut self, id: &str, card: Card) -> Result<(), Refusal> {
        let earlier = self.clone();
        let outcome = self.try_complete(id, card);
        if outcome.is_err() {
            self.restore(earlier);
        }
        outcome
    }

    fn try_complete(&mut self, id: &str, card: Card) -> Result<(), Refusal> {
        let session = open_session(self, id)?;
        let customer = if session["customer"].is_null() {
            let mut form = Form::default();
            form.set("email", doc::text(&session, "/customer_email"));
            doc::id(&crate::customers::create(self, &form)?)
        } else {
            doc::text(&session, "/customer").to_owned()
        };
        let method = doc::id(&self.attach(&customer, card)?);
        let mut form = self.baskets.get(id).cloned().unwrap_or_default();
        form.set("customer", &customer);
        form.set("default_payment_method", &method);
        form.set("payment_behavior", "error_if_incomplete");
        let subscription = subscriptions::start(self, &form, Attempt::OnSession)?;
        let holder = self.get("customer", &customer)?;
        self.change(id, |doc| {
            doc["status"] = "complete".into();
            doc["payment_status"] =
                if subscription["status"] == "trialing" { "no_payment_required" } else { "paid" }.into();
            doc["customer"] = customer.into();
            doc["customer_details"] = json!({
                "address": null, "business_name": null, "email": holder["email"], "individual_name": null,
                "name": holder["name"], "phone": null, "tax_exempt": "none", "tax_ids": [],
            });
            doc["subscription"] = subscription["id"].clone();
            doc["invoice"] = subscription["latest_invoice"].clone();
            doc["url"] = Value::Null;
        });
        self.tell("checkout.session.completed", id, None);
        Ok(())
    }
}

pub(crate) fn portal(state: &mut State, form: &Form) -> Result<Value, Refusal> {
    form.only(&["customer", "return_url", "locale", "configuration", "flow_data"])?;
    let customer = form.need("customer")?;
    state.named("customer", "customer", customer)?;
    let id = state.id("bps");
    Ok(json!({
        "id": id, "object": "billing_portal.session", "configuration": "bpc_fake", "created": state.now,
        "customer": customer, "flow": null, "livemode": false, "locale": doc::or_null(form.text("locale")),
        "on_behalf_of": null, "return_url": doc::or_null(form.text("return_url")),
        "url": format!("https://billing.stripe.com/p/session/{id}"),
    }))
}
