//! A membership that is joined inside an order, and what memberships save.

use chrono::TimeDelta;
use regulars::worker::arm_recurring;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, line};

async fn standard_post(shop: &TestApp, server: &Caller, price: &str) {
    let rate = json!({ "currency": "EUR", "price": price });
    let method = json!({ "code": "post", "names": [{ "locale": "en", "name": "Post" }], "basis": "FLAT", "rates": [rate] });
    shop.done(server, "shippingMethodUpsert", method).await;
}

/// An order by post to the Netherlands that was charged so much shipping.
fn order(who: &Caller, shipping: &str) -> Json {
    let address = json!({ "line1": "Dam 1", "city": "Amsterdam", "country": "NL" });
    json!({ "customerId": who.customer_id(), "shipping": shipping, "shippingMethod": "post",
        "shippingAddress": address, "lines": [line("tea", 1, "20.00")] })
}

async fn membership(shop: &TestApp, who: &Caller) -> Json {
    let server = shop.as_server().await;
    let query = "query ($id: ID!) { customer(id: $id) { membership { state entitled
        savings { asMember orders saved { amount } fee { amount } net { amount } breakEvenOrders } } } }";
    shop.graphql(&server, query, json!({ "id": who.customer_id() })).await.at("/customer/membership").clone()
}

async fn would_have_saved(shop: &TestApp, who: &Caller) -> Json {
    let server = shop.as_server().await;
    let query = "query ($id: ID) { membershipSavings(plan: \"plus\", customerId: $id) {
        asMember orders saved { amount } fee { amount } net { amount } breakEvenOrders } }";
    shop.graphql(&server, query, json!({ "id": who.customer_id() })).await.at("/membershipSavings").clone()
}

async fn with_plan(shop: &TestApp) -> (Caller, Caller) {
    let server = shop.as_server().await;
    standard_post(shop, &server, "4.95").await;
    shop.plan("plus", json!({ "freeShipping": {} })).await;
    let joan = shop.as_customer().await;
    (server, joan)
}

fn told(as_member: bool) -> Json {
    let money = |amount: &str| json!({ "amount": amount });
    json!({ "asMember": as_member, "orders": 3, "saved": money("14.85"), "fee": money("9.99"), "net": money("4.86"),
        "breakEvenOrders": 3 })
}

