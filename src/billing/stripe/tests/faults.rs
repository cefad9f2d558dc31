//! What goes wrong between us and Stripe: it is told apart, and nothing is done twice.

use std::time::Duration;

use entity::membership_charge::ChargeStatus;
use stripe_fake::{Card, Fault, FaultKind};

use super::{Shop, client, membership};
use crate::billing::payments::{Change, PaymentError, Payments, SubscriptionStatus};

/// What a fault leaves behind of a request that it strikes.
const FAULTS: [(FaultKind, bool); 6] = [
    (FaultKind::Status(429), false),
    (FaultKind::Status(500), false),
    (FaultKind::Status(503), false),
    (FaultKind::StatusAfterCommit(500), true),
    (FaultKind::ResetAfterCommit, true),
    (FaultKind::Slow(Duration::from_millis(50)), true),
];

fn is_unavailable<T>(outcome: &Result<T, PaymentError>) -> bool {
    matches!(outcome, Err(PaymentError::Unavailable { .. }))
}

#[tokio::test]
async fn a_subscription_is_begun_once_whatever_becomes_of_the_answers() {
    for (kind, is_done) in FAULTS {
        let shop = Shop::open().await;
        let wanted = shop.wanted(0).await;
        shop.fake.fault(Fault::once("POST", "/v1/subscriptions", kind));
        let begun = shop.stripe.subscribe("begin", &wanted).await;
        assert_eq!(begun.is_ok(), is_done, "{kind:?}");
        assert_eq!(is_unavailable(&begun), !is_done, "{kind:?}");
        let again = shop.stripe.subscribe("begin", &wanted).await.unwrap();
        assert_eq!(shop.fake.subscriptions().len(), 1, "{kind:?}");
        assert!(again.confirmation.is_some(), "{kind:?}");
        shop.fake.confirm(&again.subscription.id.0, Card::Visa).unwrap();
        let paid = shop.stripe.subscribe("begin", &wanted).await.unwrap();
        assert_eq!(paid.subscription.status, SubscriptionStatus::Active);
        assert_eq!(shop.fake.charges().len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn every_other_thing_is_done_once_as_well() {
    for (kind, is_done) in FAULTS {
        let shop = Shop::open().await;
        let strike = |path: &str| shop.fake.fault(Fault::once("POST", path, kind));
        strike("/v1/checkout/sessions");
        let wanted = shop.page(0).await;
        let opened = shop.stripe.open_checkout("page", &wanted).await;
        assert_eq!(opened.is_ok(), is_done, "{kind:?}");
        let page = shop.stripe.open_checkout("page", &wanted).await.unwrap();
        assert!(opened.is_err() || opened == Ok(page), "{kind:?}");

        let id = shop.member(Card::Visa).await;
        let better = shop.monthly(3000).await;
        strike("/v1/subscriptions");
        let change = Change::PriceNow(better.clone());
        assert_eq!(shop.stripe.change("up", &id, &change).await.is_ok(), is_done, "{kind:?}");
        assert_eq!(shop.stripe.change("up", &id, &change).await.unwrap().price, better);
        assert_eq!(shop.fake.charges().len(), 2, "{kind:?}");

        let invoice = shop.told(&id).await.charges[0].invoice.clone();
        strike("/v1/refunds");
        assert_eq!(shop.stripe.refund("back", &invoice, 400).await.is_ok(), is_done, "{kind:?}");
        shop.stripe.refund("back", &invoice, 400).await.unwrap();
        assert_eq!(shop.fake.charges().iter().map(|charge| charge.refunded).sum::<i64>(), 400, "{kind:?}");
    }
}

#[tokio::test]
async fn a_customer_whose_making_was_not_answered_is_found_by_the_address() {
    let shop = Shop::open().await;
    shop.fake.fault(Fault::once("POST", "/v1/customers", FaultKind::StatusAfterCommit(500)));
    let found = shop.customer().await;
    assert_eq!(shop.fake.customers().len(), 1);
    assert_eq!(shop.fake.customers()[0]["id"], found.0);
}

#[tokio::test]
async fn what_was_begun_is_found_by_what_it_carries() {
    let shop = Shop::open().await;
    let id = shop.member(Card::Visa).await;
    let customer = shop.customer().await;
    let found = shop.stripe.subscriptions_of(&customer, membership()).await.unwrap();
    assert_eq!(found.iter().map(|found| &found.id).collect::<Vec<_>>(), [&id]);
    assert_eq!(found[0], shop.told(&id).await);
    shop.stripe.change("end", &id, &Change::EndNow).await.unwrap();
    assert_eq!(shop.stripe.subscriptions_of(&customer, membership()).await.unwrap().len(), 1);
    let other = entity::id::MembershipId(uuid::Uuid::from_u128(8));
    assert_eq!(shop.stripe.subscriptions_of(&customer, other).await, Ok(vec![]));
}

#[tokio::test]
async fn a_key_that_stripe_does_not_take_is_for_an_operator_to_mend() {
    let shop = Shop::open().await;
    let stranger = client(&shop.fake, "sk_test_other");
    let asked = stranger.subscription(&shop.begun(0).await.subscription.id).await;
    assert!(is_unavailable(&asked), "{asked:?}");
}

#[tokio::test]
async fn nobody_waits_longer_than_the_time_limit() {
    let shop = Shop::open().await;
    let id = shop.member(Card::Visa).await;
    shop.fake.fault(Fault::once("GET", "/v1/subscriptions", FaultKind::Hang));
    let began = std::time::Instant::now();
    assert!(is_unavailable(&shop.stripe.subscription(&id).await));
    let waited = began.elapsed();
    assert!(waited < super::super::PATIENCE + Duration::from_secs(2), "{waited:?}");
    assert_eq!(shop.told(&id).await.charges[0].status, ChargeStatus::Paid);
}

#[tokio::test]
async fn what_is_told_of_a_refusal_repeats_nothing_that_was_sent() {
    let shop = Shop::open().await;
    let mut wanted = shop.wanted(0).await;
    shop.stripe.subscribe("begin", &wanted).await.unwrap();
    // The same key for something else.
    wanted.trial_days = 3;
    let refused = shop.stripe.subscribe("begin", &wanted).await;
    let told = "status 400, idempotency_error, no code, parameter none".to_owned();
    assert_eq!(refused, Err(PaymentError::Rejected(told)));
}
