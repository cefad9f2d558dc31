//! Rewards that hand out codes of others: each code once, whoever claims at once, and to nobody else's eyes.

use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

async fn voucher(shop: &TestApp, owner: &Caller) -> String {
    let reward = json!({ "code": "voucher", "name": "A voucher", "cost": 100, "externalCode": true });
    shop.done(owner, "rewardUpsert", reward).await["reward"]["id"].as_str().unwrap().to_owned()
}

fn codes(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("SECRET-{number}")).collect()
}

/// What the list of a customer's claims shows the caller; of their own, if none is named.
async fn listed(shop: &TestApp, caller: &Caller, customer: Option<&Caller>) -> Json {
    let claims =
        "rewardClaims(first: 5) { totalCount nodes { state externalCode couponCode reward { code } } }";
    let Some(customer) = customer else {
        let answer = shop.graphql(caller, &format!("{{ me {{ {claims} }} }}"), json!({})).await;
        return answer.at("/me/rewardClaims").clone();
    };
    let query = format!("query ($id: ID!) {{ customer(id: $id) {{ {claims} }} }}");
    let answer = shop.graphql(caller, &query, json!({ "id": customer.customer_id() })).await;
    answer.at("/customer/rewardClaims").clone()
}

both_engines! {
    async fn of_fifty_who_claim_ten_codes_at_once_ten_get_different_ones(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let reward = voucher(shop, &owner).await;
        // The same codes from several at once are there once.
        let add = || shop.mutate(&owner, "rewardCodesAdd", json!({ "rewardId": reward, "codes": codes(10) }));
        let adds = join_all((0..4).map(|_| add())).await;
        let mut added: Vec<i64> = adds.iter().map(|add| add.payload()["added"].as_i64().unwrap()).collect();
        added.sort_unstable();
        assert_eq!(added, [0, 0, 0, 10]);
        let mut people = Vec::new();
        for _ in 0..50 {
            people.push(shop.as_member(&server, 150).await);
        }
        let claim = |one| shop.mutate(one, "rewardClaim", json!({ "rewardId": reward }));
        let answers = join_all(people.iter().map(claim)).await;
        let given = |answer: &crate::support::Answer| {
            answer.payload()["claim"]["externalCode"].as_str().map(str::to_owned)
        };
        let mut handed: Vec<String> = answers.iter().filter_map(given).collect();
        handed.sort();
        assert_eq!(handed, codes(10));
        let out = answers.iter().filter(|answer| answer.payload()["userErrors"][0]["code"] == "OUT_OF_STOCK");
        assert_eq!(out.count(), 40);
        let mut left = 0;
        for one in &people {
            left += shop.sums(&server, one.customer_id()).await[0];
        }
        assert_eq!(left, 50 * 150 - 10 * 100);
        let answer = shop.graphql(&owner, "{ rewards { nodes { stock available } } }", json!({})).await;
        assert_eq!(answer.at("/rewards/nodes/0"), &json!({ "stock": 0, "available": false }));
        shop.assert_ledger_adds_up().await;
    }

    async fn a_code_is_shown_to_its_owner_and_staff_who_make_rewards_only(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let support = shop.as_staff(Role::Support).await;
        let reward = voucher(shop, &owner).await;
        shop.done(&owner, "rewardCodesAdd", json!({ "rewardId": reward, "codes": codes(2) })).await;
        let (joan, eve) = (shop.as_member(&server, 100).await, shop.as_member(&server, 100).await);
        let mine = json!({ "rewardId": reward, "idempotencyKey": "mine" });
        let claim = shop.done(&joan, "rewardClaim", mine.clone()).await["claim"].clone();
        assert_eq!((&claim["state"], &claim["externalCode"]), (&json!("FULFILLED"), &json!("SECRET-0")));
        assert_eq!(shop.done(&joan, "rewardClaim", mine).await["claim"], claim);
        // The server claims for Eve: she is shown the code, the server is not.
        let hers = json!({ "rewardId": reward, "customerId": eve.customer_id() });
        assert_eq!(shop.done(&server, "rewardClaim", hers).await["claim"]["externalCode"], Json::Null);
        let shown = |code: Json| {
            let one = json!({ "state": "FULFILLED", "externalCode": code, "couponCode": null,
                "reward": { "code": "voucher" } });
            json!({ "totalCount": 1, "nodes": [one] })
        };
        assert_eq!(listed(shop, &eve, None).await, shown(json!("SECRET-1")));
        assert_eq!(listed(shop, &owner, Some(&eve)).await, shown(json!("SECRET-1")));
        assert_eq!(listed(shop, &support, Some(&eve)).await, shown(Json::Null));
        assert_eq!(listed(shop, &server, Some(&eve)).await, shown(Json::Null));
        // Nothing that is passed on or kept beside has it.
        let kept = shop.snapshot().await;
        for table in ["outbox", "audit_entries", "idempotency_keys", "reward_claims"] {
            let rows = kept.rows(table);
            assert!(!rows.is_empty(), "{table}");
            assert!(rows.iter().all(|row| !row.contains("SECRET")), "{table}");
        }
    }

    async fn a_code_that_was_handed_out_is_never_handed_out_again(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let reward = voucher(shop, &owner).await;
        let add = |codes: Json| json!({ "rewardId": reward, "codes": codes });
        shop.done(&owner, "rewardCodesAdd", add(json!(["A"]))).await;
        let (joan, eve) = (shop.as_member(&server, 100).await, shop.as_member(&server, 100).await);
        let claim = shop.done(&joan, "rewardClaim", json!({ "rewardId": reward })).await["claim"].clone();
        let undone = shop.done(&owner, "rewardClaimCancel", json!({ "claimId": claim["id"] })).await;
        assert_eq!((&undone["claim"]["state"], &undone["claim"]["externalCode"]), (&json!("CANCELLED"), &json!("A")));
        assert_eq!(shop.sums(&server, joan.customer_id()).await[0], 100);
        shop.refused(&server, "rewardClaimCancel", json!({ "claimId": claim["id"] }), "CLAIM_ENDED").await;
        shop.refused(&eve, "rewardClaim", json!({ "rewardId": reward }), "OUT_OF_STOCK").await;
        // Nor if it is added again.
        let again = shop.done(&owner, "rewardCodesAdd", add(json!(["A ", "B", " B"]))).await;
        assert_eq!((&again["added"], &again["duplicates"]), (&json!(1), &json!([0, 2])));
        assert_eq!(again["reward"], json!({ "stock": 1, "available": true }));
        let hers = shop.done(&eve, "rewardClaim", json!({ "rewardId": reward })).await;
        assert_eq!(hers["claim"]["externalCode"], "B");
        shop.assert_ledger_adds_up().await;
    }

    async fn who_cannot_pay_takes_no_code(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let reward = voucher(shop, &owner).await;
        shop.done(&owner, "rewardCodesAdd", json!({ "rewardId": reward, "codes": ["A"] })).await;
        let (eve, joan) = (shop.as_member(&server, 99).await, shop.as_member(&server, 100).await);
        shop.refused(&eve, "rewardClaim", json!({ "rewardId": reward }), "INSUFFICIENT_POINTS").await;
        let claim = shop.done(&joan, "rewardClaim", json!({ "rewardId": reward })).await;
        assert_eq!(claim["claim"]["externalCode"], "A");
    }

    async fn codes_are_added_to_rewards_that_hand_them_out(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let reward = voucher(shop, &owner).await;
        let cases = [json!([]), json!(vec!["A"; 1_001]), json!([" "]), json!(["A\nB"]), json!(["x".repeat(256)])];
        for codes in cases {
            let add = json!({ "rewardId": reward, "codes": codes });
            let refused = shop.refused(&owner, "rewardCodesAdd", add, "INVALID").await;
            assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["input", "codes"]));
        }
        let full = json!({ "rewardId": reward, "codes": codes(1_000) });
        assert_eq!(shop.done(&owner, "rewardCodesAdd", full).await["added"], 1_000);
        let mug = json!({ "code": "mug", "name": "A mug", "cost": 1, "sku": "MUG" });
        let mug = shop.done(&owner, "rewardUpsert", mug).await["reward"]["id"].clone();
        shop.refused(&owner, "rewardCodesAdd", json!({ "rewardId": mug, "codes": ["A"] }), "INVALID").await;
        // What it is stays, and so does what it has.
        for changed in [
            json!({ "code": "voucher", "name": "x", "cost": 1, "sku": "MUG" }),
            json!({ "code": "mug", "name": "x", "cost": 1, "externalCode": true }),
            json!({ "code": "voucher", "name": "x", "cost": 1, "externalCode": true, "stock": 5 }),
            json!({ "code": "voucher", "name": "x", "cost": 1, "externalCode": true, "sku": "MUG" }),
        ] {
            shop.refused(&owner, "rewardUpsert", changed, "INVALID").await;
        }
        let dearer = json!({ "code": "voucher", "name": "A voucher", "cost": 200, "externalCode": true });
        let dearer = shop.done(&owner, "rewardUpsert", dearer).await["reward"].clone();
        assert_eq!((&dearer["cost"], &dearer["stock"]), (&json!(200), &json!(1_000)));
    }
}