both_engines! {
    async fn three_orders_of_495_save_1485_and_leave_486_of_a_fee_of_999(shop: &TestApp) {
        let (server, joan) = with_plan(shop).await;
        let eve = shop.as_customer().await;
        shop.join(&joan, "plus").await;
        let mut orders = Vec::new();
        for _ in 0..4 {
            orders.push(shop.record(&server, order(&joan, "0.00")).await);
            orders.push(shop.record(&server, order(&eve, "4.95")).await);
        }
        // One of each comes back whole, and does not count any more.
        for order in &orders[..2] {
            shop.step(&server, "orderPay", order).await;
            shop.step(&server, "orderShip", order).await;
            shop.give_back(&server, order, 1).await;
        }
        assert_eq!(membership(shop, &joan).await["savings"], told(true));
        assert_eq!(would_have_saved(shop, &eve).await, told(false));
        // A member saved it: would have saved nothing more.
        assert_eq!(would_have_saved(shop, &joan).await["orders"], 0);
        // Prices that change later change nothing of that.
        standard_post(shop, &server, "9.95").await;
        shop.plan("plus", json!({})).await;
        assert_eq!(membership(shop, &joan).await["savings"], told(true));
        assert_eq!(would_have_saved(shop, &eve).await, told(false));
    }

    async fn an_order_that_a_membership_is_joined_with_is_paid_once_that_is_charged(shop: &TestApp) {
        let (server, joan) = with_plan(shop).await;
        let begun = shop.begin_membership(&joan, "plus").await;
        let id = begun["membership"]["id"].clone();
        let mut joined = order(&joan, "0.00");
        joined["membershipId"] = id.clone();
        let order = shop.record(&server, joined.clone()).await;
        let pay = json!({ "id": order["id"] });
        let refused = shop.mutate(&server, "orderPay", pay.clone()).await;
        refused.assert_user_error("MEMBERSHIP_NOT_CHARGED");
        let message = refused.payload()["userErrors"][0]["message"].as_str().unwrap();
        assert!(message.contains("4.95 EUR of shipping is due"), "{message}");
        // Another order cannot be joined with it too.
        let again = shop.order_input(joined);
        shop.refused(&server, "orderRecord", again, "NOT_FOUND").await;
        assert_eq!(shop.confirm_membership(&begun, "declined").await, 402);
        shop.mutate(&server, "orderPay", pay.clone()).await.assert_user_error("MEMBERSHIP_NOT_CHARGED");
        // Nobody told us that it was paid: it is looked up.
        let confirmed = json!({ "clientSecret": begun["confirmation"]["clientSecret"], "card": "pays" });
        let path = "/sandbox/confirm";
        shop.serving.request(reqwest::Method::POST, path).json(&confirmed).send().await.unwrap();
        assert_eq!(shop.done(&server, "orderPay", pay).await["order"]["state"], "PAID");
        assert_eq!(membership(shop, &joan).await["state"], "ACTIVE");
        // The fee goes back with the order.
        shop.step(&server, "orderCancel", &order).await;
        arm_recurring(&shop.app).await.unwrap();
        shop.clock.advance(TimeDelta::minutes(1));
        shop.run_jobs().await;
        assert_eq!(membership(shop, &joan).await, Json::Null);
        let query = "{ memberships(first: 1) { nodes { endedBecause charges { status } } } }";
        let ended = shop.graphql(&server, query, json!({})).await;
        let expected = json!({ "endedBecause": "WITHDRAWN", "charges": [{ "status": "REFUNDED" }] });
        assert_eq!(*ended.at("/memberships/nodes/0"), expected);
    }

    async fn an_order_goes_on_without_the_membership_and_shipping_is_due(shop: &TestApp) {
        let (server, joan) = with_plan(shop).await;
        let begun = shop.begin_membership(&joan, "plus").await;
        let mut joined = order(&joan, "0.00");
        joined["membershipId"] = begun["membership"]["id"].clone();
        let eve = shop.as_customer().await;
        let mut foreign = order(&eve, "0.00");
        foreign["membershipId"] = begun["membership"]["id"].clone();
        shop.refused(&server, "orderRecord", shop.order_input(foreign), "NOT_FOUND").await;
        let order = shop.record(&server, joined).await;
        assert_eq!(order["total"]["amount"], "20.00");
        let pay = json!({ "id": order["id"], "withoutMembership": true });
        let paid = shop.done(&server, "orderPay", pay).await["order"].clone();
        assert_eq!((&paid["state"], &paid["total"]["amount"]), (&json!("PAID"), &json!("24.95")));
        assert_eq!(membership(shop, &joan).await, Json::Null);
        shop.run_jobs().await;
        assert_eq!(shop.confirm_membership(&begun, "pays").await, 404);
    }

    async fn an_order_stays_joined_while_its_buyer_tries_another_way_to_pay(shop: &TestApp) {
        let (server, joan) = with_plan(shop).await;
        let begun = shop.begin_membership(&joan, "plus").await;
        let mut joined = order(&joan, "0.00");
        joined["membershipId"] = begun["membership"]["id"].clone();
        let order = shop.record(&server, joined).await;
        let page = json!({ "plan": "plus", "payOn": "PAGE", "successUrl": "http://127.0.0.1:8080/in" });
        let begun = shop.done(&joan, "membershipJoin", page).await;
        let url = begun["checkoutUrl"].as_str().unwrap();
        let path = &url[url.find("/sandbox/").unwrap()..];
        let pays = shop.serving.request(reqwest::Method::POST, path).form(&[("card", "pays")]).build().unwrap();
        let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        assert_eq!(browser.execute(pays).await.unwrap().status(), 303);
        assert_eq!(shop.done(&server, "orderPay", json!({ "id": order["id"] })).await["order"]["state"], "PAID");
        assert_eq!(membership(shop, &joan).await["state"], "ACTIVE");
        // What is paid is no page of its own.
        let subscription = path.replace("/sandbox/page_", "/sandbox/sub_page_");
        for path in [path, &subscription] {
            let gone = shop.serving.request(reqwest::Method::GET, path).send().await.unwrap();
            assert_eq!(gone.status(), 404, "{path}");
        }
    }

    async fn a_membership_whose_benefit_was_used_is_not_withdrawn_from(shop: &TestApp) {
        let (server, joan) = with_plan(shop).await;
        let id = shop.join(&joan, "plus").await;
        shop.record(&server, order(&joan, "0.00")).await;
        let withdraw = json!({ "membershipId": id, "when": "WITHDRAW" });
        shop.refused(&joan, "membershipCancel", withdraw, "BENEFIT_USED").await;
    }

    async fn members_earn_more_by_a_rule_for_their_plan(shop: &TestApp) {
        let (server, joan) = with_plan(shop).await;
        let owner = shop.as_staff(entity::staff::Role::Owner).await;
        let conditions = json!({ "plans": ["plus"] });
        let rule = json!({ "code": "members", "name": "Members", "multiplier": "2", "conditions": conditions });
        let unknown = json!({ "code": "m2", "name": "M", "multiplier": "2", "conditions": { "plans": ["gold"] } });
        shop.refused(&owner, "earningRuleDraft", unknown, "INVALID").await;
        let rule = shop.done(&owner, "earningRuleDraft", rule).await["rule"].clone();
        shop.done(&owner, "earningRulePublish", json!({ "ruleId": rule["id"] })).await;
        let earned = async || {
            let order = shop.record(&server, order(&joan, "0.00")).await;
            shop.step(&server, "orderPay", &order).await;
            shop.sums(&server, joan.customer_id()).await
        };
        let before = earned().await;
        shop.join(&joan, "plus").await;
        let after = earned().await;
        assert_eq!((before[0] + before[1], after[0] + after[1]), (20, 60));
    }
}
