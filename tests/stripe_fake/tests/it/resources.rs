//! One test for each resource: what is written is read back.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use stripe::ClientBuilder;
use stripe_billing::billing_portal_session::CreateBillingPortalSession;
use stripe_billing::subscription::{ListSubscription, ListSubscriptionStatus};
use stripe_checkout::checkout_session::{ExpireCheckoutSession, RetrieveCheckoutSession};
use stripe_core::customer::{
    CreateCustomer, DeleteCustomer, RetrieveCustomer, RetrieveCustomerReturned, UpdateCustomer,
    UpdateCustomerInvoiceSettings,
};
use stripe_core::event::{ListEvent, RetrieveEvent};
use stripe_core::setup_intent::{CreateSetupIntent, RetrieveSetupIntent};
use stripe_fake::{Card, KEY};
use stripe_payment::payment_method::{AttachPaymentMethod, RetrievePaymentMethod};
use stripe_product::price::{ListPrice, RetrievePrice, UpdatePrice};
use stripe_product::product::{CreateProduct, RetrieveProduct, UpdateProduct};
use stripe_shared::{CheckoutSessionPaymentStatus, CheckoutSessionStatus, SetupIntentStatus};
use stripe_types::Expandable;

use crate::support::{Shop, checkout, refusal, subscription};

#[tokio::test]
async fn a_customer_is_created_changed_and_deleted() {
    let shop = Shop::open().await;
    let metadata = HashMap::from([("shop".to_owned(), "7".to_owned())]);
    let created = CreateCustomer::new().email("ada@example.org").metadata(metadata.clone());
    let customer = created.send(&shop.client).await.unwrap();
    let method = AttachPaymentMethod::new("pm_card_visa").customer(customer.id.as_str());
    let method = method.send(&shop.client).await.unwrap().id.to_string();
    let mut settings = UpdateCustomerInvoiceSettings::new();
    settings.default_payment_method = Some(method.clone());
    UpdateCustomer::new(customer.id.clone())
        .name("Ada")
        .invoice_settings(settings)
        .send(&shop.client)
        .await
        .unwrap();
    let RetrieveCustomerReturned::Customer(read) =
        RetrieveCustomer::new(customer.id.clone()).send(&shop.client).await.unwrap()
    else {
        panic!("deleted");
    };
    assert_eq!((read.name.as_deref(), read.email.as_deref()), (Some("Ada"), Some("ada@example.org")));
    assert_eq!(read.metadata, Some(metadata));
    let default = read.invoice_settings.unwrap().default_payment_method.unwrap();
    assert_eq!(default.id().as_str(), method);
    let gone = DeleteCustomer::new(customer.id.clone()).send(&shop.client).await.unwrap();
    assert_eq!(gone.id, customer.id);
    let read = RetrieveCustomer::new(customer.id.clone()).send(&shop.client).await.unwrap();
    assert!(matches!(read, RetrieveCustomerReturned::DeletedCustomer(_)));
    let missing = refusal(RetrieveCustomer::new("cus_other").send(&shop.client).await);
    assert_eq!(missing, (404, "invalid_request_error".into(), "resource_missing".into()));
}

#[tokio::test]
async fn products_and_prices_are_kept_and_found_by_lookup_key() {
    let shop = Shop::open().await;
    let product = CreateProduct::new("Plus").id("plus").send(&shop.client).await.unwrap();
    UpdateProduct::new(product.id.clone()).name("Plus 2").send(&shop.client).await.unwrap();
    assert_eq!(RetrieveProduct::new(product.id.clone()).send(&shop.client).await.unwrap().name, "Plus 2");
    let again = refusal(CreateProduct::new("Plus").id("plus").send(&shop.client).await);
    assert_eq!((again.0, again.2.as_str()), (400, "resource_already_exists"));
    let (one, two) = (shop.monthly(999).await, shop.monthly(1499).await);
    UpdatePrice::new(one.as_str()).lookup_key("plus").send(&shop.client).await.unwrap();
    assert_eq!(refusal(UpdatePrice::new(two.as_str()).lookup_key("plus").send(&shop.client).await).0, 400);
    UpdatePrice::new(two.as_str())
        .lookup_key("plus")
        .transfer_lookup_key(true)
        .send(&shop.client)
        .await
        .unwrap();
    let found = ListPrice::new().lookup_keys(["plus".to_owned()]).send(&shop.client).await.unwrap();
    assert_eq!(found.data.iter().map(|price| price.id.as_str()).collect::<Vec<_>>(), [two]);
    let read = RetrievePrice::new(one.as_str()).send(&shop.client).await.unwrap();
    assert_eq!((read.unit_amount, read.lookup_key), (Some(999), None));
}

