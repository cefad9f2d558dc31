//! Coupons and rewards that are for members of plans, and what using them does to withdrawing.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Answer, Caller, TestApp, both_engines, line};

fn cart() -> Json {
    json!({ "currency": "EUR", "lines": [{ "sku": "A-1", "lineTotal": "10.00" }] })
}

/// A plan, and a coupon for whoever has it.
async fn with_coupon(shop: &TestApp) {
    shop.plan("plus", json!({})).await;
    let owner = shop.as_staff(Role::Owner).await;
    let coupon = json!({ "code": "CLUB", "name": "Ten per cent off", "percent": "0.1", "plans": ["plus"] });
    shop.done(&owner, "couponCreate", coupon).await;
}

async fn explained(shop: &TestApp, caller: &Caller) -> Json {
    let query = "query ($cart: CouponCartInput!) { explainCoupon(code: \"club\", cart: $cart) { refusal } }";
    shop.graphql(caller, query, json!({ "cart": cart() })).await.at("/explainCoupon/refusal").clone()
}

/// An order of a customer that names the coupon.
async fn ordered(shop: &TestApp, server: &Caller, who: &Caller, mut more: Json) -> Json {
    for (name, value) in [("customerId", json!(who.customer_id())), ("coupon", json!("CLUB"))] {
        more[name] = value;
    }
    more["lines"] = json!([line("A-1", 1, "9.00")]);
    shop.record(server, more).await
}

async fn used(shop: &TestApp) -> i64 {
    let owner = shop.as_staff(Role::Owner).await;
    let answer =
        shop.graphql(&owner, "{ coupons(code: \"CLUB\") { nodes { used plans } } }", json!({})).await;
    assert_eq!(*answer.at("/coupons/nodes/0/plans"), json!(["plus"]));
    answer.at("/coupons/nodes/0/used").as_i64().unwrap()
}

fn withdrawing(membership: &str) -> Json {
    json!({ "membershipId": membership, "when": "WITHDRAW" })
}

