//! What a membership is when whoever takes the money refuses what was asked for, does not answer, or took more than we knew.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entity::billing_call;
use entity::membership::{EndedWhy, MembershipState, Model};
use entity::staff::Role;
use regulars::graphql::global_id::{NodeType, global_id};
use sea_orm::EntityTrait;
use serde_json::{Value as Json, json};
use stripe_fake::{Card, Fault, FaultKind};

use crate::support::{Caller, StripeShop, both_engines_with_stripe, days};

/// Somebody who just paid € 10 for a month.
async fn member(shop: &StripeShop) -> (Caller, Model) {
    shop.plus(json!({})).await;
    let joan = shop.as_customer_with_password().await;
    let begun = shop.begun(&joan).await;
    shop.fake.confirm(begun.subscription.as_deref().unwrap(), Card::Visa).unwrap();
    shop.tell_all().await;
    let paid = shop.again(&begun).await;
    assert_eq!(paid.state, MembershipState::Active);
    (joan, paid)
}

/// Has something done to the membership by a server of the shop; answers why it was not done, if it was not.
async fn asked(shop: &StripeShop, mutation: &str, of: &Model, mut input: Json) -> Option<String> {
    let server = shop.as_server().await;
    input["membershipId"] = json!(global_id(NodeType::Membership, of.id));
    let answer = shop.mutate(&server, mutation, input).await;
    answer.at(&format!("/{mutation}/userErrors"))[0]["code"].as_str().map(str::to_owned)
}

/// Nothing that Stripe is asked is answered.
fn away(shop: &StripeShop) {
    for method in ["GET", "POST", "DELETE"] {
        shop.fake.fault(Fault { times: 10_000, ..Fault::once(method, "/v1/", FaultKind::Status(503)) });
    }
}