#[tokio::test]
async fn one_card_has_one_fingerprint_whoever_uses_it() {
    let shop = Shop::open().await;
    let mut prints = Vec::new();
    for token in ["pm_card_visa", "pm_card_visa", "pm_card_mastercard"] {
        let customer = shop.customer().await;
        let method = AttachPaymentMethod::new(token).customer(customer).send(&shop.client).await.unwrap();
        let read = RetrievePaymentMethod::new(method.id).send(&shop.client).await.unwrap();
        prints.push(read.card.unwrap().fingerprint.unwrap());
    }
    assert_eq!(prints, ["fp_visa", "fp_visa", "fp_mastercard"]);
    assert_ne!(Card::Numbered(1).fingerprint(), Card::Numbered(2).fingerprint());
    let customer = shop.customer().await;
    let declined =
        AttachPaymentMethod::new("pm_card_chargeDeclined").customer(customer).send(&shop.client).await;
    assert_eq!(refusal(declined), (402, "card_error".into(), "card_declined".into()));
}

#[tokio::test]
async fn a_setup_intent_waits_for_its_card() {
    let shop = Shop::open().await;
    let customer = shop.customer().await;
    let intent = CreateSetupIntent::new().customer(customer.as_str()).send(&shop.client).await.unwrap();
    assert_eq!(intent.status, SetupIntentStatus::RequiresPaymentMethod);
    assert!(intent.client_secret.unwrap().starts_with(intent.id.as_str()));
    shop.fake.confirm(intent.id.as_str(), Card::Visa).unwrap();
    let read = RetrieveSetupIntent::new(intent.id.clone()).send(&shop.client).await.unwrap();
    assert_eq!(read.status, SetupIntentStatus::Succeeded);
    assert!(read.payment_method.is_some());
    assert!(shop.fake.confirm(intent.id.as_str(), Card::Visa).is_err());
}

#[tokio::test]
async fn a_checkout_session_stays_open_on_a_refused_card_and_is_complete_once_paid() {
    let shop = Shop::open().await;
    let (customer, price) = (shop.customer().await, shop.monthly(999).await);
    let created = checkout(&price).customer(customer.as_str()).send(&shop.client).await.unwrap();
    assert!(created.url.unwrap().contains(created.id.as_str()));
    let refused = shop.fake.complete_checkout(created.id.as_str(), Card::ChargeCustomerFail).unwrap_err();
    assert_eq!((refused.status, refused.code()), (402, "card_declined"));
    assert_eq!((shop.told(), shop.fake.subscriptions().len()), (vec![], 0));
    shop.fake.complete_checkout(created.id.as_str(), Card::AuthenticationRequired).unwrap();
    let read = RetrieveCheckoutSession::new(created.id.clone()).send(&shop.client).await.unwrap();
    assert_eq!(read.status, Some(CheckoutSessionStatus::Complete));
    assert_eq!(read.payment_status, CheckoutSessionPaymentStatus::Paid);
    assert_eq!(read.client_reference_id.as_deref(), Some("membership-1"));
    let subscription = shop.subscription(read.subscription.unwrap().id().as_str()).await;
    assert_eq!(subscription.customer.id().as_str(), customer);
    assert_eq!(
        shop.told(),
        [
            "customer.subscription.created",
            "invoice.created",
            "invoice.finalized",
            "invoice.paid",
            "customer.subscription.updated",
            "checkout.session.completed"
        ]
    );
    assert!(shop.fake.complete_checkout(created.id.as_str(), Card::Visa).is_err());
    assert_eq!(shop.fake.charges().iter().map(|charge| charge.amount).collect::<Vec<_>>(), [999]);
}

