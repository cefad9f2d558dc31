//! What time brings.

use std::time::Duration;

use stripe_billing::invoice::RetrieveInvoice;
use stripe_billing::subscription::{
    CreateSubscriptionTrialSettings, CreateSubscriptionTrialSettingsEndBehavior,
    CreateSubscriptionTrialSettingsEndBehaviorMissingPaymentMethod, ResumeSubscription,
};
use stripe_fake::Card;
use stripe_shared::{CancellationDetailsReason, InvoiceStatus, SubscriptionStatus};

use crate::support::{DAY, HOUR, Shop, checkout, incomplete, latest, period, subscription};

#[tokio::test]
async fn a_renewal_is_a_draft_for_an_hour_before_it_is_charged() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    shop.told();
    shop.fake.advance(DAY * 31);
    let renewed = shop.subscription(member.id.as_str()).await;
    assert_eq!(period(&renewed), (period(&member).1, period(&member).1 + 30 * 86_400));
    let invoice = RetrieveInvoice::new(latest(&renewed));
    assert_eq!(invoice.clone().send(&shop.client).await.unwrap().status, Some(InvoiceStatus::Draft));
    assert_eq!(
        (shop.told(), shop.fake.charges().len()),
        (vec!["invoice.created".to_owned(), "customer.subscription.updated".to_owned()], 1,)
    );
    shop.fake.advance(HOUR);
    assert_eq!(invoice.send(&shop.client).await.unwrap().status, Some(InvoiceStatus::Paid));
    assert_eq!(
        (shop.told(), shop.fake.charges().len()),
        (vec!["invoice.finalized".to_owned(), "invoice.paid".to_owned()], 2,)
    );
}

#[tokio::test]
async fn a_year_is_twelve_charges_however_the_clock_is_moved() {
    let shop = Shop::open().await;
    shop.member(Card::Visa).await;
    shop.fake.advance(DAY * 364);
    assert_eq!(shop.fake.charges().len(), 12);
}

#[tokio::test]
async fn dunning_tries_four_times_in_fifteen_days_and_then_gives_up() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    shop.fake.set_card(member.customer.id().as_str(), Card::InsufficientFunds).unwrap();
    shop.fake.advance(DAY * 31 + HOUR);
    let mut attempts = Vec::new();
    // The first attempt, then 3, 5 and 7 days later.
    for (days, status) in [(0, "past_due"), (3, "past_due"), (5, "past_due"), (7, "canceled")] {
        shop.fake.advance(DAY * days);
        let now = shop.subscription(member.id.as_str()).await;
        assert_eq!(now.status.as_str(), status);
        let invoice = RetrieveInvoice::new(latest(&now)).send(&shop.client).await.unwrap();
        attempts.push(invoice.attempt_count);
    }
    assert_eq!(attempts, [1, 2, 3, 4]);
    let over = shop.subscription(member.id.as_str()).await;
    assert_eq!(over.cancellation_details.unwrap().reason, Some(CancellationDetailsReason::PaymentFailed));
    let told = shop.told();
    assert_eq!(told.iter().filter(|kind| *kind == "invoice.payment_failed").count(), 4);
    assert_eq!(told.last().unwrap(), "customer.subscription.deleted");
    shop.fake.advance(DAY * 60);
    assert_eq!((shop.told().len(), shop.fake.charges().len()), (0, 1));
}

#[tokio::test]
async fn a_new_card_between_two_attempts_saves_the_subscription() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let customer = member.customer.id().to_string();
    shop.fake.set_card(&customer, Card::InsufficientFunds).unwrap();
    shop.fake.advance(DAY * 32);
    shop.fake.set_card(&customer, Card::Visa).unwrap();
    shop.fake.advance(DAY * 3);
    assert_eq!(shop.subscription(member.id.as_str()).await.status, SubscriptionStatus::Active);
    assert_eq!(shop.fake.charges().len(), 2);
}

#[tokio::test]
async fn a_card_that_wants_its_owner_cannot_renew_alone() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    shop.fake.set_card(member.customer.id().as_str(), Card::AuthenticationRequired).unwrap();
    shop.told();
    shop.fake.advance(DAY * 31 + HOUR);
    assert!(shop.told().contains(&"invoice.payment_action_required".to_owned()));
    assert_eq!(shop.subscription(member.id.as_str()).await.status, SubscriptionStatus::PastDue);
    shop.fake.confirm(member.id.as_str(), Card::AuthenticationRequired).unwrap();
    assert_eq!(shop.subscription(member.id.as_str()).await.status, SubscriptionStatus::Active);
}

