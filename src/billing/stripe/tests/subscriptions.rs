//! How subscriptions begin, change and end.

use chrono::{DateTime, TimeDelta};
use entity::membership_charge::ChargeStatus;
use entity::membership_plan::Interval;
use stripe_fake::Card;

use super::{DAY, Shop, membership, price};
use crate::billing::payments::{
    Change, CheckoutOutcome, NewPrice, PaymentError, Payments, SubscriptionRef, SubscriptionStatus,
};

#[tokio::test]
async fn a_price_is_made_once_and_its_product_is_called_what_the_plan_is_called() {
    let shop = Shop::open().await;
    let first = shop.monthly(1000).await;
    let renamed = NewPrice { name: "Gold".to_owned(), ..price(1000) };
    assert_eq!(shop.stripe.create_price("another-key", &renamed).await.unwrap(), first);
    let yearly = NewPrice { billed: Interval::Year, ..price(1000) };
    let (one, other) =
        tokio::join!(shop.stripe.create_price("one", &yearly), shop.stripe.create_price("other", &yearly));
    assert_eq!(one.clone().unwrap(), other.unwrap());
    assert_ne!(one.unwrap(), first);
    let products: Vec<_> = shop
        .fake
        .requests()
        .into_iter()
        .filter(|request| request.method == "POST" && request.path.starts_with("/v1/products"))
        .map(|request| request.form.text("name").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(products[..2], ["Plus", "Gold"]);
}

#[tokio::test]
async fn a_device_confirms_the_first_payment() {
    let shop = Shop::open().await;
    let begun = shop.begun(0).await;
    let id = begun.subscription.id.clone();
    assert_eq!(begun.subscription.status, SubscriptionStatus::Incomplete);
    assert_eq!(begun.subscription.membership, Some(membership()));
    let confirmation = begun.confirmation.unwrap();
    assert!(confirmation.client_secret.starts_with("pi_") && !confirmation.is_for_later);
    assert_eq!(begun.subscription.charges[0].status, ChargeStatus::Open);
    assert!(shop.fake.confirm(&id.0, Card::InsufficientFunds).is_err());
    assert_eq!(shop.told(&id).await.charges[0].status, ChargeStatus::Failed);
    shop.fake.confirm(&id.0, Card::Visa).unwrap();
    let paid = shop.told(&id).await;
    assert_eq!((paid.status, paid.card), (SubscriptionStatus::Active, Some(Card::Visa.fingerprint())));
    let charge = &paid.charges[0];
    assert_eq!((charge.status, charge.amount.minor, charge.refunded), (ChargeStatus::Paid, 1000, 0));
    // March has 31 days.
    assert_eq!((charge.from, charge.until), (shop.now(), shop.in_days(31)));
    assert_eq!(charge.paid_at, Some(shop.now()));
    // Asked again with its key, what is answered is how it is by now: nothing is left to confirm.
    let again = shop.begun(0).await;
    assert_eq!((again.subscription.id, again.confirmation), (id, None));
    assert_eq!(shop.fake.charges().len(), 1);
}

#[tokio::test]
async fn a_trial_is_unconfirmed_until_its_card_is_there_and_ends_if_none_came() {
    let shop = Shop::open().await;
    let begun = shop.begun(14).await;
    assert_eq!(begun.subscription.status, SubscriptionStatus::TrialingUnconfirmed);
    assert_eq!(begun.subscription.trial_until, Some(shop.in_days(14)));
    let confirmation = begun.confirmation.unwrap();
    assert!(confirmation.client_secret.starts_with("seti_") && confirmation.is_for_later);
    assert_eq!(begun.subscription.charges, []);
    let id = begun.subscription.id;
    shop.fake.confirm(&id.0, Card::Mastercard).unwrap();
    let on_trial = shop.told(&id).await;
    assert_eq!(on_trial.status, SubscriptionStatus::Trialing);
    assert_eq!(on_trial.card, Some(Card::Mastercard.fingerprint()));
    shop.fake.advance(DAY * 14 + DAY / 8);
    let paid = shop.told(&id).await;
    assert_eq!((paid.status, paid.charges.len()), (SubscriptionStatus::Active, 1));

    let shop = Shop::open().await;
    let begun = shop.begun(14).await;
    shop.fake.advance(DAY * 15);
    assert_eq!(shop.told(&begun.subscription.id).await.status, SubscriptionStatus::Ended);
    assert_eq!(shop.fake.charges(), []);
}

#[tokio::test]
async fn a_page_leads_to_a_subscription_or_is_closed() {
    let shop = Shop::open().await;
    let wanted = shop.page(0).await;
    let page = shop.stripe.open_checkout("page", &wanted).await.unwrap();
    assert_eq!(shop.stripe.open_checkout("page", &wanted).await.unwrap(), page);
    assert_eq!(shop.stripe.checkout_outcome(&page.id).await, Ok(CheckoutOutcome::Open));
    shop.fake.complete_checkout(&page.id, Card::Visa).unwrap();
    let Ok(CheckoutOutcome::Subscribed(id)) = shop.stripe.checkout_outcome(&page.id).await else { panic!() };
    let begun = shop.told(&id).await;
    assert_eq!((begun.membership, begun.status), (Some(membership()), SubscriptionStatus::Active));
    // It is not open any more: nobody pays on it.
    assert_eq!(shop.stripe.close_checkout(&page.id).await, Ok(()));
    let other = shop.stripe.open_checkout("other", &wanted).await.unwrap();
    assert_eq!(shop.stripe.close_checkout(&other.id).await, Ok(()));
    assert_eq!(shop.stripe.close_checkout(&other.id).await, Ok(()));
    assert_eq!(shop.stripe.checkout_outcome(&other.id).await, Ok(CheckoutOutcome::Expired));
    assert!(shop.fake.complete_checkout(&other.id, Card::Visa).is_err());
    assert_eq!(shop.stripe.checkout_outcome("cs_unknown").await, Err(PaymentError::NotFound));
    let portal = shop.stripe.portal(&wanted.customer, "https://shop.example/").await.unwrap();
    assert!(portal.starts_with("https://billing.stripe.com/"));
}

#[tokio::test]
async fn it_ends_when_it_is_to_end_or_goes_on_after_all() {
    let shop = Shop::open().await;
    let id = shop.member(Card::Visa).await;
    let half_a_second = TimeDelta::milliseconds(500);
    let at = shop.in_days(31);
    let ending = shop.stripe.change("end", &id, &Change::EndAt(Some(at - half_a_second))).await.unwrap();
    assert_eq!(ending.ends_at, Some(at));
    let kept = shop.stripe.change("keep", &id, &Change::EndAt(None)).await.unwrap();
    assert_eq!(kept.ends_at, None);
    shop.fake.cancel_in_portal(&id.0).unwrap();
    assert_eq!(shop.told(&id).await.ends_at, Some(at));
    let kept = shop.stripe.change("keep-again", &id, &Change::EndAt(None)).await.unwrap();
    assert_eq!(kept.ends_at, None);
    shop.fake.advance(DAY);
    let past = Change::EndAt(Some(shop.in_days(-1)));
    let ended = shop.stripe.change("late", &id, &past).await.unwrap();
    assert_eq!((ended.status, ended.ended_at), (SubscriptionStatus::Ended, Some(shop.now())));
    let again = shop.stripe.change("now", &id, &Change::EndNow).await.unwrap();
    assert_eq!(again.ended_at, ended.ended_at);
    let unknown = SubscriptionRef("sub_unknown".to_owned());
    assert_eq!(shop.stripe.change("x", &unknown, &Change::EndNow).await, Err(PaymentError::NotFound));
    assert_eq!(shop.stripe.subscription(&unknown).await, Ok(None));
}

#[tokio::test]
async fn another_price_now_takes_the_difference_that_the_preview_told() {
    let shop = Shop::open().await;
    let id = shop.member(Card::Visa).await;
    let better = shop.monthly(3100).await;
    shop.fake.advance(DAY * 10);
    // 21 of the 31 days of March are left: 3100 × 21 ⁄ 31 − 1000 × 21 ⁄ 31 = 2100 − 677.
    let preview = shop.stripe.preview(&id, &better).await.unwrap();
    assert_eq!((preview.due_now, preview.renews_at), (1423, shop.in_days(21)));
    shop.fake.set_card(&shop.told(&id).await.customer.0, Card::InsufficientFunds).unwrap();
    let change = Change::PriceNow(better.clone());
    assert_eq!(shop.stripe.change("declined", &id, &change).await, Err(PaymentError::Declined));
    assert_eq!(shop.fake.charges().len(), 1);
    shop.fake.set_card(&shop.told(&id).await.customer.0, Card::Visa).unwrap();
    let changed = shop.stripe.change("up", &id, &change).await.unwrap();
    assert_eq!(shop.stripe.change("up", &id, &change).await.unwrap(), changed);
    assert_eq!(changed.price, better);
    assert_eq!(shop.fake.charges().iter().map(|charge| charge.amount).collect::<Vec<_>>(), [1000, 1423]);
    let last = changed.charges.last().unwrap();
    assert_eq!((last.from, last.until, last.amount.minor), (shop.now(), shop.in_days(21), 1423));
    assert_eq!(shop.stripe.preview(&id, &better).await.unwrap().due_now, 0);
}

#[tokio::test]
async fn another_price_at_renewal_costs_nothing_before() {
    let shop = Shop::open().await;
    let id = shop.member(Card::Visa).await;
    let yearly = NewPrice { billed: Interval::Year, ..price(9000) };
    let yearly = shop.stripe.create_price("yearly", &yearly).await.unwrap();
    shop.fake.advance(DAY * 10);
    let renews_at = shop.in_days(21);
    let change = Change::PriceAtRenewal { price: yearly.clone(), renews_at };
    let changed = shop.stripe.change("renewal", &id, &change).await.unwrap();
    assert_eq!((changed.price, shop.fake.charges().len(), changed.charges.len()), (yearly, 1, 1));
    shop.fake.advance(DAY * 22);
    let renewed = shop.told(&id).await;
    let last = renewed.charges.last().unwrap();
    assert_eq!((last.amount.minor, last.from), (9000, renews_at));
    assert_eq!(last.until, DateTime::parse_from_rfc3339("2027-04-01T12:00:00Z").unwrap());
}

#[tokio::test]
async fn nothing_is_taken_in_a_pause_and_the_days_that_were_left_come_first_after_it() {
    let shop = Shop::open().await;
    let id = shop.member(Card::Visa).await;
    shop.fake.advance(DAY * 10);
    assert!(shop.stripe.change("pause", &id, &Change::Pause).await.unwrap().is_paused);
    shop.fake.advance(DAY * 60);
    let paused = shop.told(&id).await;
    assert_eq!(shop.fake.charges().len(), 1);
    assert_eq!(paused.charges.last().unwrap().status, ChargeStatus::Void);
    let renews_at = shop.in_days(21);
    let resumed = shop.stripe.change("resume", &id, &Change::Resume { renews_at }).await.unwrap();
    assert!(!resumed.is_paused);
    shop.fake.advance(DAY * 20);
    assert_eq!(shop.fake.charges().len(), 1);
    shop.fake.advance(DAY * 2);
    assert_eq!(shop.fake.charges().len(), 2);
    assert_eq!(shop.told(&id).await.charges.last().unwrap().from, renews_at);

    // Nothing is left: the next payment is due at once.
    shop.stripe.change("pause-2", &id, &Change::Pause).await.unwrap();
    shop.fake.advance(DAY);
    let renews_at = shop.now();
    let resumed = shop.stripe.change("resume-2", &id, &Change::Resume { renews_at }).await.unwrap();
    assert_eq!((resumed.status, resumed.is_paused), (SubscriptionStatus::Active, false));
    assert_eq!(resumed.charges.last().unwrap().from, renews_at);
    assert_eq!(shop.fake.charges().len(), 3);
}
