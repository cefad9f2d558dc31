//! A fake with a client, and what most tests begin with.

use std::time::Duration;

use stripe::{Client, ClientBuilder, StripeError, StripeRequest};
use stripe_billing::subscription::{
    CreateSubscription, CreateSubscriptionItems, CreateSubscriptionPaymentBehavior, RetrieveSubscription,
    UpdateSubscription, UpdateSubscriptionItems,
};
use stripe_checkout::checkout_session::{CreateCheckoutSession, CreateCheckoutSessionLineItems};
use stripe_core::customer::CreateCustomer;
use stripe_fake::{Card, Fake, KEY};
use stripe_product::price::{CreatePrice, CreatePriceRecurring, CreatePriceRecurringInterval};
use stripe_product::product::CreateProduct;
use stripe_shared::{CheckoutSessionMode, Invoice, Subscription};
use stripe_types::Currency;

pub(crate) const DAY: Duration = Duration::from_hours(24);
pub(crate) const HOUR: Duration = Duration::from_hours(1);

pub(crate) struct Shop {
    pub(crate) fake: Fake,
    pub(crate) client: Client,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let fake = Fake::start().await;
        let client = ClientBuilder::new(KEY).url(fake.url()).timeout(Duration::from_secs(2)).build().unwrap();
        Self { fake, client }
    }

    pub(crate) async fn customer(&self) -> String {
        CreateCustomer::new().email("ada@example.org").send(&self.client).await.unwrap().id.to_string()
    }

    /// A customer whose default card is that one.
    pub(crate) async fn payer(&self, card: Card) -> String {
        let customer = self.customer().await;
        self.fake.set_card(&customer, card).unwrap();
        customer
    }

    pub(crate) async fn price(&self, amount: i64, interval: CreatePriceRecurringInterval) -> String {
        let product = CreateProduct::new("Plus").send(&self.client).await.unwrap().id.to_string();
        let price = CreatePrice::new(Currency::EUR)
            .product(product)
            .unit_amount(amount)
            .recurring(CreatePriceRecurring::new(interval));
        price.send(&self.client).await.unwrap().id.to_string()
    }

    pub(crate) async fn monthly(&self, amount: i64) -> String {
        self.price(amount, CreatePriceRecurringInterval::Month).await
    }

    /// A running subscription of 10 € a month.
    pub(crate) async fn member(&self, card: Card) -> Subscription {
        let (customer, price) = (self.payer(card).await, self.monthly(1000).await);
        subscription(&customer, &price).send(&self.client).await.unwrap()
    }

    pub(crate) async fn subscription(&self, id: &str) -> Subscription {
        RetrieveSubscription::new(id).send(&self.client).await.unwrap()
    }

    /// The body of an update, by hand: for what the library's builder cannot say.
    pub(crate) async fn update_by_hand(&self, id: &str, body: &str) -> Result<Subscription, StripeError> {
        let mut request = UpdateSubscription::new(id).build();
        request.body = Some(body.to_owned());
        request.customize::<Subscription>().send(&self.client).await
    }

    /// The kinds of the events since the last time.
    pub(crate) fn told(&self) -> Vec<String> {
        self.fake.take_events().into_iter().map(|event| event.kind).collect()
    }
}

pub(crate) fn subscription(customer: &str, price: &str) -> CreateSubscription {
    let mut item = CreateSubscriptionItems::new();
    item.price = Some(price.to_owned());
    CreateSubscription::new().customer(customer).items([item])
}

/// A page on which that price can be subscribed to.
pub(crate) fn checkout(price: &str) -> CreateCheckoutSession {
    let mut item = CreateCheckoutSessionLineItems::new();
    item.price = Some(price.to_owned());
    item.quantity = Some(1);
    CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Subscription)
        .line_items([item])
        .success_url("https://shop.example/thanks")
        .client_reference_id("membership-1")
}

/// A subscription that waits for the Payment Element.
pub(crate) fn incomplete(customer: &str, price: &str) -> CreateSubscription {
    subscription(customer, price)
        .payment_behavior(CreateSubscriptionPaymentBehavior::DefaultIncomplete)
        .expand(["latest_invoice.confirmation_secret".to_owned(), "pending_setup_intent".to_owned()])
}

pub(crate) fn new_price(subscription: &Subscription, price: &str) -> UpdateSubscription {
    let mut item = UpdateSubscriptionItems::new();
    item.id = Some(subscription.items.data[0].id.to_string());
    item.price = Some(price.to_owned());
    UpdateSubscription::new(subscription.id.clone()).items([item])
}

pub(crate) fn period(subscription: &Subscription) -> (i64, i64) {
    let item = &subscription.items.data[0];
    (item.current_period_start, item.current_period_end)
}

pub(crate) fn latest(subscription: &Subscription) -> String {
    subscription.latest_invoice.as_ref().unwrap().id().as_ref().unwrap().to_string()
}

/// Amounts of an invoice's lines.
pub(crate) fn amounts(invoice: &Invoice) -> Vec<i64> {
    invoice.lines.data.iter().map(|line| line.amount).collect()
}

/// Status, type and code of a refusal.
pub(crate) fn refusal<T>(outcome: Result<T, StripeError>) -> (u16, String, String) {
    match outcome.err().unwrap() {
        StripeError::Stripe(error, status) => {
            let code = error.code.map(|code| code.as_str().to_owned()).unwrap_or_default();
            (status, error.type_.as_str().to_owned(), code)
        }
        other => panic!("not a refusal: {other}"),
    }
}