#[tokio::test]
async fn a_pending_cancellation_comes_instead_of_the_renewal() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    shop.fake.cancel_in_portal(member.id.as_str()).unwrap();
    shop.fake.advance(DAY * 30);
    assert_eq!(shop.subscription(member.id.as_str()).await.status, SubscriptionStatus::Active);
    shop.fake.advance(DAY * 2);
    let over = shop.subscription(member.id.as_str()).await;
    assert_eq!((over.status, over.ended_at), (SubscriptionStatus::Canceled, Some(period(&member).1)));
    assert_eq!(shop.fake.charges().len(), 1);
}

#[tokio::test]
async fn an_incomplete_subscription_expires_after_23_hours() {
    let shop = Shop::open().await;
    let (customer, price) = (shop.customer().await, shop.monthly(1000).await);
    let begun = incomplete(&customer, &price).send(&shop.client).await.unwrap();
    shop.told();
    shop.fake.advance(Duration::from_secs(23 * 3_600 - 1));
    assert_eq!(shop.subscription(begun.id.as_str()).await.status, SubscriptionStatus::Incomplete);
    shop.fake.advance(Duration::from_secs(1));
    assert_eq!(shop.subscription(begun.id.as_str()).await.status, SubscriptionStatus::IncompleteExpired);
    assert_eq!(shop.told(), ["invoice.voided", "customer.subscription.updated"]);
}

#[tokio::test]
async fn a_checkout_session_expires_after_24_hours() {
    let shop = Shop::open().await;
    let price = shop.monthly(1000).await;
    let session = checkout(&price).send(&shop.client).await.unwrap();
    assert_eq!(session.expires_at, shop.fake.now() + 24 * 3_600);
    shop.fake.advance(HOUR * 23);
    assert_eq!(shop.told(), Vec::<String>::new());
    shop.fake.advance(HOUR);
    assert_eq!(shop.told(), ["checkout.session.expired"]);
    assert!(shop.fake.complete_checkout(session.id.as_str(), Card::Visa).is_err());
}

#[tokio::test]
async fn a_trial_is_announced_three_days_before_it_ends_and_then_paid() {
    let shop = Shop::open().await;
    let (customer, price) = (shop.payer(Card::Visa).await, shop.monthly(1000).await);
    let begun = subscription(&customer, &price).trial_period_days(14_u32).send(&shop.client).await.unwrap();
    shop.told();
    shop.fake.advance(DAY * 11);
    assert_eq!(shop.told(), ["customer.subscription.trial_will_end"]);
    shop.fake.advance(DAY * 3);
    let paid = shop.subscription(begun.id.as_str()).await;
    assert_eq!((&paid.status, period(&paid).0), (&SubscriptionStatus::Active, begun.trial_end.unwrap()));
    shop.fake.advance(HOUR);
    assert_eq!(shop.fake.charges().len(), 1);
}

#[tokio::test]
async fn a_trial_without_a_card_pauses_or_ends_if_it_was_told_so() {
    type Missing = CreateSubscriptionTrialSettingsEndBehaviorMissingPaymentMethod;
    let shop = Shop::open().await;
    let price = shop.monthly(1000).await;
    for (missing, status, kind) in [
        (Missing::Pause, SubscriptionStatus::Paused, "customer.subscription.paused"),
        (Missing::Cancel, SubscriptionStatus::Canceled, "customer.subscription.deleted"),
        (Missing::CreateInvoice, SubscriptionStatus::PastDue, "customer.subscription.updated"),
    ] {
        let customer = shop.customer().await;
        let mut behavior = CreateSubscriptionTrialSettingsEndBehavior::new();
        behavior.missing_payment_method = Some(missing);
        let trial = subscription(&customer, &price)
            .trial_period_days(7_u32)
            .trial_settings(CreateSubscriptionTrialSettings::new(behavior));
        let begun = trial.send(&shop.client).await.unwrap();
        shop.fake.advance(DAY * 7 + HOUR);
        assert_eq!(shop.subscription(begun.id.as_str()).await.status, status);
        assert_eq!(shop.told().last().unwrap(), kind);
        if status == SubscriptionStatus::Paused {
            shop.fake.set_card(&customer, Card::Visa).unwrap();
            let resumed = ResumeSubscription::new(begun.id.clone()).send(&shop.client).await.unwrap();
            assert_eq!((resumed.status, shop.fake.charges().len()), (SubscriptionStatus::Active, 1));
            assert_eq!(shop.told().last().unwrap(), "customer.subscription.resumed");
        }
    }
}