both_engines! {
    async fn a_coupon_for_a_plan_is_explained_reserved_and_taken_by_its_members_only(shop: &TestApp) {
        let server = shop.as_server().await;
        let owner = shop.as_staff(Role::Owner).await;
        with_coupon(shop).await;
        let unknown = json!({ "code": "GOLD", "name": "x", "percent": "0.1", "plans": ["plus", "gold"] });
        let refused = shop.refused(&owner, "couponCreate", unknown, "INVALID").await;
        assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["input", "plans"]));
        shop.plan("other", json!({})).await;
        let (joan, eve, amy) = (shop.as_customer().await, shop.as_customer().await, shop.as_customer().await);
        let id = shop.join(&joan, "plus").await;
        shop.join(&eve, "other").await;
        let reserve = || json!({ "code": "club", "cart": cart() });
        // Another plan, none, one that is not paid yet, and nobody we know.
        shop.begin_membership(&amy, "plus").await;
        for caller in [&eve, &shop.as_customer().await, &amy] {
            assert_eq!(explained(shop, caller).await, "MEMBERS_ONLY");
            shop.refused(caller, "couponReserve", reserve(), "MEMBERS_ONLY").await;
            let order = ordered(shop, &server, caller, json!({})).await;
            assert_eq!((&order["couponRefusal"], &order["flags"]), (&json!("MEMBERS_ONLY"), &json!(["COUPON_REFUSED"])));
        }
        assert_eq!(explained(shop, &Caller::anonymous()).await, "MEMBERS_ONLY");
        let guest = json!({ "email": "guest@example.org", "coupon": "CLUB" });
        assert_eq!(shop.record(&server, guest).await["couponRefusal"], "MEMBERS_ONLY");
        assert_eq!(explained(shop, &joan).await, Json::Null);
        shop.done(&joan, "couponReserve", reserve()).await;
        // Set aside is not used.
        assert_eq!(used(shop).await, 1);
        let order = ordered(shop, &server, &joan, json!({})).await;
        assert_eq!((&order["couponRefusal"], used(shop).await), (&Json::Null, 1));
        shop.refused(&joan, "membershipCancel", withdrawing(&id), "BENEFIT_USED").await;
    }

    async fn what_was_reserved_as_a_member_is_not_taken_by_whoever_withdrew(shop: &TestApp) {
        let server = shop.as_server().await;
        with_coupon(shop).await;
        let joan = shop.as_customer().await;
        let id = shop.join(&joan, "plus").await;
        shop.done(&joan, "couponReserve", json!({ "code": "CLUB", "cart": cart() })).await;
        shop.done(&joan, "membershipCancel", withdrawing(&id)).await;
        assert_eq!(ordered(shop, &server, &joan, json!({})).await["couponRefusal"], "MEMBERS_ONLY");
    }

    async fn of_withdrawing_and_using_a_benefit_at_once_one_happens(shop: &TestApp) {
        let server = shop.as_server().await;
        with_coupon(shop).await;
        for _ in 0..4 {
            let joan = shop.as_customer().await;
            let id = shop.join(&joan, "plus").await;
            let order = || shop.order_input(json!({ "customerId": joan.customer_id(), "coupon": "CLUB" }));
            let orders = join_all((0..3).map(|_| shop.mutate(&server, "orderRecord", order())));
            let withdraw = shop.mutate(&joan, "membershipCancel", withdrawing(&id));
            let (orders, withdraw) = futures_util::future::join(orders, withdraw).await;
            let has = |order: &&Answer| order.payload()["order"]["couponRefusal"].is_null();
            let have = orders.iter().filter(has).count();
            let expected = if have > 0 { vec!["BENEFIT_USED"] } else { Vec::new() };
            assert_eq!(withdraw.user_error_codes(), expected, "{have} orders have the coupon");
        }
    }

    async fn the_membership_that_an_order_joins_does_not_open_its_coupon(shop: &TestApp) {
        let server = shop.as_server().await;
        with_coupon(shop).await;
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let begun = shop.begin_membership(&joan, "plus").await;
        let joins = json!({ "membershipId": begun["membership"]["id"] });
        assert_eq!(ordered(shop, &server, &joan, joins).await["couponRefusal"], "MEMBERS_ONLY");
        // Nor if it was paid before.
        let joins = json!({ "membershipId": shop.join(&eve, "plus").await });
        assert_eq!(ordered(shop, &server, &eve, joins).await["couponRefusal"], "MEMBERS_ONLY");
        assert_eq!(used(shop).await, 0);
    }

    async fn a_late_payment_takes_the_coupon_of_its_order_again_for_members_only(shop: &TestApp) {
        let server = shop.as_server().await;
        with_coupon(shop).await;
        shop.set_programme(json!({ "orderHoldDays": 1 })).await;
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let joans = shop.join(&joan, "plus").await;
        shop.join(&eve, "plus").await;
        let orders = [ordered(shop, &server, &joan, json!({})).await, ordered(shop, &server, &eve, json!({})).await];
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.clock.advance(TimeDelta::days(1) + TimeDelta::minutes(1));
        shop.run_jobs().await;
        assert_eq!(used(shop).await, 0);
        shop.done(&server, "membershipCancel", json!({ "membershipId": joans, "when": "NOW" })).await;
        for (order, refusal) in orders.iter().zip([json!("MEMBERS_ONLY"), Json::Null]) {
            assert_eq!(shop.step(&server, "orderPay", order).await["couponRefusal"], refusal);
        }
        assert_eq!(used(shop).await, 1);
    }

    async fn a_reward_for_a_plan_is_claimed_by_its_members_only(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let mug = json!({ "code": "mug", "name": "A mug", "cost": 10, "sku": "MUG", "plans": ["plus"] });
        let refused = shop.refused(&owner, "rewardUpsert", mug.clone(), "INVALID").await;
        assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["input", "plans"]));
        shop.plan("plus", json!({})).await;
        shop.plan("other", json!({})).await;
        let mug = shop.done(&owner, "rewardUpsert", mug).await["reward"]["id"].clone();
        let (joan, eve) = (shop.as_member(&server, 100).await, shop.as_member(&server, 100).await);
        let told = shop.graphql(&eve, "{ rewards { nodes { plans tiers available } } }", json!({})).await;
        assert_eq!(*told.at("/rewards/nodes"), json!([{ "plans": ["plus"], "tiers": [], "available": true }]));
        shop.begin_membership(&joan, "plus").await;
        shop.join(&eve, "other").await;
        for one in [&joan, &eve] {
            shop.refused(one, "rewardClaim", json!({ "rewardId": mug }), "PLAN_REQUIRED").await;
        }
        let joined = shop.join(&joan, "plus").await;
        shop.done(&joan, "rewardClaim", json!({ "rewardId": mug })).await;
        let withdraw = json!({ "membershipId": joined, "when": "WITHDRAW" });
        shop.refused(&joan, "membershipCancel", withdraw, "BENEFIT_USED").await;
        // Of a reward with tiers too, one needs both.
        let gold = json!([{ "code": "gold", "name": "Gold", "threshold": "1000" }]);
        shop.set(json!({ "tiers": { "tiers": gold } })).await;
        let both = json!({ "code": "mug", "name": "A mug", "cost": 10, "sku": "MUG", "plans": ["plus"], "tiers": ["gold"] });
        shop.done(&owner, "rewardUpsert", both).await;
        shop.refused(&joan, "rewardClaim", json!({ "rewardId": mug }), "TIER_REQUIRED").await;
    }
}
