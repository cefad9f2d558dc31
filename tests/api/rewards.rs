//! Rewards for points: stock and limits that hold whoever claims at once, and claims that are undone.

use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

async fn offered(shop: &TestApp, mut reward: Json) -> String {
    let owner = shop.as_staff(Role::Owner).await;
    for (name, value) in [("code", json!("mug")), ("name", json!("A mug")), ("cost", json!(100))] {
        if reward.get(name).is_none() {
            reward[name] = value;
        }
    }
    shop.done(&owner, "rewardUpsert", reward).await["reward"]["id"].as_str().unwrap().to_owned()
}

async fn stock(shop: &TestApp) -> Json {
    let answer =
        shop.graphql(&Caller::anonymous(), "{ rewards { nodes { stock available } } }", json!({})).await;
    answer.at("/rewards/nodes/0").clone()
}

both_engines! {
    async fn of_fifty_who_claim_the_last_one_at_once_one_gets_it_and_pays(shop: &TestApp) {
        let server = shop.as_server().await;
        let reward = offered(shop, json!({ "sku": "MUG", "stock": 1 })).await;
        let mut people = Vec::new();
        for _ in 0..50 {
            people.push(shop.as_member(&server, 150).await);
        }
        let claim = async |one: &Caller| {
            let input = json!({ "rewardId": reward, "customerId": one.customer_id() });
            shop.mutate(&server, "rewardClaim", input).await
        };
        let answers = join_all(people.iter().map(claim)).await;
        let claims: Vec<_> = answers.iter().filter(|answer| !answer.payload()["claim"].is_null()).collect();
        let out = answers.iter().filter(|answer| answer.payload()["userErrors"][0]["code"] == "OUT_OF_STOCK").count();
        assert_eq!((claims.len(), out), (1, 49));
        assert_eq!(stock(shop).await, json!({ "stock": 0, "available": false }));
        let mut left = 0;
        for one in &people {
            left += shop.sums(&server, one.customer_id()).await[0];
        }
        assert_eq!(left, 50 * 150 - 100);
        // The shop cannot deliver: points and stock go back, once.
        let cancel = json!({ "claimId": claims[0].payload()["claim"]["id"] });
        let undone = join_all((0..5).map(|_| shop.mutate(&server, "rewardClaimCancel", cancel.clone()))).await;
        let done = undone.iter().filter(|answer| answer.payload()["claim"]["state"] == "CANCELLED").count();
        assert_eq!((done, stock(shop).await["stock"].clone()), (1, json!(1)));
        let mut back = 0;
        for one in &people {
            back += shop.sums(&server, one.customer_id()).await[0];
        }
        assert_eq!(back, 50 * 150);
        shop.assert_ledger_adds_up().await;
    }

    async fn of_claims_by_one_customer_at_once_as_many_are_made_as_one_may(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_000).await;
        let reward = offered(shop, json!({ "sku": "MUG", "customerLimit": 2 })).await;
        let claim = || shop.mutate(&joan, "rewardClaim", json!({ "rewardId": reward }));
        let answers = join_all((0..8).map(|_| claim())).await;
        let made = answers.iter().filter(|answer| answer.payload()["claim"]["state"] == "CLAIMED").count();
        assert_eq!((made, shop.sums(&server, joan.customer_id()).await[0]), (2, 800));
        let id = answers.iter().find_map(|answer| answer.payload()["claim"]["id"].as_str()).unwrap().to_owned();
        shop.done(&server, "rewardClaimFulfil", json!({ "claimId": id })).await;
        shop.refused(&server, "rewardClaimCancel", json!({ "claimId": id }), "CLAIM_ENDED").await;
    }

    async fn a_reward_can_be_a_coupon_that_is_undone_until_it_is_used(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_member(&server, 500).await, shop.as_member(&server, 50).await);
        let reward = offered(shop, json!({ "amount": "5.00", "validDays": 30 })).await;
        shop.refused(&eve, "rewardClaim", json!({ "rewardId": reward }), "INSUFFICIENT_POINTS").await;
        let first = shop.done(&joan, "rewardClaim", json!({ "rewardId": reward })).await["claim"].clone();
        assert_eq!(first["state"], "FULFILLED");
        let code = first["couponCode"].as_str().unwrap();
        let order = json!({ "customerId": joan.customer_id(), "coupon": code });
        let order = shop.record(&server, order).await;
        assert_eq!(order["couponRefusal"], Json::Null);
        let cancel = || json!({ "claimId": first["id"] });
        shop.refused(&server, "rewardClaimCancel", cancel(), "CLAIM_ENDED").await;
        shop.step(&server, "orderCancel", &order).await;
        shop.done(&server, "rewardClaimCancel", cancel()).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await[0], 500);
        let again = json!({ "customerId": joan.customer_id(), "coupon": code });
        assert_eq!(shop.record(&server, again).await["couponRefusal"], "EXPIRED");
        let theirs = shop.done(&joan, "rewardClaim", json!({ "rewardId": reward })).await["claim"].clone();
        let order = json!({ "customerId": eve.customer_id(), "coupon": theirs["couponCode"] });
        assert_eq!(shop.record(&server, order).await["couponRefusal"], "WRONG_CUSTOMER");
        shop.assert_ledger_adds_up().await;
    }

    async fn what_is_not_offered_is_not_claimed(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 500).await;
        let soon = shop.clock.now() + chrono::TimeDelta::hours(1);
        let later = offered(shop, json!({ "sku": "MUG", "startsAt": soon })).await;
        shop.refused(&joan, "rewardClaim", json!({ "rewardId": later }), "NOT_OFFERED").await;
        let gone = offered(shop, json!({ "sku": "MUG", "archived": true })).await;
        assert_eq!(gone, later);
        shop.refused(&joan, "rewardClaim", json!({ "rewardId": gone }), "NOT_OFFERED").await;
        let answer = shop.graphql(&joan, "{ rewards { nodes { id } } }", json!({})).await;
        assert_eq!(answer.at("/rewards/nodes"), &json!([]));
        let owner = shop.as_staff(Role::Owner).await;
        for (reward, field) in [
            (json!({ "code": "x", "name": "x", "cost": 1 }), "percent"),
            (json!({ "code": "X", "name": "x", "cost": 1, "sku": "M" }), "code"),
            (json!({ "code": "x", "name": "x", "cost": 0, "sku": "M" }), "cost"),
            (json!({ "code": "x", "name": "x", "cost": 1, "sku": "M", "stock": -1 }), "stock"),
            (json!({ "code": "x", "name": "x", "cost": 1, "percent": "0.1", "validDays": 0 }), "validDays"),
        ] {
            let refused = shop.refused(&owner, "rewardUpsert", reward, "INVALID").await;
            assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["input", field]));
        }
    }

    async fn whoever_names_somebody_who_was_merged_claims_and_counts_for_who_stays(shop: &TestApp) {
        let server = shop.as_server().await;
        let (gone, stays) = (shop.as_member(&server, 500).await, shop.as_member(&server, 0).await);
        let owner = shop.as_staff(Role::Owner).await;
        let review = json!({ "code": "review", "name": "A review", "trigger": "EVENT", "event": "review", "bonus": 25,
            "limit": { "times": 1, "per": "EVER" } });
        let review = shop.done(&owner, "earningRuleDraft", review).await;
        shop.done(&owner, "earningRulePublish", json!({ "ruleId": review["rule"]["id"] })).await;
        let stated = |one: &Caller| json!({ "customerId": one.customer_id(), "event": "review" });
        shop.done(&server, "pointsEarn", stated(&gone)).await;
        let merge = json!({ "fromId": gone.customer_id(), "intoId": stays.customer_id(), "reason": "the same person" });
        shop.done(&owner, "customerMerge", merge).await;
        for one in [&gone, &stays] {
            shop.refused(&server, "pointsEarn", stated(one), "LIMIT_REACHED").await;
        }
        let reward = offered(shop, json!({ "amount": "5.00", "customerLimit": 1 })).await;
        let claim = json!({ "rewardId": reward, "customerId": gone.customer_id() });
        let claimed = shop.done(&server, "rewardClaim", claim).await["claim"].clone();
        let again = json!({ "rewardId": reward, "customerId": stays.customer_id() });
        shop.refused(&server, "rewardClaim", again, "CUSTOMER_LIMIT_REACHED").await;
        let order = json!({ "customerId": stays.customer_id(), "coupon": claimed["couponCode"] });
        assert_eq!(shop.record(&server, order).await["couponRefusal"], Json::Null);
        assert_eq!(shop.sums(&server, stays.customer_id()).await, [425, 0, 0, 0]);
    }

    async fn a_reward_of_a_tier_is_for_its_members_only(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let mug = json!({ "code": "mug", "name": "A mug", "cost": 10, "sku": "MUG", "tiers": ["gold"] });
        shop.refused(&owner, "rewardUpsert", mug.clone(), "INVALID").await;
        let gold = json!([{ "code": "gold", "name": "Gold", "threshold": "100" }]);
        shop.set(json!({ "tiers": { "tiers": gold } })).await;
        let mug = shop.done(&owner, "rewardUpsert", mug).await["reward"]["id"].clone();
        let (joan, jane) = (shop.as_member(&server, 100).await, shop.as_member(&server, 99).await);
        shop.refused(&jane, "rewardClaim", json!({ "rewardId": mug }), "TIER_REQUIRED").await;
        shop.done(&joan, "rewardClaim", json!({ "rewardId": mug })).await;
        // What is spent still counts for the tier.
        shop.done(&joan, "rewardClaim", json!({ "rewardId": mug })).await;
    }

    async fn staff_who_hand_over_or_undo_a_claim_are_in_the_audit_log(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_000).await;
        let owner = shop.as_staff(Role::Owner).await;
        let reward = offered(shop, json!({ "sku": "MUG" })).await;
        let claim = async || {
            let claimed = shop.done(&joan, "rewardClaim", json!({ "rewardId": reward })).await;
            json!({ "claimId": claimed["claim"]["id"] })
        };
        shop.done(&server, "rewardClaimFulfil", claim().await).await;
        shop.done(&server, "rewardClaimCancel", claim().await).await;
        assert_eq!(shop.audited(joan.customer_id()).await, []);
        shop.done(&owner, "rewardClaimFulfil", claim().await).await;
        shop.done(&owner, "rewardClaimCancel", claim().await).await;
        let told = shop.audited(joan.customer_id()).await;
        let acts: Vec<_> = told.iter().map(|(act, by, detail)| (act.as_str(), by.as_str(), &detail["before"], &detail["after"])).collect();
        let state = |state: &str| json!({ "state": state });
        let (claimed, fulfilled, cancelled) = (state("CLAIMED"), state("FULFILLED"), state("CANCELLED"));
        let expected = [
            ("reward.claim.fulfil", "STAFF", &claimed, &fulfilled),
            ("reward.claim.cancel", "STAFF", &claimed, &cancelled),
        ];
        assert!(expected.iter().all(|entry| acts.contains(entry)) && acts.len() == 2, "{acts:?}");
        assert!(told.iter().all(|(.., detail)| detail["claimId"].is_string()));
    }
}
