//! What comes over the webhook of Stripe: taken once if it is Stripe's, and only a reason to look.

use chrono::TimeDelta;
use entity::billing_event::EventState;
use entity::membership::MembershipState;
use entity::staff::Role;
use futures_util::future::join_all;
use regulars::graphql::global_id::{NodeType, global_id};
use regulars::worker::arm_recurring;
use reqwest::Method;
use serde_json::{Value as Json, json};
use stripe_fake::{Card, Event, Fault, FaultKind, KEY, signature};

use crate::support::{
    Answer, Caller, SECRETS, Serving, StripeShop, both_engines, both_engines_with_stripe, days,
};

const EVENTS: &str = "query ($state: BillingEventState, $id: ID, $first: Int, $after: String) {
    billingEvents(state: $state, membershipId: $id, first: $first, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        nodes { id kind object state membershipId problem createdAt receivedAt appliedAt }
    }
}";
const BILLING: &str = "query ($id: ID!) {
    membershipBilling(membershipId: $id) { account subscription differs { field ours theirs } }
}";

/// One that waits to be told, of somebody who just paid.
async fn paid(shop: &StripeShop) -> (Caller, entity::membership::Model, Vec<Event>) {
    shop.plus(json!({})).await;
    let joan = shop.as_customer_with_password().await;
    let begun = shop.begun(&joan).await;
    shop.fake.confirm(begun.subscription.as_deref().unwrap(), Card::Visa).unwrap();
    (joan, begun, shop.fake.take_events())
}

fn signed(body: &str, secret: &str, at: i64) -> String {
    signature(body, &[secret.to_owned()], at)
}

async fn billing(shop: &StripeShop, caller: &Caller, row: &entity::membership::Model) -> Json {
    let id = global_id(NodeType::Membership, row.id);
    shop.graphql(caller, BILLING, json!({ "id": id })).await.at("/membershipBilling").clone()
}

async fn listed(shop: &StripeShop, caller: &Caller, variables: Json) -> Answer {
    shop.graphql(caller, EVENTS, variables).await
}

