//! Memberships as their members and the shop see them, paid in the sandbox.

use chrono::{DateTime, Months, TimeDelta, Utc};
use futures_util::future::join_all;
use regulars::worker::arm_recurring;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

const MEMBERSHIP: &str = "query ($id: ID!) { customer(id: $id) { membership { id state entitled entitledUntil paidThrough trialUntil cancelAtPeriodEnd
    cancelsAt plan { code } nextPlan { code } nextPlanAt price { amount }
    charges { status amount { amount } refunded { amount } coversFrom coversUntil } } } }";

/// Joins and pays.
async fn joined(shop: &TestApp, who: &Caller, plan: &str, card: &str) -> Json {
    let joined = shop.begin_membership(who, plan).await;
    assert_eq!(shop.confirm_membership(&joined, card).await, 204);
    mine(shop, who).await
}

async fn mine(shop: &TestApp, who: &Caller) -> Json {
    let server = shop.as_server().await;
    let answer = shop.graphql(&server, MEMBERSHIP, json!({ "id": who.customer_id() })).await;
    answer.at("/customer/membership").clone()
}

async fn later(shop: &TestApp, by: TimeDelta) {
    arm_recurring(&shop.app).await.unwrap();
    shop.clock.advance(by);
    shop.run_jobs().await;
}

fn at(value: &Json) -> DateTime<Utc> {
    value.as_str().unwrap_or_else(|| panic!("{value} is no instant")).parse().unwrap()
}

