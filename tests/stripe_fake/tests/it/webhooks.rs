//! Events as they are posted: each signed, each of a shape that async-stripe reads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use stripe_billing::subscription::{
    CancelSubscription, CreateSubscriptionTrialSettings, CreateSubscriptionTrialSettingsEndBehavior,
    CreateSubscriptionTrialSettingsEndBehaviorMissingPaymentMethod, ResumeSubscription,
};
use stripe_core::refund::CreateRefund;
use stripe_fake::{Card, DisputeOutcome};
use stripe_webhook::{EventObject, Webhook, WebhookError};

use crate::support::{DAY, HOUR, Shop, checkout, incomplete, latest, subscription};

/// An endpoint that keeps what it is sent and refuses the first so many.
struct Endpoint {
    url: String,
    got: Arc<Mutex<Vec<(String, String)>>>,
}

impl Endpoint {
    fn open(refuse: usize) -> Self {
        let got = Arc::new(Mutex::new(Vec::new()));
        let state = Data::new((Arc::clone(&got), AtomicUsize::new(refuse)));
        let server =
            HttpServer::new(move || App::new().app_data(state.clone()).default_service(web::to(take)));
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/hook", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, got }
    }

    fn got(&self) -> Vec<(String, String)> {
        self.got.lock().unwrap().clone()
    }
}

type Kept = (Arc<Mutex<Vec<(String, String)>>>, AtomicUsize);

async fn take(call: HttpRequest, body: String, state: Data<Kept>) -> HttpResponse {
    let left = state.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if left.is_ok() {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let header = call.headers().get("Stripe-Signature").unwrap().to_str().unwrap().to_owned();
    state.0.lock().unwrap().push((body, header));
    HttpResponse::Ok().finish()
}

#[tokio::test]
async fn every_event_is_signed_and_read_by_its_receiver() {
    let shop = Shop::open().await;
    let endpoint = Endpoint::open(0);
    shop.fake.webhook(&endpoint.url, "whsec_old");
    shop.fake.webhook(&endpoint.url, "whsec_new");
    let member = shop.member(Card::Visa).await;
    let dispute = shop.fake.dispute(&latest(&member)).unwrap();
    shop.fake.close_dispute(&dispute, DisputeOutcome::Won).unwrap();
    let other = shop.member(Card::Visa).await;
    shop.fake.set_card(other.customer.id().as_str(), Card::AuthenticationRequired).unwrap();
    let intent = shop.fake.charges()[1].payment_intent.clone();
    CreateRefund::new().payment_intent(intent).send(&shop.client).await.unwrap();
    let (customer, price) = (shop.customer().await, shop.monthly(1).await);
    incomplete(&customer, &price).send(&shop.client).await.unwrap();
    let session = checkout(&price).send(&shop.client).await.unwrap();
    checkout(&price).send(&shop.client).await.unwrap();
    shop.fake.complete_checkout(session.id.as_str(), Card::Visa).unwrap();
    let trial = shop.customer().await;
    let mut behavior = CreateSubscriptionTrialSettingsEndBehavior::new();
    behavior.missing_payment_method =
        Some(CreateSubscriptionTrialSettingsEndBehaviorMissingPaymentMethod::Pause);
    let paused = subscription(&trial, &price)
        .trial_period_days(14_u32)
        .trial_settings(CreateSubscriptionTrialSettings::new(behavior));
    let paused = paused.send(&shop.client).await.unwrap();
    shop.fake.advance(DAY * 31 + HOUR);
    shop.fake.set_card(&trial, Card::Visa).unwrap();
    ResumeSubscription::new(paused.id).send(&shop.client).await.unwrap();
    CancelSubscription::new(member.id.clone()).send(&shop.client).await.unwrap();
    let statuses = shop.fake.deliver_all().await;
    assert!(statuses.iter().all(|status| *status == 200));
    let got = endpoint.got();
    assert_eq!(got.len(), statuses.len());
    let mut kinds = Vec::new();
    for (body, header) in &got {
        for secret in ["whsec_old", "whsec_new"] {
            let event =
                Webhook::construct_event_with_timestamp(body, header, secret, shop.fake.now()).unwrap();
            assert!(!matches!(event.data.object, EventObject::Unknown(_)), "{}", event.type_.as_str());
            assert_eq!((event.livemode, event.pending_webhooks), (false, 1));
            kinds.push(event.type_.as_str().to_owned());
        }
        let wrong = Webhook::construct_event_with_timestamp(body, header, "whsec_other", shop.fake.now());
        assert!(matches!(wrong, Err(WebhookError::BadSignature)));
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "charge.dispute.closed",
            "charge.dispute.created",
            "charge.refunded",
            "checkout.session.completed",
            "checkout.session.expired",
            "customer.subscription.created",
            "customer.subscription.deleted",
            "customer.subscription.paused",
            "customer.subscription.resumed",
            "customer.subscription.trial_will_end",
            "customer.subscription.updated",
            "invoice.created",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_action_required",
            "invoice.payment_failed",
            "invoice.voided",
            "refund.created",
        ]
    );
}