both_engines_with_stripe! {
    async fn a_membership_is_paid_once_stripe_says_so_and_we_looked(shop: &StripeShop) {
        let (_, begun, events) = paid(shop).await;
        // Nobody has told us.
        shop.run_jobs().await;
        assert_eq!(shop.again(&begun).await.state, MembershipState::Incomplete);
        for event in &events {
            assert_eq!(shop.tell(event).await, 200);
        }
        assert!(shop.events().await.iter().all(|event| event.state == EventState::Received));
        shop.run_jobs().await;
        let member = shop.again(&begun).await;
        assert_eq!(member.state, MembershipState::Active);
        // January has 31 days, and the plan gives a week of grace.
        assert_eq!(member.paid_through, Some(shop.clock.now() + days(31)));
        let stored = shop.events().await;
        assert_eq!(stored.len(), events.len());
        assert!(stored.iter().all(|event| (event.state, event.membership_id) == (EventState::Applied, Some(begun.id))));
    }

    async fn an_event_is_stored_once_however_often_and_by_whichever_secret_it_comes(shop: &StripeShop) {
        let (_, begun, events) = paid(shop).await;
        let event = events.iter().find(|event| event.kind == "invoice.paid").unwrap();
        let now = shop.clock.now().timestamp();
        let told = join_all((0..12).map(async |which| {
            let header = signed(&event.body, SECRETS[which % 2], now - 299 + 54 * i64::try_from(which).unwrap());
            shop.post_signed(event.body.clone(), &header).await.status().as_u16()
        }));
        assert_eq!(told.await, [200; 12]);
        assert_eq!(shop.run_jobs().await, 1);
        assert_eq!(shop.events().await.len(), 1);
        assert_eq!(shop.again(&begun).await.state, MembershipState::Active);
        let before = shop.fake.requests().len();
        assert_eq!(shop.tell(event).await, 200);
        assert_eq!(shop.run_jobs().await, 0);
        assert_eq!(shop.fake.requests().len(), before);
    }

    async fn what_is_not_stripes_is_refused_and_leaves_nothing(shop: &StripeShop) {
        let (_, _, events) = paid(shop).await;
        let body = &events[0].body;
        let now = shop.clock.now().timestamp();
        let good = |body: &str| signed(body, SECRETS[0], now);
        let value: Json = serde_json::from_str(body).unwrap();
        let with = |field: &str, to: Json| {
            let mut changed = value.clone();
            changed[field] = to;
            changed.to_string()
        };
        let (live, connected) = (with("livemode", json!(true)), with("account", json!("acct_other")));
        let unreadable = json!({ "id": "evt_1", "object": "event" }).to_string();
        let cases: Vec<(&str, Vec<u8>, String)> = vec![
            ("no signature", body.clone().into(), String::new()),
            ("nonsense", body.clone().into(), "v1".to_owned()),
            ("no time", body.clone().into(), good(body).split_once(',').unwrap().1.to_owned()),
            ("a time that is none", body.clone().into(), good(body).replacen("t=", "t=x", 1)),
            ("another secret", body.clone().into(), signed(body, "whsec_other", now)),
            ("another time", body.clone().into(), good(body).replacen(&now.to_string(), &(now - 1).to_string(), 1)),
            ("old", body.clone().into(), signed(body, SECRETS[0], now - 301)),
            ("old, by the secret before", body.clone().into(), signed(body, SECRETS[1], now - 301)),
            ("future", body.clone().into(), signed(body, SECRETS[0], now + 301)),
            ("truncated", body[..body.len() - 1].into(), good(body)),
            ("re-serialised", serde_json::to_string_pretty(&value).unwrap().into(), good(body)),
            ("another body", with("id", json!("evt_2")).into(), good(body)),
            ("no text", [body.as_bytes(), &[0xff]].concat(), good(body)),
            ("live mode", live.clone().into(), good(&live)),
            ("a connected account", connected.clone().into(), good(&connected)),
            ("no event", unreadable.clone().into(), good(&unreadable)),
            ("no json", b"{".to_vec(), good("{")),
            ("nothing", Vec::new(), good("")),
        ];
        for (name, body, header) in cases {
            let answer = shop.unchanged_by(async || shop.post_signed(body, &header).await).await;
            assert_eq!(answer.status(), 400, "{name}");
            let told: Json = answer.json().await.unwrap();
            assert_eq!(told["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{name}");
        }
        let long = vec![b' '; (1 << 20) + 1];
        let answer = shop.unchanged_by(async || shop.post_signed(long, "t=1,v1=00").await).await;
        assert_eq!(answer.status(), 413);
        let read = shop.serving.request(Method::GET, "/webhooks/stripe").send().await.unwrap();
        assert_eq!((read.status().as_u16(), read.headers()["allow"].to_str().unwrap()), (405, "POST"));
    }

    async fn an_event_that_the_library_does_not_understand_is_taken_all_the_same(shop: &StripeShop) {
        let (_, begun, _) = paid(shop).await;
        let about = |kind: &str, object: Json| {
            let id = format!("evt_{kind}");
            let event = json!({
                "id": id, "object": "event", "type": kind, "created": shop.fake.now(), "livemode": false,
                "data": { "object": object },
            });
            Event { id, kind: kind.to_owned(), object_id: String::new(), body: event.to_string() }
        };
        let subscription = json!({ "object": "subscription", "id": begun.subscription, "new_in_2027": {} });
        let events = [
            about("customer.subscription.reimagined", subscription),
            about("product.updated", json!({ "object": "product", "id": "prod_1" })),
            about("invoice.paid", json!({ "object": "invoice", "id": "in_1", "customer": "cus_of_somebody_else" })),
            about("odd", json!(7)),
        ];
        for event in &events {
            assert_eq!(shop.tell(event).await, 200);
        }
        shop.run_jobs().await;
        assert_eq!(shop.again(&begun).await.state, MembershipState::Active);
        let mut stored = shop.events().await;
        stored.sort_by(|one, other| one.id.cmp(&other.id));
        let became: Vec<_> = stored.iter().map(|event| (event.id.as_str(), event.state, event.membership_id)).collect();
        assert_eq!(
            became,
            [
                ("evt_customer.subscription.reimagined", EventState::Applied, Some(begun.id)),
                ("evt_invoice.paid", EventState::Ignored, None),
                ("evt_odd", EventState::Ignored, None),
                ("evt_product.updated", EventState::Ignored, None),
            ]
        );
    }

    async fn what_the_payer_or_the_bank_does_is_found_by_who_paid(shop: &StripeShop) {
        let (_, begun, _) = paid(shop).await;
        shop.tell_all().await;
        shop.pass(TimeDelta::minutes(10)).await;
        let invoice = shop.fake.charges()[0].invoice.clone().unwrap();
        shop.fake.dispute(&invoice).unwrap();
        let disputed = shop.fake.take_events();
        assert_eq!(disputed.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["charge.dispute.created"]);
        assert_eq!(shop.tell(&disputed[0]).await, 200);
        shop.run_jobs().await;
        assert_eq!(shop.again(&begun).await.state, MembershipState::PastDue);
        let stored = shop.events().await.into_iter().find(|event| event.kind == "charge.dispute.created").unwrap();
        assert_eq!((stored.state, stored.membership_id), (EventState::Applied, Some(begun.id)));
    }

    async fn coming_back_from_the_page_grants_nothing_and_its_event_does(shop: &StripeShop) {
        shop.plus(json!({})).await;
        let joan = shop.as_customer_with_password().await;
        let back = json!({
            "plan": "plus", "payOn": "PAGE", "successUrl": "http://127.0.0.1:8080/in", "cancelUrl": "http://127.0.0.1:8080/out",
        });
        let joined = shop.done(&joan, "membershipJoin", back).await;
        assert!(joined["checkoutUrl"].as_str().unwrap().starts_with("https://checkout.stripe.com/"));
        let begun = shop.membership(joined["membership"]["id"].as_str().unwrap()).await;
        shop.fake.complete_checkout(begun.checkout.as_deref().unwrap(), Card::Visa).unwrap();
        let seen = "{ me { membership { state entitled } } }";
        let seen = shop.graphql(&joan, seen, json!({})).await;
        assert_eq!(*seen.at("/me/membership"), json!({ "state": "INCOMPLETE", "entitled": false }));
        let events = shop.fake.take_events();
        let completed = events.iter().find(|event| event.kind == "checkout.session.completed").unwrap();
        assert_eq!(shop.tell(completed).await, 200);
        shop.run_jobs().await;
        let member = shop.again(&begun).await;
        assert_eq!(member.state, MembershipState::Active);
        assert_eq!(member.subscription.as_deref(), shop.fake.subscriptions()[0]["id"].as_str());
    }

    async fn an_event_whose_look_up_fails_is_tried_again_and_staff_see_it(shop: &StripeShop) {
        let (_, begun, events) = paid(shop).await;
        let event = events.iter().find(|event| event.kind == "invoice.paid").unwrap();
        let outage = Fault::once("GET", "/v1/subscriptions", FaultKind::Status(503));
        shop.fake.fault(Fault { times: 1_000, ..outage });
        assert_eq!(shop.tell(event).await, 200);
        shop.run_jobs().await;
        let stored = shop.events().await.remove(0);
        assert_eq!((stored.state, stored.problem.is_some()), (EventState::Received, true));
        for _ in 0..16 {
            shop.clock.advance(TimeDelta::hours(1));
            shop.run_jobs().await;
        }
        let support = shop.as_staff(Role::Support).await;
        let failed = listed(shop, &support, json!({ "state": "FAILED" })).await;
        assert_eq!(failed.text("/billingEvents/nodes/0/id"), event.id);
        assert_eq!(failed.text("/billingEvents/nodes/0/problem"), "Stripe, or the database, could not be reached");
        assert_eq!(*failed.at("/billingEvents/totalCount"), json!(1));
        // It is mended; somebody has it looked into once more.
        shop.fake.mend();
        let replay = json!({ "event": event.id });
        let replayed = shop.done(&support, "billingEventReplay", replay).await;
        assert_eq!(replayed["event"]["state"], "RECEIVED");
        shop.run_jobs().await;
        let applied = listed(shop, &support, json!({ "id": global_id(NodeType::Membership, begun.id) })).await;
        assert_eq!(applied.text("/billingEvents/nodes/0/state"), "APPLIED");
        assert_eq!(*applied.at("/billingEvents/nodes/0/problem"), Json::Null);
        shop.refused(&support, "billingEventReplay", json!({ "event": "evt_unknown" }), "NOT_FOUND").await;
        let owner = shop.as_staff(Role::Owner).await;
        let audited = "{ auditEntries(filter: { act: \"billing.replay\" }) { nodes { detail } } }";
        let audited = shop.graphql(&owner, audited, json!({})).await;
        assert_eq!(*audited.at("/auditEntries/nodes"), json!([{ "detail": { "event": event.id } }]));
    }

    async fn staff_read_events_page_by_page_and_they_are_forgotten_after_ninety_days(shop: &StripeShop) {
        let (_, _, events) = paid(shop).await;
        for event in &events {
            shop.tell(event).await;
            shop.clock.advance(TimeDelta::seconds(1));
        }
        shop.run_jobs().await;
        let support = shop.as_staff(Role::Support).await;
        let (mut seen, mut after) = (Vec::new(), Json::Null);
        loop {
            let page = listed(shop, &support, json!({ "first": 2, "after": after })).await;
            let nodes = page.at("/billingEvents/nodes").as_array().unwrap().clone();
            seen.extend(nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()));
            if *page.at("/billingEvents/pageInfo/hasNextPage") == json!(false) {
                break;
            }
            after = page.at("/billingEvents/pageInfo/endCursor").clone();
        }
        let told: Vec<_> = events.iter().rev().map(|event| event.id.clone()).collect();
        assert_eq!(seen, told);
        arm_recurring(&shop.app).await.unwrap();
        shop.clock.advance(days(91));
        shop.fake.advance(days(91).to_std().unwrap());
        shop.run_jobs().await;
        assert_eq!(shop.events().await, []);
    }

    async fn staff_see_what_is_otherwise_where_it_is_billed(shop: &StripeShop) {
        let (_, begun, _) = paid(shop).await;
        let support = shop.as_staff(Role::Support).await;
        let subscription = begun.subscription.clone().unwrap();
        let until = "2026-02-15T12:00:00Z";
        let expected = json!({
            "account": "stripe:test", "subscription": subscription,
            "differs": [
                { "field": "state", "ours": "INCOMPLETE", "theirs": "ACTIVE" },
                { "field": "paidThrough", "ours": null, "theirs": until },
            ],
        });
        assert_eq!(billing(shop, &support, &begun).await, expected);
        shop.pass(TimeDelta::minutes(10)).await;
        assert_eq!(billing(shop, &support, &begun).await["differs"], json!([]));
        shop.fake.cancel_in_portal(&subscription).unwrap();
        let differs = json!([{ "field": "cancelsAt", "ours": null, "theirs": until }]);
        assert_eq!(billing(shop, &support, &begun).await["differs"], differs);
        shop.fake.delete_subscription(&subscription).unwrap();
        let differs = billing(shop, &support, &begun).await["differs"].clone();
        assert_eq!(differs[0], json!({ "field": "state", "ours": "ACTIVE", "theirs": "CANCELLED" }));
    }

    async fn a_database_that_is_away_is_no_answer_to_stripe(shop: &StripeShop) {
        let (_, _, events) = paid(shop).await;
        let flags = ["--payments", "stripe", "--stripe-secret-key", KEY, "--stripe-webhook-secrets", SECRETS[0]];
        let flags = [&flags[..], &["--stripe-url", shop.fake.url()]].concat();
        let other = shop.another_instance_with(&flags).await;
        let serving = Serving::begin(other.clone());
        other.db.clone().close().await.unwrap();
        let body = &events[0].body;
        let header = signed(body, SECRETS[0], shop.clock.now().timestamp());
        let request = serving.request(Method::POST, "/webhooks/stripe").header("Stripe-Signature", header);
        let answer = request.body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 503);
        serving.end().await;
        assert_eq!(shop.events().await, []);
        assert_eq!(shop.tell(&events[0]).await, 200);
    }
}

both_engines! {
    async fn nothing_is_taken_over_a_webhook_where_payments_do_not_go_to_stripe(shop: &TestApp) {
        let answer = shop.serving.request(Method::POST, "/webhooks/stripe").body("{}").send().await.unwrap();
        assert_eq!(answer.status(), 404);
    }
}