both_engines! {
    async fn a_membership_is_paid_renewed_and_its_benefits_follow_what_is_paid(shop: &TestApp) {
        shop.plan_at("plus", "9.99", json!({})).await;
        let joan = shop.as_customer_with_password().await;
        let begun = shop.begin_membership(&joan, "plus").await;
        assert_eq!(begun["membership"]["state"], "INCOMPLETE");
        assert_eq!(mine(shop, &joan).await["entitled"], false);
        let now = shop.clock.now();
        assert_eq!(shop.confirm_membership(&begun, "declined").await, 402);
        assert_eq!(mine(shop, &joan).await["entitled"], false);
        assert_eq!(shop.confirm_membership(&begun, "pays").await, 204);
        let first = mine(shop, &joan).await;
        assert_eq!((&first["state"], &first["entitled"]), (&json!("ACTIVE"), &json!(true)));
        assert_eq!(at(&first["paidThrough"]), now + Months::new(1));
        assert_eq!(at(&first["entitledUntil"]), now + Months::new(1) + TimeDelta::days(7));
        assert_eq!(first["charges"][0]["amount"]["amount"], "9.99");
        shop.refused(&joan, "membershipJoin", json!({ "plan": "plus", "payOn": "DEVICE" }), "ALREADY_MEMBER").await;
        later(shop, now + Months::new(1) + TimeDelta::minutes(2) - now).await;
        let second = mine(shop, &joan).await;
        assert_eq!((at(&second["paidThrough"]), second["charges"].as_array().unwrap().len()), (now + Months::new(2), 2));
    }

    async fn a_card_that_fails_leaves_the_grace_and_then_ends_the_membership(shop: &TestApp) {
        shop.plan_at("plus", "9.99", json!({ "graceDays": 4 })).await;
        let (joan, eve) = (shop.as_customer_with_password().await, shop.as_customer_with_password().await);
        let now = shop.clock.now();
        joined(shop, &joan, "plus", "fails_later").await;
        let eves = shop.begin_membership(&eve, "plus").await;
        shop.confirm_membership(&eves, "fails_later").await;
        let month = now + Months::new(1) - now;
        later(shop, month + TimeDelta::minutes(2)).await;
        let late = mine(shop, &joan).await;
        assert_eq!((&late["state"], &late["entitled"]), (&json!("PAST_DUE"), &json!(true)));
        // Another card, and it is as if nothing had been.
        shop.confirm_membership(&eves, "pays").await;
        assert_eq!(mine(shop, &eve).await["state"], "ACTIVE");
        later(shop, TimeDelta::days(4)).await;
        assert_eq!(mine(shop, &joan).await, Json::Null);
        let query = "{ memberships(state: EXPIRED, first: 5) { nodes { customerId endedBecause entitled } } }";
        let server = shop.as_server().await;
        let ended = shop.graphql(&server, query, json!({ "id": joan.customer_id() })).await;
        assert_eq!(
            *ended.at("/memberships/nodes"),
            json!([{ "customerId": joan.customer_id(), "endedBecause": "UNPAID", "entitled": false }])
        );
    }

    async fn a_trial_is_given_once_to_a_person_and_charges_nothing_if_it_is_cancelled(shop: &TestApp) {
        shop.plan_at("plus", "9.99", json!({ "trialDays": 14 })).await;
        let joan = shop.as_customer_with_password().await;
        let now = shop.clock.now();
        let trial = joined(shop, &joan, "plus", "pays").await;
        assert_eq!((&trial["state"], at(&trial["trialUntil"])), (&json!("TRIALING"), now + TimeDelta::days(14)));
        let id = trial["id"].clone();
        let cancelled = shop.done(&joan, "membershipCancel", json!({ "membershipId": id })).await;
        assert_eq!(at(&cancelled["membership"]["cancelsAt"]), now + TimeDelta::days(14));
        later(shop, TimeDelta::days(13)).await;
        assert_eq!(mine(shop, &joan).await["entitled"], true);
        later(shop, TimeDelta::days(1) + TimeDelta::minutes(2)).await;
        assert_eq!(mine(shop, &joan).await, Json::Null);
        let joan = shop.another_session(&joan.email).await;
        let again = joined(shop, &joan, "plus", "pays").await;
        assert_eq!((&again["state"], &again["trialUntil"]), (&json!("ACTIVE"), &Json::Null));
        assert_eq!(again["charges"].as_array().unwrap().len(), 1);
    }

    async fn withdrawing_gives_all_back_and_cancelling_now_what_is_left(shop: &TestApp) {
        shop.plan_at("plus", "30.00", json!({})).await;
        let (joan, eve) = (shop.as_customer_with_password().await, shop.as_customer_with_password().await);
        let refunds = async |who: &Caller| {
            let server = shop.as_server().await;
            let query = "{ memberships(first: 10) { nodes { customerId state endedBecause
                charges { status refunded { amount } } } } }";
            let all = shop.graphql(&server, query, json!({})).await;
            let found = all.at("/memberships/nodes").as_array().unwrap().iter().find(|one| one["customerId"] == who.customer_id());
            found.cloned().unwrap()
        };
        for (who, when, refunded, status, why) in [
            (&joan, "WITHDRAW", "30.00", "REFUNDED", "WITHDRAWN"),
            (&eve, "NOW", "15.00", "PAID", "MEMBER"),
        ] {
            let membership = joined(shop, who, "plus", "pays").await;
            let whole = at(&membership["paidThrough"]) - shop.clock.now();
            if when == "NOW" {
                shop.clock.advance(whole / 2);
                let who = &shop.another_session(&who.email).await;
                let late = json!({ "membershipId": membership["id"], "when": "WITHDRAW" });
                shop.refused(who, "membershipCancel", late, "WITHDRAWAL_OVER").await;
            }
            let cancel = json!({ "membershipId": membership["id"], "when": when });
            let who = &shop.another_session(&who.email).await;
            let ended = shop.done(who, "membershipCancel", cancel).await;
            assert_eq!(ended["membership"]["state"], "CANCELLED");
            shop.run_jobs().await;
            let after = refunds(who).await;
            assert_eq!(after["endedBecause"], why);
            assert_eq!(after["charges"], json!([{ "status": status, "refunded": { "amount": refunded } }]));
            assert_eq!(mine(shop, who).await, Json::Null);
        }
    }

    async fn a_pause_keeps_the_days_that_are_left(shop: &TestApp) {
        shop.plan_at("plus", "9.99", json!({})).await;
        let joan = shop.as_customer_with_password().await;
        let membership = joined(shop, &joan, "plus", "pays").await;
        let through = at(&membership["paidThrough"]);
        later(shop, TimeDelta::days(10)).await;
        let until = shop.clock.now() + TimeDelta::days(60);
        let pause = json!({ "membershipId": membership["id"], "until": until });
        let joan = shop.another_session(&joan.email).await;
        let paused = shop.done(&joan, "membershipPause", pause).await;
        assert_eq!((&paused["membership"]["state"], &paused["membership"]["entitled"]), (&json!("PAUSED"), &json!(false)));
        later(shop, TimeDelta::days(59)).await;
        let still = mine(shop, &joan).await;
        assert_eq!((&still["state"], still["charges"].as_array().unwrap().len()), (&json!("PAUSED"), 1));
        later(shop, TimeDelta::days(1) + TimeDelta::minutes(2)).await;
        let resumed = mine(shop, &joan).await;
        assert_eq!((&resumed["state"], at(&resumed["paidThrough"])), (&json!("ACTIVE"), through + TimeDelta::days(60)));
        // The next payment is when those days are over, and not before.
        later(shop, through + TimeDelta::days(60) - shop.clock.now() - TimeDelta::minutes(1)).await;
        assert_eq!(mine(shop, &joan).await["charges"].as_array().unwrap().len(), 1);
        later(shop, TimeDelta::minutes(3)).await;
        let renewed = mine(shop, &joan).await;
        assert_eq!(renewed["charges"].as_array().unwrap().len(), 2, "{renewed}");
        assert_eq!(at(&renewed["paidThrough"]), through + TimeDelta::days(60) + (at(&renewed["charges"][0]["coversUntil"]) - at(&renewed["charges"][0]["coversFrom"])));
    }

    async fn a_dearer_plan_is_paid_now_and_a_cheaper_one_begins_with_the_next_period(shop: &TestApp) {
        shop.plan_at("plus", "10.00", json!({})).await;
        shop.plan_at("gold", "30.00", json!({})).await;
        let joan = shop.as_customer_with_password().await;
        let membership = joined(shop, &joan, "plus", "pays").await;
        let id = membership["id"].clone();
        let whole = at(&membership["paidThrough"]) - shop.clock.now();
        shop.clock.advance(whole / 2);
        let joan = shop.another_session(&joan.email).await;
        let preview = "query ($id: ID!, $plan: String!) { membershipPlanChangePreview(membershipId: $id, plan: $plan) {
            at dueNow { amount } price { amount } renewsAt } }";
        let told = shop.graphql(&joan, preview, json!({ "id": id, "plan": "gold" })).await;
        assert_eq!(told.at("/membershipPlanChangePreview/dueNow/amount"), "10.00");
        let change = json!({ "membershipId": id, "plan": "gold" });
        let gold = shop.done(&joan, "membershipPlanChange", change).await["membership"].clone();
        assert_eq!((&gold["plan"]["code"], &gold["price"]["amount"]), (&json!("gold"), &json!("30.00")));
        assert_eq!(gold["paidThrough"], membership["paidThrough"]);
        let change = json!({ "membershipId": id, "plan": "plus" });
        let down = shop.done(&joan, "membershipPlanChange", change).await["membership"].clone();
        assert_eq!((&down["plan"]["code"], &down["nextPlan"]["code"]), (&json!("gold"), &json!("plus")));
        assert_eq!(down["nextPlanAt"], membership["paidThrough"]);
        later(shop, whole / 2 + TimeDelta::minutes(2)).await;
        let renewed = mine(shop, &joan).await;
        assert_eq!((&renewed["plan"]["code"], &renewed["nextPlan"]), (&json!("plus"), &Json::Null));
        let amounts: Vec<&Json> = renewed["charges"].as_array().unwrap().iter().map(|one| &one["amount"]["amount"]).collect();
        assert_eq!(amounts, ["10.00", "10.00", "10.00"]);
    }

    async fn of_ten_who_join_at_once_as_one_customer_one_does(shop: &TestApp) {
        shop.plan_at("plus", "9.99", json!({})).await;
        let joan = shop.as_customer_with_password().await;
        let try_to = || shop.mutate(&joan, "membershipJoin", json!({ "plan": "plus", "payOn": "DEVICE" }));
        let answers = join_all((0..10).map(|_| try_to())).await;
        let mut ids: Vec<&str> =
            answers.iter().filter_map(|answer| answer.payload()["membership"]["id"].as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 1);
    }

    async fn a_membership_with_a_minimum_term_is_kept_to_it(shop: &TestApp) {
        shop.plan_at("plus", "9.99", json!({ "minimumMonths": 3 })).await;
        let joan = shop.as_customer_with_password().await;
        let began = shop.clock.now();
        let membership = joined(shop, &joan, "plus", "pays").await;
        shop.clock.advance(TimeDelta::days(15));
        let joan = shop.another_session(&joan.email).await;
        let now = json!({ "membershipId": membership["id"], "when": "NOW" });
        shop.refused(&joan, "membershipCancel", now, "MINIMUM_TERM").await;
        let cancelled = shop.done(&joan, "membershipCancel", json!({ "membershipId": membership["id"] })).await;
        assert_eq!(at(&cancelled["membership"]["cancelsAt"]), began + Months::new(3));
        let kept = shop.done(&joan, "membershipKeep", json!({ "membershipId": membership["id"] })).await;
        assert_eq!(kept["membership"]["cancelsAt"], Json::Null);
    }
}
