//! How subscriptions begin, change and end.

use stripe_billing::invoice::{
    CreatePreviewInvoice, CreatePreviewInvoiceSubscriptionDetails,
    CreatePreviewInvoiceSubscriptionDetailsItems, CreatePreviewInvoiceSubscriptionDetailsProrationBehavior,
    RetrieveInvoice,
};
use stripe_billing::subscription::{
    CancelSubscription, CreateSubscriptionPaymentBehavior, UpdateSubscription,
    UpdateSubscriptionPauseCollection, UpdateSubscriptionPauseCollectionBehavior,
    UpdateSubscriptionPaymentBehavior, UpdateSubscriptionProrationBehavior, UpdateSubscriptionTrialEnd,
};
use stripe_fake::Card;
use stripe_product::price::CreatePriceRecurringInterval;
use stripe_shared::{InvoiceStatus, SubscriptionStatus};

use crate::support::{DAY, Shop, amounts, incomplete, latest, new_price, period, refusal, subscription};

#[tokio::test]
async fn the_payment_element_completes_what_began_incomplete() {
    let shop = Shop::open().await;
    let (customer, price) = (shop.customer().await, shop.monthly(1000).await);
    let begun = incomplete(&customer, &price).send(&shop.client).await.unwrap();
    assert_eq!(begun.status, SubscriptionStatus::Incomplete);
    let invoice = begun.latest_invoice.as_ref().unwrap().as_object().unwrap();
    assert_eq!(invoice.status, Some(InvoiceStatus::Open));
    assert!(invoice.confirmation_secret.as_ref().unwrap().client_secret.starts_with("pi_"));
    assert!(shop.fake.confirm(begun.id.as_str(), Card::InsufficientFunds).is_err());
    assert_eq!(shop.subscription(begun.id.as_str()).await.status, SubscriptionStatus::Incomplete);
    shop.fake.confirm(begun.id.as_str(), Card::Visa).unwrap();
    assert_eq!(shop.subscription(begun.id.as_str()).await.status, SubscriptionStatus::Active);
    assert!(shop.fake.confirm(begun.id.as_str(), Card::Visa).is_err());
    assert_eq!(shop.fake.charges().len(), 1);
}

#[tokio::test]
async fn the_card_is_kept_for_renewals_only_if_the_subscription_says_so() {
    let shop = Shop::open().await;
    let price = shop.monthly(1000).await;
    for (save, status) in
        [("off", SubscriptionStatus::PastDue), ("on_subscription", SubscriptionStatus::Active)]
    {
        let begun = incomplete(&shop.customer().await, &price).send(&shop.client).await.unwrap();
        let setting = format!("payment_settings[save_default_payment_method]={save}");
        shop.update_by_hand(begun.id.as_str(), &setting).await.unwrap();
        shop.fake.confirm(begun.id.as_str(), Card::Visa).unwrap();
        shop.fake.advance(DAY * 32);
        assert_eq!(shop.subscription(begun.id.as_str()).await.status, status);
    }
}

#[tokio::test]
async fn what_a_declined_first_payment_means_is_for_the_caller_to_say() {
    let shop = Shop::open().await;
    let (customer, price) = (shop.payer(Card::ChargeCustomerFail).await, shop.monthly(1000).await);
    let strict = CreateSubscriptionPaymentBehavior::ErrorIfIncomplete;
    let refused = subscription(&customer, &price).payment_behavior(strict).send(&shop.client).await;
    assert_eq!(refusal(refused), (402, "card_error".into(), "card_declined".into()));
    assert_eq!(shop.fake.subscriptions().len(), 0);
    let mild = CreateSubscriptionPaymentBehavior::AllowIncomplete;
    let begun = subscription(&customer, &price).payment_behavior(mild).send(&shop.client).await.unwrap();
    assert_eq!(begun.status, SubscriptionStatus::Incomplete);
    let cardless = subscription(&shop.customer().await, &price).send(&shop.client).await;
    assert_eq!(refusal(cardless).0, 400);
    assert_eq!((shop.fake.subscriptions().len(), shop.fake.charges().len()), (1, 0));
}

