//! Payments through Stripe: the only place that knows its client.
//!
//! Stripe keeps the answer to a request under its key for a day, a failure of its own among them. So where the answer to
//! something that must not be done twice is not there, what became of it is looked up by what it would have left behind.

mod amounts;
mod catalog;
mod changes;
mod charges;
mod checkout;
mod errors;
pub(crate) mod signature;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use chrono::DateTime;
use entity::Instant;
use entity::id::MembershipId;
use secrecy::ExposeSecret;
use stripe::{Client, ClientBuilder};
use tracing::{Instrument, Span};

use super::payments::{
    Begun, Change, Checkout, CheckoutOutcome, CheckoutPage, CustomerRef, NewCustomer, NewPrice, PaymentError,
    Payments, Preview, PriceRef, Subscribe, Subscription, SubscriptionRef,
};
use super::setup::StripeConfig;
use crate::error::Fault;
use errors::undecodable;

/// The longest that one request may take.
const PATIENCE: Duration = Duration::from_secs(6);
/// What a subscription and its page carry: for which membership they are.
const MEMBERSHIP: &str = "membership_id";
/// What was made by a call carries the call's key.
const CALL: &str = "call";

/// The shop's account at Stripe.
#[derive(Clone, Debug)]
pub(crate) struct Stripe {
    client: Client,
    account: &'static str,
}

impl Stripe {
    pub(crate) fn new(config: &StripeConfig) -> anyhow::Result<Self> {
        let client = ClientBuilder::new(config.secret_key.expose_secret())
            .url(config.url.as_str())
            .timeout(PATIENCE)
            .app_info("Regulars", Some(env!("CARGO_PKG_VERSION").to_owned()), None)
            .build()
            .context("the client of Stripe")?;
        Ok(Self { client, account: account(config.is_live) })
    }

    /// Asks in a task of its own. What Stripe answers takes much of a stack to be read, and whoever asks may be deep in an
    /// operation; what has begun ends even if nobody waits for it any more.
    async fn apart<T, F>(&self, ask: impl FnOnce(Self) -> F) -> Result<T, PaymentError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, PaymentError>> + Send + 'static,
    {
        let asked = tokio::spawn(ask(self.clone()).instrument(Span::current())).await;
        asked.unwrap_or_else(|broken| Err(Fault::from(broken).into()))
    }
}

/// What the account is called here.
pub(crate) fn account(is_live: bool) -> &'static str {
    if is_live { "stripe:live" } else { "stripe:test" }
}

#[async_trait]
impl Payments for Stripe {
    fn account(&self) -> &'static str {
        self.account
    }

    async fn create_customer(&self, key: &str, customer: &NewCustomer) -> Result<CustomerRef, PaymentError> {
        let (key, customer) = (key.to_owned(), customer.clone());
        self.apart(|stripe| async move { stripe.customer(&key, &customer).await }).await
    }

    async fn create_price(&self, key: &str, price: &NewPrice) -> Result<PriceRef, PaymentError> {
        let (key, price) = (key.to_owned(), price.clone());
        self.apart(|stripe| async move { stripe.price(&key, &price).await }).await
    }

    async fn open_checkout(&self, key: &str, wanted: &Checkout) -> Result<CheckoutPage, PaymentError> {
        let (key, wanted) = (key.to_owned(), wanted.clone());
        self.apart(|stripe| async move { stripe.open_page(&key, &wanted).await }).await
    }

    async fn checkout_outcome(&self, page: &str) -> Result<CheckoutOutcome, PaymentError> {
        let page = page.to_owned();
        self.apart(|stripe| async move { stripe.outcome_of_page(&page).await }).await
    }

    async fn close_checkout(&self, page: &str) -> Result<(), PaymentError> {
        let page = page.to_owned();
        self.apart(|stripe| async move { stripe.close_page(&page).await }).await
    }

    async fn subscribe(&self, key: &str, wanted: &Subscribe) -> Result<Begun, PaymentError> {
        let (key, wanted) = (key.to_owned(), wanted.clone());
        self.apart(|stripe| async move { Box::pin(stripe.start(&key, &wanted)).await }).await
    }

    async fn subscription(&self, id: &SubscriptionRef) -> Result<Option<Subscription>, PaymentError> {
        let id = id.clone();
        self.apart(|stripe| async move { Box::pin(stripe.look_up(&id)).await }).await
    }

    async fn subscriptions_of(
        &self,
        customer: &CustomerRef,
        membership: MembershipId,
    ) -> Result<Vec<Subscription>, PaymentError> {
        let customer = customer.clone();
        self.apart(|stripe| async move { Box::pin(stripe.begun_for(&customer, membership)).await }).await
    }

    async fn change(
        &self,
        key: &str,
        id: &SubscriptionRef,
        change: &Change,
    ) -> Result<Subscription, PaymentError> {
        let (key, id, change) = (key.to_owned(), id.clone(), change.clone());
        self.apart(|stripe| async move { Box::pin(stripe.make_change(&key, &id, &change)).await }).await
    }

    async fn preview(&self, id: &SubscriptionRef, price: &PriceRef) -> Result<Preview, PaymentError> {
        let (id, price) = (id.clone(), price.clone());
        self.apart(|stripe| async move { stripe.try_price(&id, &price).await }).await
    }

    async fn refund(&self, key: &str, invoice: &str, amount: i64) -> Result<(), PaymentError> {
        let (key, invoice) = (key.to_owned(), invoice.to_owned());
        self.apart(|stripe| async move { stripe.give_back(&key, &invoice, amount).await }).await
    }

    async fn payer(&self, payment: &str) -> Result<Option<CustomerRef>, PaymentError> {
        let payment = payment.to_owned();
        self.apart(|stripe| async move { stripe.payer_of(&payment).await }).await
    }

    async fn portal(&self, customer: &CustomerRef, back_to: &str) -> Result<String, PaymentError> {
        let (customer, back_to) = (customer.clone(), back_to.to_owned());
        self.apart(|stripe| async move { stripe.portal_page(&customer, &back_to).await }).await
    }
}

/// Stripe tells instants in whole seconds.
fn instant(seconds: i64) -> Result<Instant, PaymentError> {
    DateTime::from_timestamp(seconds, 0).ok_or_else(|| undecodable("an instant out of range"))
}

/// The first whole second that is not before `at`.
fn seconds(at: Instant) -> i64 {
    at.timestamp() + i64::from(at.timestamp_subsec_nanos() > 0)
}
