//! What goes wrong on demand, and what that leaves behind.

use std::time::Duration;

use stripe::{IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use stripe_billing::subscription::UpdateSubscription;
use stripe_core::customer::CreateCustomer;
use stripe_fake::{Card, Fault, FaultKind, KEY};

use crate::support::{Shop, refusal};

#[tokio::test]
async fn an_outage_does_nothing_and_passes() {
    let shop = Shop::open().await;
    for status in [429, 500, 503] {
        let fault = Fault::once("POST", "/v1/customers", FaultKind::Status(status));
        shop.fake.fault(Fault { times: 2, ..fault });
        for _ in 0..2 {
            assert_eq!(refusal(CreateCustomer::new().send(&shop.client).await).0, status);
        }
    }
    assert_eq!(shop.fake.customers().len(), 0);
    let key = RequestStrategy::Idempotent(IdempotencyKey::new("k").unwrap());
    shop.fake.fault(Fault::once("POST", "/v1/customers", FaultKind::Status(500)));
    let send = || CreateCustomer::new().customize().request_strategy(key.clone()).send(&shop.client);
    assert_eq!(refusal(send().await).0, 500);
    assert!(send().await.is_ok(), "what never began can be tried again under its key");
}

#[tokio::test]
async fn too_many_calls_say_when_to_come_again() {
    let shop = Shop::open().await;
    shop.fake.fault(Fault::once("GET", "/v1/customers", FaultKind::Status(429)));
    let url = format!("{}v1/customers", shop.fake.url());
    let answer = reqwest::Client::new().get(url).bearer_auth(KEY).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["Retry-After"]), (429, &"1".parse().unwrap()));
}

#[tokio::test]
async fn a_failure_after_the_work_is_repeated_under_its_key() {
    let shop = Shop::open().await;
    let key = RequestStrategy::Idempotent(IdempotencyKey::new("k").unwrap());
    shop.fake.fault(Fault::once("POST", "/v1/customers", FaultKind::StatusAfterCommit(500)));
    for _ in 0..2 {
        let sent = CreateCustomer::new().customize().request_strategy(key.clone()).send(&shop.client).await;
        assert_eq!(refusal(sent).0, 500);
    }
    assert_eq!(shop.fake.customers().len(), 1);
}

#[tokio::test]
async fn a_call_that_hangs_does_nothing_and_leaves_its_key_free() {
    let shop = Shop::open().await;
    shop.fake.fault(Fault::once("POST", "/v1/customers", FaultKind::Hang));
    let key = RequestStrategy::Idempotent(IdempotencyKey::new("k").unwrap());
    let send = || {
        let request = CreateCustomer::new().customize().request_strategy(key.clone());
        request.timeout(Duration::from_millis(200)).send(&shop.client)
    };
    assert!(matches!(send().await, Err(StripeError::Timeout)));
    assert_eq!(shop.fake.customers().len(), 0);
    assert!(send().await.is_ok());
}

#[tokio::test]
async fn a_lost_answer_leaves_the_work_done() {
    let shop = Shop::open().await;
    shop.fake.fault(Fault::once("POST", "/v1/customers", FaultKind::ResetAfterCommit));
    assert!(matches!(CreateCustomer::new().send(&shop.client).await, Err(StripeError::ClientError(_))));
    assert_eq!(shop.fake.customers().len(), 1);
    assert!(CreateCustomer::new().send(&shop.client).await.is_ok());
}

#[tokio::test]
async fn a_stale_read_tells_what_was_before_the_last_change() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    UpdateSubscription::new(member.id.clone()).cancel_at_period_end(true).send(&shop.client).await.unwrap();
    shop.fake.fault(Fault::once("GET", "/v1/subscriptions/", FaultKind::StaleRead));
    assert!(!shop.subscription(member.id.as_str()).await.cancel_at_period_end);
    assert!(shop.subscription(member.id.as_str()).await.cancel_at_period_end);
}

#[tokio::test]
async fn a_fault_strikes_only_what_it_is_meant_for() {
    let shop = Shop::open().await;
    shop.fake.fault(Fault::once("POST", "/v1/refunds", FaultKind::Status(500)));
    shop.fake.fault(Fault::once("DELETE", "/v1/customers", FaultKind::Status(500)));
    shop.customer().await;
    assert_eq!(shop.fake.customers().len(), 1);
}