#[tokio::test]
async fn an_upgrade_charges_the_rest_of_the_period_at_once_and_the_preview_says_so() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let better = shop.monthly(3100).await;
    shop.fake.advance(DAY * 10);
    let mut item = CreatePreviewInvoiceSubscriptionDetailsItems::new();
    item.id = Some(member.items.data[0].id.to_string());
    item.price = Some(better.clone());
    let mut details = CreatePreviewInvoiceSubscriptionDetails::new();
    details.items = Some(vec![item]);
    details.proration_behavior =
        Some(CreatePreviewInvoiceSubscriptionDetailsProrationBehavior::AlwaysInvoice);
    let preview = CreatePreviewInvoice::new().subscription(member.id.as_str()).subscription_details(details);
    let preview = preview.send(&shop.client).await.unwrap();
    // 21 of the 31 days of March are left: 1000 × 21 ⁄ 31 = 677.4, 3100 × 21 ⁄ 31 = 2100.
    assert_eq!((amounts(&preview), preview.amount_due), (vec![-677, 2100], 1423));
    assert_eq!(shop.fake.charges().len(), 1);
    let upgrade =
        new_price(&member, &better).proration_behavior(UpdateSubscriptionProrationBehavior::AlwaysInvoice);
    let upgraded = upgrade.send(&shop.client).await.unwrap();
    assert_eq!(period(&upgraded), period(&member));
    let invoice = RetrieveInvoice::new(latest(&upgraded)).send(&shop.client).await.unwrap();
    assert_eq!((amounts(&invoice), invoice.status), (vec![-677, 2100], Some(InvoiceStatus::Paid)));
    assert_eq!(shop.fake.charges()[1].amount, 1423);
    let (start, end) = (shop.fake.now(), period(&member).1);
    assert!(invoice.lines.data.iter().all(|line| (line.period.start, line.period.end) == (start, end)));
}

#[tokio::test]
async fn a_refused_upgrade_changes_nothing() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let better = shop.monthly(3100).await;
    shop.fake.set_card(member.customer.id().as_str(), Card::InsufficientFunds).unwrap();
    shop.told();
    let upgrade = new_price(&member, &better)
        .proration_behavior(UpdateSubscriptionProrationBehavior::AlwaysInvoice)
        .payment_behavior(UpdateSubscriptionPaymentBehavior::ErrorIfIncomplete);
    assert_eq!(refusal(upgrade.send(&shop.client).await).0, 402);
    let kept = shop.subscription(member.id.as_str()).await;
    assert_eq!(kept.items.data[0].price.id, member.items.data[0].price.id);
    assert_eq!((shop.told(), latest(&kept)), (vec![], latest(&member)));
}

#[tokio::test]
async fn a_change_of_price_may_wait_for_the_next_invoice_or_cost_nothing() {
    let shop = Shop::open().await;
    for (behavior, lines) in [
        (UpdateSubscriptionProrationBehavior::None, vec![2000]),
        (UpdateSubscriptionProrationBehavior::CreateProrations, vec![-1000, 2000, 2000]),
    ] {
        let member = shop.member(Card::Visa).await;
        let better = shop.monthly(2000).await;
        let changed =
            new_price(&member, &better).proration_behavior(behavior).send(&shop.client).await.unwrap();
        assert_eq!(latest(&changed), latest(&member));
        let preview =
            CreatePreviewInvoice::new().subscription(member.id.as_str()).send(&shop.client).await.unwrap();
        assert_eq!(amounts(&preview), lines);
        shop.fake.advance(DAY * 31);
        let renewed = shop.subscription(member.id.as_str()).await;
        let invoice = RetrieveInvoice::new(latest(&renewed)).send(&shop.client).await.unwrap();
        assert_eq!(amounts(&invoice), lines);
    }
}

#[tokio::test]
async fn another_interval_begins_its_own_period_and_the_old_one_is_given_back() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let yearly = shop.price(10_000, CreatePriceRecurringInterval::Year).await;
    let changed = new_price(&member, &yearly).send(&shop.client).await.unwrap();
    let days = (period(&changed).1 - period(&changed).0) / 86_400;
    assert_eq!((days, shop.fake.charges()[1].amount), (365, 9_000));
}

#[tokio::test]
async fn too_much_given_back_is_kept_for_the_next_invoice() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let cheap = shop.monthly(400).await;
    let downgrade =
        new_price(&member, &cheap).proration_behavior(UpdateSubscriptionProrationBehavior::AlwaysInvoice);
    downgrade.send(&shop.client).await.unwrap();
    assert_eq!(shop.fake.charges().len(), 1);
    shop.fake.advance(DAY * 65);
    // 400 − 1000 = −600 of credit: April's 400 is covered, of May's 400 half.
    assert_eq!(shop.fake.charges().iter().map(|charge| charge.amount).collect::<Vec<_>>(), [1000, 200]);
}