both_engines_with_stripe! {
    async fn a_pause_that_is_refused_is_none(shop: &StripeShop) {
        let (_, joans) = member(shop).await;
        shop.fake.delete_subscription(joans.subscription.as_deref().unwrap()).unwrap();
        let until = shop.clock.now() + days(30);
        let refused = asked(shop, "membershipPause", &joans, json!({ "until": until })).await;
        assert_eq!(refused.as_deref(), Some("PAYMENT_REFUSED"));
        let after = shop.again(&joans).await;
        assert_eq!((after.state, after.paid_through), (MembershipState::Active, joans.paid_through));
        shop.tell_all().await;
        let after = shop.again(&joans).await;
        assert_eq!((after.state, after.ended_why), (MembershipState::Cancelled, Some(EndedWhy::Deleted)));
    }

    async fn an_end_that_is_refused_is_looked_up(shop: &StripeShop) {
        let (_, joans) = member(shop).await;
        shop.fake.delete_subscription(joans.subscription.as_deref().unwrap()).unwrap();
        assert_eq!(asked(shop, "membershipCancel", &joans, json!({})).await.as_deref(), Some("PAYMENT_REFUSED"));
        // Without hearing anything.
        shop.run_jobs().await;
        let after = shop.again(&joans).await;
        assert_eq!((after.state, after.ended_why), (MembershipState::Cancelled, Some(EndedWhy::Deleted)));
    }

    async fn a_refund_that_is_refused_is_shown_to_staff(shop: &StripeShop) {
        let (_, joans) = member(shop).await;
        let support = shop.as_staff(Role::Support).await;
        let query = "query ($id: ID!) { membershipBilling(membershipId: $id) { refused { call invoice amount { amount } askedAt } } }";
        let id = json!({ "id": global_id(NodeType::Membership, joans.id) });
        let told = shop.graphql(&support, query, id.clone()).await;
        assert_eq!(*told.at("/membershipBilling/refused"), json!([]));
        // Its bank has it for now.
        let invoice = shop.fake.charges()[0].invoice.clone().unwrap();
        shop.fake.dispute(&invoice).unwrap();
        let refused = asked(shop, "membershipCancel", &joans, json!({ "when": "WITHDRAW" })).await;
        assert_eq!(refused.as_deref(), Some("PAYMENT_REFUSED"));
        let told = shop.graphql(&support, query, id).await;
        let expected = json!([{
            "call": "REFUND", "invoice": invoice, "amount": { "amount": "10.00" },
            "askedAt": "2026-01-15T12:00:00+00:00",
        }]);
        assert_eq!(*told.at("/membershipBilling/refused"), expected);
    }

    async fn a_renewal_that_nobody_told_of_is_given_back_with_the_rest(shop: &StripeShop) {
        let (_, joans) = member(shop).await;
        // Two hours into February's: paid at Stripe, unheard of here.
        let later = days(31) + TimeDelta::hours(2);
        shop.fake.advance(later.to_std().unwrap());
        shop.clock.advance(later);
        assert_eq!(shop.fake.charges().len(), 2);
        assert_eq!(asked(shop, "membershipCancel", &joans, json!({ "when": "NOW" })).await, None);
        shop.run_jobs().await;
        let refunded: Vec<i64> = shop.fake.charges().iter().map(|charge| charge.refunded).collect();
        // 28 days less two hours of 28 days: 1000 × 670 ÷ 672, rounded down.
        assert_eq!(refunded, [0, 997]);
        // Nothing more, however often it is looked up.
        shop.pass(days(2)).await;
        shop.tell_all().await;
        assert_eq!(shop.fake.charges().iter().map(|charge| charge.refunded).sum::<i64>(), 997);
    }

    async fn a_pause_ends_by_time_whether_stripe_answers_or_not(shop: &StripeShop) {
        let (_, joans) = member(shop).await;
        let until = shop.clock.now() + days(10);
        assert_eq!(asked(shop, "membershipPause", &joans, json!({ "until": until })).await, None);
        let paused = shop.again(&joans).await;
        assert_eq!((paused.state, paused.entitled_until), (MembershipState::Paused, Some(shop.clock.now())));
        away(shop);
        shop.pass(days(10) + TimeDelta::minutes(1)).await;
        let after = shop.again(&joans).await;
        assert_eq!(after.state, MembershipState::Active);
        assert_eq!(after.paid_through, joans.paid_through.map(|through| through + days(10)));
    }

    async fn a_renewal_that_is_drafted_is_not_late(shop: &StripeShop) {
        let (_, joans) = member(shop).await;
        shop.pass(days(31) + TimeDelta::minutes(30)).await;
        shop.tell_all().await;
        let drafted = shop.again(&joans).await;
        assert_eq!((drafted.state, drafted.paid_through), (MembershipState::Active, joans.paid_through));
        shop.pass(TimeDelta::hours(1)).await;
        shop.tell_all().await;
        let renewed = shop.again(&joans).await;
        assert_eq!(renewed.state, MembershipState::Active);
        assert!(joans.paid_through < renewed.paid_through);
    }

    async fn a_change_of_plan_waits_out_a_pause(shop: &StripeShop) {
        let (_, joans) = member(shop).await;
        shop.plus(json!({ "code": "mini", "name": "Mini", "price": "5" })).await;
        shop.plus(json!({ "code": "gold", "name": "Gold", "price": "31" })).await;
        assert_eq!(asked(shop, "membershipPlanChange", &joans, json!({ "plan": "mini" })).await, None);
        assert_eq!(shop.again(&joans).await.next_at, joans.paid_through);
        let until = shop.clock.now() + days(20);
        assert_eq!(asked(shop, "membershipPause", &joans, json!({ "until": until })).await, None);
        let moved = joans.paid_through.map(|through| through + days(20));
        assert_eq!(shop.again(&joans).await.next_at, moved);
        shop.pass(days(5)).await;
        assert_eq!(asked(shop, "membershipResume", &joans, json!({})).await, None);
        let moved = joans.paid_through.map(|through| through + days(5));
        assert_eq!(shop.again(&joans).await.next_at, moved);
        // A payment that was put off cannot be shared out: a dearer plan waits for it too, and its preview says so.
        let server = shop.as_server().await;
        let query = "query ($id: ID!) { membershipPlanChangePreview(membershipId: $id, plan: \"gold\") { at dueNow { amount } } }";
        let id = json!({ "id": global_id(NodeType::Membership, joans.id) });
        let preview = shop.graphql(&server, query, id).await;
        let expected = json!({ "at": moved, "dueNow": { "amount": "0.00" } });
        let told: Json = serde_json::from_value(preview.at("/membershipPlanChangePreview").clone()).unwrap();
        assert_eq!(told["dueNow"], expected["dueNow"]);
        assert_eq!(told["at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().ok(), moved);
    }

    async fn a_card_that_had_a_trial_ends_the_next_one_once(shop: &StripeShop) {
        shop.plus(json!({ "trialDays": 14 })).await;
        let mut begun = Vec::new();
        for _ in 0..2 {
            let row = shop.begun(&shop.as_customer_with_password().await).await;
            shop.fake.confirm(row.subscription.as_deref().unwrap(), Card::Visa).unwrap();
            shop.tell_all().await;
            begun.push(shop.again(&row).await);
        }
        let states = [(MembershipState::Trialing, None), (MembershipState::Cancelled, Some(EndedWhy::TrialUsed))];
        assert_eq!([0, 1].map(|which: usize| (begun[which].state, begun[which].ended_why)), states);
        shop.tell_all().await;
        shop.pass(days(2)).await;
        // Two jobs may put the one call at the same time: to end what has ended changes nothing.
        let calls = billing_call::Entity::find().all(&shop.app.db.read).await.unwrap();
        assert_eq!(calls.iter().filter(|call| call.call == json!({ "Change": "EndNow" })).count(), 1);
        let ends = shop.fake.requests().into_iter().filter(|request| request.method == "DELETE");
        assert_eq!(ends.map(|request| request.path).collect::<BTreeSet<_>>().len(), 1);
        assert_eq!(shop.again(&begun[1]).await.joined_at, None);
    }

    async fn a_renewal_that_comes_with_the_end_is_given_back(shop: &StripeShop) {
        let (_, joans) = member(shop).await;
        shop.pass(days(30)).await;
        // Stripe is away when it is to end; the renewal is taken before it hears of that.
        away(shop);
        assert_eq!(asked(shop, "membershipCancel", &joans, json!({})).await.as_deref(), Some("PAYMENTS_UNAVAILABLE"));
        shop.pass(days(1) + TimeDelta::hours(3)).await;
        shop.fake.mend();
        assert_eq!(shop.fake.charges().len(), 2);
        shop.pass(days(1)).await;
        let after = shop.again(&joans).await;
        assert_eq!((after.state, after.entitled_until), (MembershipState::Cancelled, joans.paid_through));
        assert_eq!(shop.fake.charges().iter().map(|charge| charge.refunded).collect::<Vec<_>>(), [0, 1000]);
        assert!(shop.fake.subscriptions()[0]["ended_at"].is_i64());
    }

    async fn the_page_for_cards_is_of_whoever_pays(shop: &StripeShop) {
        let (joan, joans) = member(shop).await;
        let eve = shop.as_customer_with_password().await;
        shop.begun(&eve).await;
        // Both have a name at Stripe; the one who pays turns out to be the other.
        let owner = shop.as_staff(Role::Owner).await;
        let input = json!({ "fromId": joan.customer_id(), "intoId": eve.customer_id(), "reason": "the same person" });
        shop.done(&owner, "customerMerge", input).await;
        shop.run_jobs().await;
        let query = "{ membershipPortal(returnUrl: \"http://127.0.0.1:8080/\") }";
        let page = shop.graphql(&eve, query, json!({})).await;
        assert!(page.text("/membershipPortal").starts_with("https://billing.stripe.com/"));
        let asked = shop.fake.requests().into_iter().rfind(|request| request.path.ends_with("portal/sessions"));
        let payer = shop.fake.charges()[0].customer.clone();
        assert_eq!(asked.unwrap().form.text("customer"), Some(payer.as_str()));
        // What is heard of that one only is looked into.
        shop.fake.dispute(&shop.fake.charges()[0].invoice.clone().unwrap()).unwrap();
        let disputed = shop.fake.take_events().into_iter().find(|event| event.kind == "charge.dispute.created");
        let disputed = disputed.unwrap();
        assert_eq!(shop.tell(&disputed).await, 200);
        shop.run_jobs().await;
        assert_eq!(shop.again(&joans).await.state, MembershipState::PastDue);
    }

    async fn of_what_stripe_tells_no_more_is_kept_than_what_it_is_about(shop: &StripeShop) {
        let (joan, _) = member(shop).await;
        let kept = format!("{:?}", shop.events().await);
        assert!(!kept.contains(&joan.email), "{kept}");
        assert!(!kept.contains("_secret_"), "{kept}");
    }
}
