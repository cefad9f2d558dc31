//! Over the wire, with a Stripe that answers on loopback.

mod faults;
mod money;
mod subscriptions;

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use entity::Instant;
use entity::id::{CustomerId, MembershipId, PlanId};
use entity::membership_plan::Interval;
use stripe_fake::{Card, Fake, KEY};
use uuid::Uuid;

use super::Stripe;
use crate::billing::payments::{
    Begun, Checkout, CustomerRef, NewCustomer, NewPrice, Payments, PriceRef, Subscribe, Subscription,
    SubscriptionRef,
};
use crate::billing::setup::StripeConfig;
use crate::money::{Currency, Money};

const DAY: Duration = Duration::from_hours(24);

/// A Stripe, and ourselves as its client.
struct Shop {
    fake: Fake,
    stripe: Stripe,
}

impl Shop {
    async fn open() -> Self {
        let fake = Fake::start().await;
        let stripe = client(&fake, KEY);
        Self { fake, stripe }
    }

    fn now(&self) -> Instant {
        DateTime::from_timestamp(self.fake.now(), 0).unwrap()
    }

    fn in_days(&self, days: i64) -> Instant {
        self.now() + TimeDelta::days(days)
    }

    async fn customer(&self) -> CustomerRef {
        let customer = NewCustomer {
            customer: CustomerId(Uuid::from_u128(1)),
            email: Some("ada@example.org".to_owned()),
            name: Some("Ada".to_owned()),
        };
        self.stripe.create_customer("customer", &customer).await.unwrap()
    }

    async fn monthly(&self, minor: i64) -> PriceRef {
        self.stripe.create_price(&format!("price-{minor}"), &price(minor)).await.unwrap()
    }

    async fn wanted(&self, trial_days: u32) -> Subscribe {
        let (customer, price) = (self.customer().await, self.monthly(1000).await);
        Subscribe { membership: membership(), customer, price, trial_days }
    }

    async fn page(&self, trial_days: u32) -> Checkout {
        let Subscribe { membership, customer, price, trial_days } = self.wanted(trial_days).await;
        let (success_url, cancel_url) =
            ("https://shop.example/in".to_owned(), "https://shop.example/out".to_owned());
        Checkout { membership, customer, price, trial_days, success_url, cancel_url }
    }

    async fn begun(&self, trial_days: u32) -> Begun {
        self.stripe.subscribe("begin", &self.wanted(trial_days).await).await.unwrap()
    }

    /// A subscription of 10 € a month that is paid with that card.
    async fn member(&self, card: Card) -> SubscriptionRef {
        let begun = self.begun(0).await;
        self.fake.confirm(&begun.subscription.id.0, card).unwrap();
        begun.subscription.id
    }

    async fn told(&self, id: &SubscriptionRef) -> Subscription {
        self.stripe.subscription(id).await.unwrap().unwrap()
    }
}

fn client(fake: &Fake, key: &str) -> Stripe {
    let config = StripeConfig {
        secret_key: key.into(),
        webhook_secrets: vec!["whsec".into()],
        url: fake.url().parse().unwrap(),
        is_live: false,
    };
    Stripe::new(&config).unwrap()
}

fn membership() -> MembershipId {
    MembershipId(Uuid::from_u128(7))
}

fn price(minor: i64) -> NewPrice {
    NewPrice {
        plan: PlanId(Uuid::from_u128(3)),
        name: "Plus".to_owned(),
        amount: Money { minor, currency: Currency::EUR },
        billed: Interval::Month,
    }
}
