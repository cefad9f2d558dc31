//! Invoices, their payments, refunds and disputes.

use futures_util::TryStreamExt;
use stripe_billing::invoice::{ListInvoice, PayInvoice, RetrieveInvoice, VoidInvoiceInvoice};
use stripe_billing::invoice_payment::ListInvoicePayment;
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_core::refund::{CreateRefund, ListRefund, RetrieveRefund};
use stripe_fake::{Card, DisputeOutcome};
use stripe_shared::{InvoiceStatus, PaymentIntentStatus, SubscriptionStatus};

use crate::support::{DAY, HOUR, Shop, incomplete, latest, refusal};

#[tokio::test]
async fn an_invoice_leads_to_its_subscription_and_its_payment() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let invoice = RetrieveInvoice::new(latest(&member)).send(&shop.client).await.unwrap();
    let parent = invoice.parent.unwrap().subscription_details.unwrap();
    assert_eq!(parent.subscription.id(), &member.id);
    assert_eq!((invoice.amount_paid, invoice.amount_remaining), (1000, 0));
    let payments = ListInvoicePayment::new().invoice(latest(&member)).send(&shop.client).await.unwrap();
    assert_eq!((payments.data.len(), payments.data[0].amount_paid), (1, Some(1000)));
    let intent = payments.data[0].payment.payment_intent.as_ref().unwrap().id().clone();
    let intent = RetrievePaymentIntent::new(intent).send(&shop.client).await.unwrap();
    assert_eq!((intent.status, intent.amount_received), (PaymentIntentStatus::Succeeded, 1000));
    assert!(intent.latest_charge.is_some());
    assert_eq!(shop.fake.charges()[0].invoice, Some(latest(&member)));
}

#[tokio::test]
async fn invoices_are_listed_by_subscription_page_by_page() {
    let shop = Shop::open().await;
    let (one, _other) = (shop.member(Card::Visa).await, shop.member(Card::Visa).await);
    shop.fake.advance(DAY * 100);
    let list = ListInvoice::new().subscription(one.id.as_str()).limit(1);
    let found: Vec<_> = list.paginate().stream(&shop.client).try_collect().await.unwrap();
    // March, April, May, June: the newest first.
    assert_eq!(found.len(), 4);
    assert!(found.is_sorted_by_key(|invoice| -invoice.created));
}

#[tokio::test]
async fn an_open_invoice_is_paid_with_another_card_but_only_once() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let customer = member.customer.id().to_string();
    shop.fake.set_card(&customer, Card::InsufficientFunds).unwrap();
    shop.fake.advance(DAY * 31 + HOUR);
    let late = shop.subscription(member.id.as_str()).await;
    assert_eq!(late.status, SubscriptionStatus::PastDue);
    let pay = PayInvoice::new(latest(&late));
    let refused = refusal(pay.clone().send(&shop.client).await);
    assert_eq!(refused, (402, "card_error".into(), "card_declined".into()));
    shop.fake.set_card(&customer, Card::Mastercard).unwrap();
    let paid = pay.clone().send(&shop.client).await.unwrap();
    assert_eq!((paid.status, paid.next_payment_attempt), (Some(InvoiceStatus::Paid), None));
    assert_eq!(shop.subscription(member.id.as_str()).await.status, SubscriptionStatus::Active);
    assert_eq!(refusal(pay.send(&shop.client).await).0, 400);
    assert_eq!(shop.fake.charges().len(), 2);
}

#[tokio::test]
async fn a_void_first_invoice_takes_its_subscription_along() {
    let shop = Shop::open().await;
    let (customer, price) = (shop.customer().await, shop.monthly(1000).await);
    let begun = incomplete(&customer, &price).send(&shop.client).await.unwrap();
    let void = VoidInvoiceInvoice::new(latest(&begun));
    assert_eq!(void.clone().send(&shop.client).await.unwrap().status, Some(InvoiceStatus::Void));
    assert_eq!(shop.subscription(begun.id.as_str()).await.status, SubscriptionStatus::IncompleteExpired);
    assert_eq!(refusal(void.send(&shop.client).await).0, 400);
    assert!(shop.fake.confirm(begun.id.as_str(), Card::Visa).is_err());
    assert_eq!(shop.fake.charges().len(), 0);
}

#[tokio::test]
async fn refunds_never_give_back_more_than_was_paid() {
    let shop = Shop::open().await;
    shop.member(Card::Visa).await;
    shop.told();
    let intent = shop.fake.charges()[0].payment_intent.clone();
    let refund = CreateRefund::new().payment_intent(intent.as_str());
    let part = refund.clone().amount(400).send(&shop.client).await.unwrap();
    assert_eq!((part.amount, part.status.as_deref()), (400, Some("succeeded")));
    assert_eq!(shop.told(), ["refund.created", "charge.refunded"]);
    assert_eq!(refusal(refund.clone().amount(601).send(&shop.client).await).0, 400);
    let rest = refund.clone().send(&shop.client).await.unwrap();
    assert_eq!(rest.amount, 600);
    let over = refusal(refund.amount(1).send(&shop.client).await);
    assert_eq!((over.0, over.2.as_str()), (400, "charge_already_refunded"));
    assert_eq!(RetrieveRefund::new(rest.id).send(&shop.client).await.unwrap().amount, 600);
    let listed = ListRefund::new().payment_intent(intent.as_str()).send(&shop.client).await.unwrap();
    assert_eq!(listed.data.iter().map(|refund| refund.amount).collect::<Vec<_>>(), [600, 400]);
    assert_eq!((shop.fake.charges()[0].amount, shop.fake.charges()[0].refunded), (1000, 1000));
}

#[tokio::test]
async fn a_disputed_charge_is_not_refunded_and_the_dispute_closes_once() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    shop.told();
    let dispute = shop.fake.dispute(&latest(&member)).unwrap();
    let intent = shop.fake.charges()[0].payment_intent.clone();
    let refused = refusal(CreateRefund::new().payment_intent(intent.as_str()).send(&shop.client).await);
    assert_eq!((refused.0, refused.2.as_str()), (400, "charge_disputed"));
    assert!(shop.fake.dispute(&intent).is_err());
    shop.fake.close_dispute(&dispute, DisputeOutcome::Lost).unwrap();
    assert!(shop.fake.close_dispute(&dispute, DisputeOutcome::Won).is_err());
    assert_eq!(shop.told(), ["charge.dispute.created", "charge.dispute.closed"]);
}