#[tokio::test]
async fn a_checkout_session_can_be_expired() {
    let shop = Shop::open().await;
    let price = shop.monthly(999).await;
    let created = checkout(&price).send(&shop.client).await.unwrap();
    let expired = ExpireCheckoutSession::new(created.id.clone()).send(&shop.client).await.unwrap();
    assert_eq!((expired.status, expired.url), (Some(CheckoutSessionStatus::Expired), None));
    assert_eq!(shop.told(), ["checkout.session.expired"]);
    assert_eq!(refusal(ExpireCheckoutSession::new(created.id).send(&shop.client).await).0, 400);
}

#[tokio::test]
async fn the_portal_is_opened_for_a_customer() {
    let shop = Shop::open().await;
    let customer = shop.customer().await;
    let session =
        CreateBillingPortalSession::new().customer(customer.as_str()).return_url("https://shop.example/");
    let session = session.send(&shop.client).await.unwrap();
    assert_eq!(session.customer, customer);
    assert!(session.url.starts_with("https://billing.stripe.com/"));
    let none = refusal(CreateBillingPortalSession::new().customer("cus_other").send(&shop.client).await);
    assert_eq!((none.0, none.2.as_str()), (400, "resource_missing"));
}

#[tokio::test]
async fn events_are_listed_page_by_page() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    let told = shop.fake.take_events();
    let listed: Vec<_> =
        ListEvent::new().limit(2).paginate().stream(&shop.client).try_collect().await.unwrap();
    let ids: Vec<_> = listed.iter().rev().map(|event| event.id.to_string()).collect();
    assert_eq!(ids, told.iter().map(|event| event.id.clone()).collect::<Vec<_>>());
    let read = RetrieveEvent::new(told[0].id.as_str()).send(&shop.client).await.unwrap();
    assert_eq!(read.type_.as_str(), "customer.subscription.created");
    assert_eq!(told[0].object_id, member.id.to_string());
}

#[tokio::test]
async fn subscriptions_are_listed_by_customer_and_status_page_by_page() {
    let shop = Shop::open().await;
    let (customer, price) = (shop.payer(Card::Visa).await, shop.monthly(999).await);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(subscription(&customer, &price).send(&shop.client).await.unwrap().id.to_string());
    }
    shop.member(Card::Visa).await;
    shop.fake.delete_subscription(&ids[2]).unwrap();
    let list = ListSubscription::new().customer(customer.as_str()).limit(2);
    let every = list.clone().status(ListSubscriptionStatus::All).paginate();
    let all: Vec<_> = every.stream(&shop.client).try_collect().await.unwrap();
    let found: Vec<_> = all.iter().rev().map(|found| found.id.to_string()).collect();
    assert_eq!(found, ids, "the newest first, although all are of the same second");
    let live: Vec<_> = list.paginate().stream(&shop.client).try_collect().await.unwrap();
    assert_eq!(live.len(), 4);
}

#[tokio::test]
async fn without_the_right_key_nothing_is_told() {
    let shop = Shop::open().await;
    let stranger = ClientBuilder::new("sk_test_other").url(shop.fake.url()).build().unwrap();
    let refused = refusal(CreateCustomer::new().send(&stranger).await);
    assert_eq!((refused.0, refused.1.as_str()), (401, "invalid_request_error"));
    let url = format!("{}v1/customers", shop.fake.url());
    let basic = reqwest::Client::new().get(url).basic_auth(KEY, Some("")).send().await.unwrap();
    assert_eq!(basic.status(), 200);
    assert_eq!(shop.fake.customers().len(), 0);
}

#[tokio::test]
async fn a_parameter_that_would_do_nothing_is_refused() {
    let shop = Shop::open().await;
    let refused = refusal(CreateCustomer::new().balance(-500).send(&shop.client).await);
    assert_eq!((refused.0, refused.2.as_str()), (400, "parameter_unknown"));
    let expanded = subscription("cus_other", "price_other").send(&shop.client).await;
    assert_eq!(refusal(expanded).2, "resource_missing");
    let session = checkout(&shop.monthly(1).await).send(&shop.client).await.unwrap();
    assert!(!matches!(session.customer, Some(Expandable::Object(_))));
}
