//! The same key does the same work once.

use std::time::Duration;

use stripe::{IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use stripe_billing::subscription::CreateSubscriptionPaymentBehavior;
use stripe_core::customer::CreateCustomer;
use stripe_core::refund::CreateRefund;
use stripe_fake::{Card, Fault, FaultKind};
use stripe_shared::{Customer, Subscription};

use crate::support::{DAY, Shop, refusal, subscription};

fn keyed(key: &str) -> RequestStrategy {
    RequestStrategy::Idempotent(IdempotencyKey::new(key).unwrap())
}

async fn create(shop: &Shop, email: &str) -> Result<Customer, StripeError> {
    CreateCustomer::new().email(email).customize().request_strategy(keyed("k")).send(&shop.client).await
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_other_parameters_are_refused() {
    let shop = Shop::open().await;
    let first = create(&shop, "ada@example.org").await.unwrap();
    let second = create(&shop, "ada@example.org").await.unwrap();
    assert_eq!((first.id, shop.fake.customers().len()), (second.id, 1));
    let other = refusal(create(&shop, "eve@example.org").await);
    assert_eq!((other.0, other.1.as_str()), (400, "idempotency_error"));
    assert_eq!(shop.fake.requests().len(), 3);
    assert!(shop.fake.requests().iter().all(|request| request.idempotency_key.as_deref() == Some("k")));
    assert_eq!(shop.fake.requests()[2].form.text("email"), Some("eve@example.org"));
}

#[tokio::test]
async fn a_refusal_is_repeated_under_its_key_even_when_it_would_no_longer_hold() {
    let shop = Shop::open().await;
    let (customer, price) = (shop.payer(Card::InsufficientFunds).await, shop.monthly(1000).await);
    let strict = subscription(&customer, &price)
        .payment_behavior(CreateSubscriptionPaymentBehavior::ErrorIfIncomplete);
    let send = || strict.customize().request_strategy(keyed("k")).send(&shop.client);
    assert_eq!(refusal::<Subscription>(send().await).0, 402);
    shop.fake.set_card(&customer, Card::Visa).unwrap();
    assert_eq!(refusal::<Subscription>(send().await).0, 402);
    assert_eq!(shop.fake.charges().len(), 0);
    assert!(strict.send(&shop.client).await.is_ok());
}

#[tokio::test]
async fn a_key_is_in_use_until_its_first_call_is_answered() {
    let shop = Shop::open().await;
    shop.fake.fault(Fault::once("POST", "/v1/customers", FaultKind::Slow(Duration::from_millis(500))));
    let later = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        create(&shop, "ada@example.org").await
    };
    let (first, second) = tokio::join!(create(&shop, "ada@example.org"), later);
    let busy = refusal(second);
    assert_eq!((busy.0, busy.2.as_str()), (409, "idempotency_key_in_use"));
    assert_eq!(create(&shop, "ada@example.org").await.unwrap().id, first.unwrap().id);
    assert_eq!(shop.fake.customers().len(), 1);
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_refunds_only_once() {
    let shop = Shop::open().await;
    shop.member(Card::Visa).await;
    let intent = shop.fake.charges()[0].payment_intent.clone();
    let refund = CreateRefund::new().payment_intent(intent).amount(400);
    let send = || refund.customize().request_strategy(keyed("refund-1")).send(&shop.client);
    shop.fake.fault(Fault::once("POST", "/v1/refunds", FaultKind::ResetAfterCommit));
    assert!(matches!(send().await, Err(StripeError::ClientError(_))));
    assert_eq!(send().await.unwrap().amount, 400);
    assert_eq!(shop.fake.charges()[0].refunded, 400);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let shop = Shop::open().await;
    let first = create(&shop, "ada@example.org").await.unwrap();
    shop.fake.advance(DAY);
    assert_ne!(create(&shop, "ada@example.org").await.unwrap().id, first.id);
}
