//! What was paid, given back and taken back.

use std::time::Duration;

use entity::membership_charge::ChargeStatus;
use stripe_fake::{Card, DisputeOutcome};

use super::super::amounts;
use super::{DAY, Shop};
use crate::billing::payments::{PaymentError, Payments, SubscriptionStatus};

#[tokio::test]
async fn a_part_or_all_of_a_payment_goes_back_and_each_refund_once() {
    let shop = Shop::open().await;
    let id = shop.member(Card::Visa).await;
    let invoice = shop.told(&id).await.charges[0].invoice.clone();
    shop.fake.advance(DAY);
    for _ in 0..2 {
        shop.stripe.refund("first", &invoice, 300).await.unwrap();
    }
    // Stripe has forgotten the key by then.
    shop.fake.advance(DAY * 2);
    shop.stripe.refund("first", &invoice, 300).await.unwrap();
    let charge = shop.told(&id).await.charges.remove(0);
    assert_eq!((charge.status, charge.refunded, charge.back_at), (ChargeStatus::Paid, 300, None));
    let too_much = shop.stripe.refund("second", &invoice, 701).await;
    assert!(matches!(too_much, Err(PaymentError::Rejected(_))), "{too_much:?}");
    shop.stripe.refund("third", &invoice, 700).await.unwrap();
    let charge = shop.told(&id).await.charges.remove(0);
    assert_eq!((charge.status, charge.refunded), (ChargeStatus::Refunded, 1000));
    assert_eq!(charge.back_at, Some(shop.now()));
    assert_eq!(shop.fake.charges()[0].refunded, 1000);
    let unpaid = shop.stripe.refund("fourth", "in_unknown", 1).await;
    assert!(matches!(unpaid, Err(PaymentError::Rejected(_))), "{unpaid:?}");
}

#[tokio::test]
async fn a_dispute_is_told_while_it_lasts_and_when_it_is_over() {
    for (outcome, status) in
        [(DisputeOutcome::Won, ChargeStatus::Won), (DisputeOutcome::Lost, ChargeStatus::Refunded)]
    {
        let shop = Shop::open().await;
        let id = shop.member(Card::Visa).await;
        let invoice = shop.told(&id).await.charges[0].invoice.clone();
        let dispute = shop.fake.dispute(&invoice).unwrap();
        assert_eq!(shop.told(&id).await.charges[0].status, ChargeStatus::Disputed);
        shop.fake.close_dispute(&dispute, outcome).unwrap();
        assert_eq!(shop.told(&id).await.charges[0].status, status);
    }
}

#[tokio::test]
async fn a_renewal_that_fails_is_told_until_it_is_paid_or_given_up() {
    let shop = Shop::open().await;
    let id = shop.member(Card::Visa).await;
    let customer = shop.told(&id).await.customer.0;
    shop.fake.set_card(&customer, Card::InsufficientFunds).unwrap();
    shop.fake.advance(DAY * 31 + Duration::from_hours(1));
    let late = shop.told(&id).await;
    assert_eq!(late.status, SubscriptionStatus::PastDue);
    let charge = late.charges.last().unwrap();
    assert_eq!((charge.status, charge.failed_at), (ChargeStatus::Failed, Some(shop.now())));
    shop.fake.set_card(&customer, Card::Mastercard).unwrap();
    shop.fake.advance(DAY * 4);
    let recovered = shop.told(&id).await;
    assert_eq!((recovered.status, recovered.charges.len()), (SubscriptionStatus::Active, 2));
    assert_eq!(recovered.charges[1].status, ChargeStatus::Paid);
    shop.fake.set_card(&customer, Card::ChargeCustomerFail).unwrap();
    shop.fake.advance(DAY * 60);
    let ended = shop.told(&id).await;
    assert_eq!(ended.status, SubscriptionStatus::Ended);
    assert_eq!(ended.charges[2].status, ChargeStatus::Failed);
    assert!(ended.ended_at.is_some());
}

#[tokio::test]
async fn a_first_payment_that_never_came_is_void() {
    let shop = Shop::open().await;
    let begun = shop.begun(0).await;
    shop.fake.advance(DAY);
    let over = shop.told(&begun.subscription.id).await;
    assert_eq!(over.status, SubscriptionStatus::IncompleteExpired);
    assert_eq!(over.charges[0].status, ChargeStatus::Void);
    assert!(over.ended_at.is_some());
}

#[tokio::test]
async fn the_number_of_requests_does_not_grow_with_every_month() {
    let shop = Shop::open().await;
    let id = shop.member(Card::Visa).await;
    let asked = async |shop: &Shop| {
        let before = shop.fake.requests().len();
        let charges = shop.told(&id).await.charges.len();
        (charges, shop.fake.requests().len() - before)
    };
    assert_eq!(asked(&shop).await, (1, 3));
    // Two years, to 1 March 2028: a leap day is in them.
    shop.fake.advance(DAY * (365 * 2 + 1) + DAY / 12);
    assert_eq!(asked(&shop).await, (25, 3));
}

#[test]
fn a_few_currencies_are_told_with_decimals_that_they_do_not_have() {
    for (code, theirs) in [("EUR", 999), ("JPY", 999), ("KWD", 999), ("ISK", 99_900), ("UGX", 99_900)] {
        let currency = code.parse().unwrap();
        assert_eq!(amounts::theirs(999, currency), Ok(theirs), "{code}");
        assert_eq!(amounts::ours(theirs, currency).minor, 999, "{code}");
        let named = amounts::named(currency).unwrap();
        assert_eq!(amounts::known(&named).unwrap(), currency, "{code}");
    }
}