#[tokio::test]
async fn cancelling_at_the_end_of_the_period_can_be_taken_back() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let end = period(&member).1;
    let update = UpdateSubscription::new(member.id.clone());
    let ending = update.clone().cancel_at_period_end(true).send(&shop.client).await.unwrap();
    assert_eq!(
        (ending.cancel_at_period_end, ending.cancel_at, ending.status.as_str()),
        (true, Some(end), "active")
    );
    let kept = update.cancel_at_period_end(false).send(&shop.client).await.unwrap();
    assert_eq!((kept.cancel_at_period_end, kept.cancel_at, kept.canceled_at), (false, None, None));
    shop.fake.cancel_in_portal(member.id.as_str()).unwrap();
    assert!(shop.subscription(member.id.as_str()).await.cancel_at_period_end);
}

#[tokio::test]
async fn a_cancelled_subscription_is_over() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let over = CancelSubscription::new(member.id.clone()).send(&shop.client).await.unwrap();
    assert_eq!((over.status, over.ended_at), (SubscriptionStatus::Canceled, Some(shop.fake.now())));
    assert_eq!(refusal(CancelSubscription::new(member.id.clone()).send(&shop.client).await).0, 404);
    let update =
        UpdateSubscription::new(member.id.clone()).cancel_at_period_end(true).send(&shop.client).await;
    assert_eq!(refusal(update).0, 400);
    shop.fake.advance(DAY * 100);
    assert_eq!(shop.fake.charges().len(), 1);
}

#[tokio::test]
async fn while_collection_pauses_invoices_are_voided_and_the_status_stays() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let pause = UpdateSubscriptionPauseCollection::new(UpdateSubscriptionPauseCollectionBehavior::Void);
    let paused =
        UpdateSubscription::new(member.id.clone()).pause_collection(pause).send(&shop.client).await.unwrap();
    assert_eq!(paused.status, SubscriptionStatus::Active);
    shop.fake.advance(DAY * 35);
    assert_eq!(shop.fake.charges().len(), 1);
    let invoice = RetrieveInvoice::new(latest(&shop.subscription(member.id.as_str()).await));
    assert_eq!(invoice.send(&shop.client).await.unwrap().status, Some(InvoiceStatus::Void));
    let resumed = shop.update_by_hand(member.id.as_str(), "pause_collection=").await.unwrap();
    assert!(resumed.pause_collection.is_none());
    shop.fake.advance(DAY * 30);
    assert_eq!(shop.fake.charges().len(), 2);
}

#[tokio::test]
async fn a_trial_collects_its_card_and_can_be_ended_at_once() {
    let shop = Shop::open().await;
    let (customer, price) = (shop.customer().await, shop.monthly(1000).await);
    let begun = incomplete(&customer, &price).trial_period_days(14_u32).send(&shop.client).await.unwrap();
    assert_eq!(begun.status, SubscriptionStatus::Trialing);
    assert_eq!(period(&begun).1 - period(&begun).0, 14 * 86_400);
    assert!(begun.pending_setup_intent.unwrap().as_object().unwrap().client_secret.is_some());
    shop.fake.confirm(begun.id.as_str(), Card::Visa).unwrap();
    assert_eq!(shop.fake.charges().len(), 0);
    let ended = UpdateSubscription::new(begun.id.clone()).trial_end(UpdateSubscriptionTrialEnd::Now);
    let ended = ended.send(&shop.client).await.unwrap();
    assert_eq!((&ended.status, shop.fake.charges().len()), (&SubscriptionStatus::Active, 1));
    assert_eq!(period(&ended).0, shop.fake.now());
}

#[tokio::test]
async fn days_can_be_given_back_by_a_trial_within_the_period() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let end = period(&member).1 + 5 * 86_400;
    let longer = UpdateSubscription::new(member.id.clone())
        .trial_end(UpdateSubscriptionTrialEnd::Timestamp(end))
        .proration_behavior(UpdateSubscriptionProrationBehavior::None);
    let longer = longer.send(&shop.client).await.unwrap();
    assert_eq!((&longer.status, period(&longer).1), (&SubscriptionStatus::Trialing, end));
    shop.fake.advance(DAY * 35);
    assert_eq!(shop.fake.charges().len(), 1);
    shop.fake.advance(DAY * 2);
    assert_eq!(shop.fake.charges().len(), 2);
    assert_eq!(shop.subscription(member.id.as_str()).await.billing_cycle_anchor, end);
}