#[tokio::test]
async fn a_signature_that_is_too_old_is_told_from_a_wrong_one() {
    let shop = Shop::open().await;
    shop.member(Card::Visa).await;
    let event = shop.fake.take_events().remove(0);
    let header = shop.fake.signature(&event.body, "whsec");
    let late = shop.fake.now() + 301;
    let read = Webhook::construct_event_with_timestamp(&event.body, &header, "whsec", late);
    assert!(matches!(read, Err(WebhookError::BadTimestamp(_))));
}

#[tokio::test]
async fn an_event_is_delivered_as_often_and_in_whatever_order_the_test_wants() {
    let shop = Shop::open().await;
    let endpoint = Endpoint::open(1);
    shop.fake.webhook(&endpoint.url, "whsec");
    shop.member(Card::Visa).await;
    let events = shop.fake.take_events();
    assert_eq!(endpoint.got().len(), 0);
    assert_eq!(shop.fake.deliver(&events[0]).await, 503);
    for event in [&events[2], &events[0], &events[2]] {
        assert_eq!(shop.fake.deliver(event).await, 200);
    }
    let bodies: Vec<_> = endpoint.got().into_iter().map(|(body, _)| body).collect();
    assert_eq!(bodies, [&*events[2].body, &*events[0].body, &*events[2].body]);
    assert_eq!(shop.fake.deliver_all().await, Vec::<u16>::new());
}

#[tokio::test]
async fn live_delivery_tries_again_until_it_is_accepted() {
    let shop = Shop::open().await;
    let endpoint = Endpoint::open(3);
    shop.fake.webhook(&endpoint.url, "whsec");
    shop.fake.deliver_live(true);
    shop.member(Card::Visa).await;
    let all_there = async {
        while endpoint.got().len() < 5 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all_there).await.unwrap();
    // Created, the invoice created, finalized and paid, and the subscription updated.
    assert_eq!(endpoint.got().len(), 5);
    assert!(shop.fake.take_events().is_empty());
}

#[tokio::test]
async fn an_event_tells_which_call_made_it_and_what_was_before() {
    let shop = Shop::open().await;
    let member = shop.member(Card::Visa).await;
    shop.told();
    shop.fake.cancel_in_portal(member.id.as_str()).unwrap();
    let event = shop.fake.take_events().remove(0);
    let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
    assert_eq!(body["data"]["previous_attributes"]["cancel_at_period_end"], false);
    assert_eq!(body["request"]["id"], serde_json::Value::Null);
    assert_eq!(body["created"], shop.fake.now());
    shop.update_by_hand(member.id.as_str(), "cancel_at_period_end=false").await.unwrap();
    let event = shop.fake.take_events().remove(0);
    let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
    assert!(body["request"]["id"].as_str().unwrap().starts_with("req_"));
}
