//! Early access: products that are not public yet are seen, asked for and ordered by those who have it, and nobody else
//! learns of them.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, line};

/// A product that is early now and public in ten minutes, with one that is public and goes with it.
async fn tea(shop: &TestApp, server: &Caller) {
    let now = shop.clock.now();
    let tea = json!({ "sku": "tea", "name": "Tea", "categories": ["drinks"], "earlyAccessFrom": now,
        "publicFrom": now + TimeDelta::minutes(10) });
    shop.done(server, "productUpsert", tea).await;
    let pot = json!({ "sku": "pot", "name": "Tea pot", "companions": ["tea"] });
    shop.done(server, "productUpsert", pot).await;
}

/// A reward of 100 points for early access to `skus`.
async fn offered(shop: &TestApp, skus: Json) -> Json {
    let owner = shop.as_staff(Role::Owner).await;
    let reward = json!({ "code": "early", "name": "Be first", "cost": 100, "earlyAccessSkus": skus });
    shop.done(&owner, "rewardUpsert", reward).await["reward"]["id"].clone()
}

/// Everything in which a product shows.
async fn shown(shop: &TestApp, caller: &Caller) -> Json {
    let query = "{ products { totalCount nodes { sku visibility } } product(sku: \"tea\") { visibility }
        search: products(filter: { search: \"tea\", category: \"drinks\" }) { totalCount nodes { sku } }
        productBySku(sku: \"pot\") { companions { sku } companionSkus } }";
    let answer = shop.graphql(caller, query, json!({})).await;
    answer.data().clone()
}

async fn orderable(shop: &TestApp, caller: &Caller, customer: Option<&Caller>) -> Json {
    let query =
        "query ($id: ID) { productOrderability(skus: [\"tea\", \"pot\", \"none\", \"\"], customerId: $id) {
        sku orderable reason } }";
    let id = customer.map(Caller::customer_id);
    let answer = shop.graphql(caller, query, json!({ "id": id })).await;
    let rows = answer.at("/productOrderability").as_array().unwrap().clone();
    rows.into_iter()
        .map(|row| if row["orderable"] == true { json!(true) } else { row["reason"].clone() })
        .collect()
}

fn nothing() -> Json {
    json!({
        "products": { "totalCount": 1, "nodes": [{ "sku": "pot", "visibility": "PUBLIC" }] },
        "product": null,
        "search": { "totalCount": 0, "nodes": [] },
        "productBySku": { "companions": [], "companionSkus": [] },
    })
}

fn all(visibility: &str) -> Json {
    let (pot, tea) =
        (json!({ "sku": "pot", "visibility": "PUBLIC" }), json!({ "sku": "tea", "visibility": visibility }));
    json!({
        "products": { "totalCount": 2, "nodes": [pot, tea] },
        "product": { "visibility": visibility },
        "search": { "totalCount": 1, "nodes": [{ "sku": "tea" }] },
        "productBySku": { "companions": [{ "sku": "tea" }], "companionSkus": ["tea"] },
    })
}

both_engines! {
    async fn who_claimed_early_access_sees_and_orders_before_others_until_it_is_undone(shop: &TestApp) {
        let server = shop.as_server().await;
        tea(shop, &server).await;
        let reward = offered(shop, json!(["tea"])).await;
        let (joan, eve) = (shop.as_member(&server, 500).await, shop.as_member(&server, 0).await);
        assert_eq!(shown(shop, &joan).await, nothing());
        let claim = shop.done(&joan, "rewardClaim", json!({ "rewardId": reward })).await["claim"].clone();
        assert_eq!((&claim["state"], &claim["couponCode"]), (&json!("FULFILLED"), &Json::Null));
        // A reward that gives something else from now on takes nothing from who claimed it.
        offered(shop, json!(["other"])).await;
        assert_eq!(shown(shop, &joan).await, all("EARLY"));
        for other in [&eve, &Caller::anonymous()] {
            assert_eq!(shown(shop, other).await, nothing());
            // The same as of what there is not.
            assert_eq!(orderable(shop, other, None).await, json!(["NOT_FOUND", true, "NOT_FOUND", "NOT_FOUND"]));
        }
        assert_eq!(orderable(shop, &joan, None).await, json!([true, true, "NOT_FOUND", "NOT_FOUND"]));
        for (who, expected) in [(Some(&joan), json!(true)), (Some(&eve), json!("NOT_YET")), (None, json!("NOT_YET"))] {
            assert_eq!(orderable(shop, &server, who).await[0], expected);
        }
        // Undone, it is over.
        shop.done(&server, "rewardClaimCancel", json!({ "claimId": claim["id"] })).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await[0], 500);
        assert_eq!(shown(shop, &joan).await, nothing());
        shop.refused(&server, "rewardClaimCancel", json!({ "claimId": claim["id"] }), "CLAIM_ENDED").await;
        shop.clock.advance(TimeDelta::minutes(10));
        for who in [&joan, &eve, &Caller::anonymous()] {
            assert_eq!(shown(shop, who).await, all("PUBLIC"));
        }
        shop.assert_ledger_adds_up().await;
    }

    async fn members_of_a_tier_with_early_access_have_it_to_everything(shop: &TestApp) {
        let server = shop.as_server().await;
        tea(shop, &server).await;
        let tiers = json!([
            { "code": "silver", "name": "Silver", "threshold": "100" },
            { "code": "gold", "name": "Gold", "threshold": "200", "earlyAccess": true },
        ]);
        shop.set(json!({ "tiers": { "tiers": tiers } })).await;
        let (gold, silver) = (shop.as_member(&server, 200).await, shop.as_member(&server, 199).await);
        assert_eq!(shown(shop, &gold).await, all("EARLY"));
        assert_eq!(shown(shop, &silver).await, nothing());
        // Not before it begins, and never what is archived.
        let later = json!({ "sku": "tea", "earlyAccessFrom": shop.clock.now() + TimeDelta::minutes(1) });
        shop.done(&server, "productUpsert", later).await;
        assert_eq!(shown(shop, &gold).await, nothing());
        shop.clock.advance(TimeDelta::minutes(1));
        assert_eq!(shown(shop, &gold).await, all("EARLY"));
        shop.done(&server, "productUpsert", json!({ "sku": "tea", "archived": true })).await;
        assert_eq!(shown(shop, &gold).await, nothing());
        assert_eq!(orderable(shop, &server, Some(&gold)).await[0], "ARCHIVED");
    }

    async fn an_order_of_what_its_buyer_could_not_order_yet_is_recorded_and_tells_so(shop: &TestApp) {
        let server = shop.as_server().await;
        tea(shop, &server).await;
        let reward = offered(shop, json!(["tea"])).await;
        let (joan, eve) = (shop.as_member(&server, 100).await, shop.as_member(&server, 0).await);
        shop.done(&joan, "rewardClaim", json!({ "rewardId": reward })).await;
        let lines = json!([line("tea", 1, "5.00"), line("pot", 1, "9.00"), line("unknown", 1, "1.00")]);
        let flagged = async |mut order: Json| {
            order["lines"] = lines.clone();
            let order = shop.record(&server, order).await;
            (order["flags"].clone(), order["notYetOrderable"].clone())
        };
        let (fine, early) = ((json!([]), json!([])), (json!(["NOT_YET_ORDERABLE"]), json!(["tea"])));
        assert_eq!(flagged(json!({ "customerId": joan.customer_id() })).await, fine);
        assert_eq!(flagged(json!({ "customerId": eve.customer_id() })).await, early);
        assert_eq!(flagged(json!({ "email": "guest@example.org" })).await, early);
        assert_eq!(flagged(json!({ "email": "guest@example.org", "state": "CANCELLED" })).await, fine);
        // What is recorded later is judged by when it was placed.
        let placed = shop.clock.now();
        shop.clock.advance(TimeDelta::minutes(10));
        assert_eq!(flagged(json!({ "customerId": eve.customer_id(), "placedAt": placed })).await, early);
        assert_eq!(flagged(json!({ "customerId": eve.customer_id() })).await, fine);
    }

    async fn who_has_early_access_waits_only_for_what_is_sold_out(shop: &TestApp) {
        let server = shop.as_server().await;
        tea(shop, &server).await;
        let reward = offered(shop, json!(["tea"])).await;
        let (joan, eve) = (shop.as_member(&server, 100).await, shop.as_member(&server, 0).await);
        shop.done(&joan, "rewardClaim", json!({ "rewardId": reward })).await;
        let query = "{ productBySku(sku: \"tea\") { id } }";
        let tea = shop.graphql(&joan, query, json!({})).await.at("/productBySku/id").clone();
        let wait = || json!({ "productId": tea });
        shop.refused(&eve, "waitlistJoin", wait(), "NOT_FOUND").await;
        shop.refused(&joan, "waitlistJoin", wait(), "AVAILABLE").await;
        shop.done(&server, "productUpsert", json!({ "sku": "tea", "stock": 0 })).await;
        shop.refused(&eve, "waitlistJoin", wait(), "NOT_FOUND").await;
        let joined = shop.done(&joan, "waitlistJoin", wait()).await;
        assert_eq!(joined["waitlist"][0]["product"], json!({ "sku": "tea" }));
        assert_eq!(orderable(shop, &joan, None).await[0], "OUT_OF_STOCK");
    }

    async fn of_claims_and_their_undoing_at_once_the_last_says_who_has_access(shop: &TestApp) {
        let server = shop.as_server().await;
        tea(shop, &server).await;
        let reward = offered(shop, json!(["tea"])).await;
        let joan = shop.as_member(&server, 300).await;
        let claim = || shop.mutate(&joan, "rewardClaim", json!({ "rewardId": reward }));
        let claims = join_all((0..5).map(|_| claim())).await;
        let made: Vec<Json> =
            claims.iter().filter_map(|claim| claim.payload()["claim"].get("id").cloned()).collect();
        assert_eq!(made.len(), 3, "300 points pay three");
        let undo = |id: &Json| shop.mutate(&server, "rewardClaimCancel", json!({ "claimId": id }));
        join_all(made[1..].iter().map(undo)).await;
        assert_eq!(shown(shop, &joan).await, all("EARLY"));
        join_all((0..4).map(|_| undo(&made[0]))).await;
        assert_eq!(shown(shop, &joan).await, nothing());
        assert_eq!(shop.sums(&server, joan.customer_id()).await[0], 300);
        shop.assert_ledger_adds_up().await;
    }

    async fn a_reward_names_one_to_fifty_products(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let skus = |count: usize| (0..count).map(|number| format!("s{number}")).collect::<Vec<_>>();
        for skus in [skus(0), skus(51), vec![" ".to_owned()]] {
            let reward = json!({ "code": "early", "name": "Be first", "cost": 1, "earlyAccessSkus": skus });
            let refused = shop.refused(&owner, "rewardUpsert", reward, "INVALID").await;
            assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["input", "earlyAccessSkus"]));
        }
        let both = json!({ "code": "early", "name": "x", "cost": 1, "sku": "tea", "earlyAccessSkus": ["tea"] });
        shop.refused(&owner, "rewardUpsert", both, "INVALID").await;
        offered(shop, json!(skus(50))).await;
    }
}
