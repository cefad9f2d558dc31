//! What a test does that no client of Stripe can: the customer, the bank, the dashboard and the clock.

use std::time::Duration;

use serde_json::Value;

use crate::cards::Card;
use crate::doc;
use crate::events::{self, Event};
use crate::faults::Fault;
use crate::form::Form;
use crate::invoices::Attempt;
use crate::refusal::Refusal;
use crate::shared::Request;
use crate::state::{Origin, State};
use crate::{Fake, changes, courier};

/// Money that was really taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// `ch_…`
    pub id: String,
    /// The payment intent by which it was taken.
    pub payment_intent: String,
    /// The invoice that it pays.
    pub invoice: Option<String>,
    /// Who paid.
    pub customer: String,
    /// In the smallest unit of the currency.
    pub amount: i64,
    /// How much of that was given back.
    pub refunded: i64,
    /// ISO 4217, in lower case.
    pub currency: String,
}

/// How a dispute ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeOutcome {
    /// The shop keeps the money.
    Won,
    /// The customer has it back.
    Lost,
}

impl Fake {
    fn act<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut inner = self.shared.lock();
        inner.state.begin(Origin::default());
        let outcome = work(&mut inner.state);
        drop(inner);
        self.shared.news.notify_one();
        outcome
    }

    /// The time by the fake's clock, in seconds since 1970.
    pub fn now(&self) -> i64 {
        self.shared.lock().state.now
    }

    /// Lets time pass, with all that happens in it: renewals, ends of trials, further attempts to collect,
    /// cancellations, and what expires.
    pub fn advance(&self, duration: Duration) {
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        self.act(|state| state.advance(seconds));
    }

    /// The customer fills in the checkout page. If the card is refused, the session stays open.
    pub fn complete_checkout(&self, session: &str, card: Card) -> Result<(), Refusal> {
        self.act(|state| state.complete_session(session, card))
    }

    /// The customer confirms in the Payment Element: a payment intent, a setup intent, or whatever of both the
    /// subscription of that id waits for.
    pub fn confirm(&self, id: &str, card: Card) -> Result<(), Refusal> {
        self.act(|state| confirm(state, id, card))
    }

    /// Gives the customer another default card, as in the portal; the new payment method's id.
    pub fn set_card(&self, customer: &str, card: Card) -> Result<String, Refusal> {
        self.act(|state| {
            let method = doc::id(&state.attach(customer, card)?);
            state.change(customer, |doc| {
                doc::put(doc, "/invoice_settings/default_payment_method", method.as_str());
            });
            for subscription in state.all("subscription") {
                if subscription["customer"] == customer && !subscription["default_payment_method"].is_null() {
                    state.update(&doc::id(&subscription), "customer.subscription.updated", |doc| {
                        doc["default_payment_method"] = method.as_str().into();
                    });
                }
            }
            Ok(method)
        })
    }

    /// The bank takes back what an invoice or a payment intent brought; the dispute's id.
    pub fn dispute(&self, id: &str) -> Result<String, Refusal> {
        self.act(|state| {
            let intent = state.intent_of(id).unwrap_or_else(|| id.to_owned());
            let charge = doc::text(&state.get("payment_intent", &intent)?, "/latest_charge").to_owned();
            state.open_dispute(&charge)
        })
    }

    /// The bank decides.
    pub fn close_dispute(&self, id: &str, outcome: DisputeOutcome) -> Result<(), Refusal> {
        self.act(|state| {
            let dispute = state.get("dispute", id)?;
            if dispute["status"] != "needs_response" {
                return Err(Refusal::invalid("This dispute is closed already."));
            }
            state.change(id, |doc| {
                doc["status"] = if outcome == DisputeOutcome::Won { "won" } else { "lost" }.into();
            });
            state.tell("charge.dispute.closed", id, None);
            Ok(())
        })
    }

    /// Somebody cancels the subscription at once, in the dashboard.
    pub fn delete_subscription(&self, id: &str) -> Result<(), Refusal> {
        self.act(|state| crate::subscriptions::cancel(state, id, &Form::default()).map(|_| ()))
    }

    /// The customer cancels to the end of the period, in the portal.
    pub fn cancel_in_portal(&self, id: &str) -> Result<(), Refusal> {
        let mut form = Form::default();
        form.set("cancel_at_period_end", "true");
        self.act(|state| changes::update(state, id, &form).map(|_| ()))
    }

    /// Every call so far, refused ones and those struck by a fault included.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// What was really taken, the oldest first.
    pub fn charges(&self) -> Vec<Charge> {
        let inner = self.shared.lock();
        let paid = inner.state.all("charge").into_iter().rev().filter(|doc| doc["paid"] == true);
        let charge = |doc: Value| {
            let own = |field: &str| doc[field].as_str().unwrap_or_default().to_owned();
            Charge {
                id: own("id"),
                invoice: inner.state.invoice_of(&own("payment_intent")),
                payment_intent: own("payment_intent"),
                customer: own("customer"),
                amount: doc::amount(&doc, "/amount"),
                refunded: doc::amount(&doc, "/amount_refunded"),
                currency: own("currency"),
            }
        };
        paid.map(charge).collect()
    }

    /// The customers as they are now, the oldest first.
    pub fn customers(&self) -> Vec<Value> {
        self.snapshot("customer")
    }

    /// The subscriptions as they are now, the oldest first.
    pub fn subscriptions(&self) -> Vec<Value> {
        self.snapshot("subscription")
    }

    /// The invoices as they are now, the oldest first.
    pub fn invoices(&self) -> Vec<Value> {
        self.snapshot("invoice")
    }

    fn snapshot(&self, kind: &str) -> Vec<Value> {
        let mut all = self.shared.lock().state.all(kind);
        all.reverse();
        all
    }

    /// Lets something go wrong; of several faults that fit a call, the one asked for first strikes.
    pub fn fault(&self, fault: Fault) {
        self.shared.lock().faults.push(fault);
    }

    /// Lets nothing go wrong any more.
    pub fn mend(&self) {
        self.shared.lock().faults.clear();
    }

    /// Tells events to nobody any more.
    pub fn forget_webhooks(&self) {
        let mut inner = self.shared.lock();
        inner.endpoints.clear();
        inner.state.webhooks = 0;
    }

    /// Tells events to that address. A second secret for the same address signs along with the first.
    pub fn webhook(&self, url: &str, secret: &str) {
        let mut inner = self.shared.lock();
        match inner.endpoints.iter_mut().find(|(known, _)| known == url) {
            Some((_, secrets)) => secrets.push(secret.to_owned()),
            None => inner.endpoints.push((url.to_owned(), vec![secret.to_owned()])),
        }
        inner.state.webhooks = inner.endpoints.len();
    }

    /// The events that have not been taken or delivered yet, in the order in which they happened. They are not
    /// delivered by themselves any more.
    pub fn take_events(&self) -> Vec<Event> {
        self.shared.lock().take_events()
    }

    /// Posts one event, signed now; the status of the answer, 0 if there was none.
    pub async fn deliver(&self, event: &Event) -> u16 {
        courier::post(&self.shared, event).await
    }

    /// Posts all events that wait, one after the other; their statuses.
    pub async fn deliver_all(&self) -> Vec<u16> {
        let mut statuses = Vec::new();
        for event in self.take_events() {
            statuses.push(self.deliver(&event).await);
        }
        statuses
    }

    /// From now on posts each event at once, and again until it is accepted; or no longer.
    pub fn deliver_live(&self, live: bool) {
        self.shared.lock().live = live;
        self.shared.news.notify_one();
    }

    /// The header `Stripe-Signature` for a body, signed now.
    pub fn signature(&self, body: &str, secret: &str) -> String {
        events::signature(body, &[secret.to_owned()], self.now())
    }
}

fn confirm(state: &mut State, id: &str, card: Card) -> Result<(), Refusal> {
    let doc = state.find(id).cloned().ok_or_else(|| Refusal::missing("object", id))?;
    match doc::text(&doc, "/object") {
        "setup_intent" => state.confirm_setup(id, card),
        "payment_intent" => {
            if doc["status"] == "succeeded" || doc["status"] == "canceled" {
                let message = "You cannot confirm this PaymentIntent because of its status.";
                return Err(Refusal::invalid(message).with("code", "payment_intent_unexpected_state"));
            }
            let invoice = state.invoice_of(id).unwrap_or_default();
            let method = doc::id(&state.attach(doc::text(&doc, "/customer"), card)?);
            state.collect(&invoice, Some(&method), Attempt::OnSession)
        }
        "subscription" => {
            if let Some(intent) = doc["pending_setup_intent"].as_str() {
                return state.confirm_setup(intent, card);
            }
            let intent = state.intent_of(doc::text(&doc, "/latest_invoice"));
            confirm(state, &intent.unwrap_or_default(), card)
        }
        _ => Err(Refusal::invalid("There is nothing to confirm.")),
    }
}
