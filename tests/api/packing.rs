//! What the shop packs with orders: told at once to whoever records them, by rules that look at buyer and order.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, line};

async fn rule(shop: &TestApp, code: &str, text: &str, mut rule: Json) -> Json {
    let owner = shop.as_staff(Role::Owner).await;
    rule["code"] = json!(code);
    if rule.get("texts").is_none() {
        rule["texts"] = json!([{ "locale": "en", "text": text }]);
    }
    shop.done(&owner, "packingRuleUpsert", rule).await["rule"].clone()
}

/// The codes of the rules that an order got.
async fn packed(shop: &TestApp, server: &Caller, order: Json) -> Json {
    let order = shop.record(server, order).await;
    order["packingInstructions"].as_array().unwrap().iter().map(|one| one["rule"].clone()).collect()
}

both_engines! {
    async fn each_condition_says_which_orders_get_an_instruction(shop: &TestApp) {
        let server = shop.as_server().await;
        let tiers = json!([{ "code": "gold", "name": "Gold", "threshold": "100" }]);
        shop.set(json!({ "tiers": { "tiers": tiers } })).await;
        let (gold, new) = (shop.as_member(&server, 100).await, shop.as_member(&server, 0).await);
        let lines = json!([line("tea", 1, "49.99"), line("pot", 1, "0.01")]);
        let order = |who: &Caller| json!({ "customerId": who.customer_id(), "lines": lines });
        assert_eq!(packed(shop, &server, order(&gold)).await, json!([]));
        let (soon, now) = (shop.clock.now() + TimeDelta::seconds(1), shop.clock.now());
        for (code, conditions) in [
            ("all", json!({})),
            ("by-sku", json!({ "skus": ["tea"] })),
            ("by-tier", json!({ "tiers": ["gold"] })),
            ("enough", json!({ "minimum": { "amount": "50.00", "currency": "EUR" } })),
            ("first", json!({ "nthPurchase": 1 })),
            ("more", json!({ "minimum": { "amount": "50.01", "currency": "EUR" } })),
            ("other-sku", json!({ "skus": ["cup"] })),
            ("second", json!({ "nthPurchase": 2 })),
        ] {
            rule(shop, code, "A card", json!({ "conditions": conditions })).await;
        }
        rule(shop, "later", "A card", json!({ "startsAt": soon })).await;
        rule(shop, "over", "A card", json!({ "endsAt": now })).await;
        rule(shop, "off", "A card", json!({ "active": false })).await;
        assert_eq!(packed(shop, &server, order(&gold)).await, json!(["all", "by-sku", "by-tier", "enough", "first"]));
        // Not paid, it was no purchase; the one that is paid at once is the first, the next the second.
        let mut paid = order(&new);
        paid["state"] = json!("PAID");
        assert_eq!(packed(shop, &server, paid).await, json!(["all", "by-sku", "enough", "first"]));
        assert_eq!(packed(shop, &server, order(&new)).await, json!(["all", "by-sku", "enough", "second"]));
        let guest = json!({ "email": "guest@example.org", "lines": lines });
        assert_eq!(packed(shop, &server, guest).await, json!(["all", "by-sku", "enough", "first"]));
        let cancelled = json!({ "email": "guest@example.org", "lines": lines, "state": "CANCELLED" });
        assert_eq!(packed(shop, &server, cancelled).await, json!([]));
    }

    async fn an_order_keeps_its_instructions_in_its_language_for_the_shop_only(shop: &TestApp) {
        let server = shop.as_server().await;
        let texts = json!([{ "locale": "nl", "text": "Bedankt!\nTot gauw" }, { "locale": "en", "text": "Thank you!" }]);
        rule(shop, "note", "", json!({ "texts": texts })).await;
        let joan = shop.as_member(&server, 0).await;
        let dutch = json!({ "customerId": joan.customer_id(), "locale": "nl-BE" });
        let order = shop.record(&server, dutch).await;
        let note = json!([{ "rule": "note", "text": "Bedankt!\nTot gauw" }]);
        assert_eq!(order["packingInstructions"], note);
        let other = json!({ "customerId": joan.customer_id(), "locale": "fr" });
        assert_eq!(shop.record(&server, other).await["packingInstructions"][0]["text"], "Thank you!");
        // A rule that changes is for orders to come.
        rule(shop, "note", "", json!({ "texts": texts, "active": false })).await;
        let query = "query ($id: ID) { order(id: $id) { packingInstructions { rule text } } }";
        let analyst = shop.as_staff(Role::Analyst).await;
        for (caller, expected) in [(&server, &note), (&analyst, &note), (&joan, &json!([]))] {
            let answer = shop.graphql(caller, query, json!({ "id": order["id"] })).await;
            assert_eq!(answer.at("/order/packingInstructions"), expected);
        }
        let later = json!({ "customerId": joan.customer_id() });
        assert_eq!(shop.record(&server, later).await["packingInstructions"], json!([]));
    }

    async fn a_rule_that_several_state_at_once_is_one(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let stated = |number: i64| json!({ "code": "note", "texts": [{ "locale": "en", "text": format!("Card {number}") }] });
        let all = join_all((0..8).map(|number| shop.mutate(&owner, "packingRuleUpsert", stated(number)))).await;
        assert!(all.iter().all(|answer| answer.payload()["rule"]["code"] == "note"));
        let query = "{ packingRules { totalCount nodes { code active startsAt endsAt texts { locale } } } }";
        let answer = shop.graphql(&owner, query, json!({})).await;
        let one = json!({ "code": "note", "active": true, "startsAt": null, "endsAt": null, "texts": [{ "locale": "en" }] });
        assert_eq!(answer.at("/packingRules"), &json!({ "totalCount": 1, "nodes": [one] }));
        let server = shop.as_server().await;
        shop.graphql(&server, query, json!({})).await.assert_error("FORBIDDEN");
    }

    async fn what_a_rule_cannot_be_is_refused(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let text = |locale: &str, text: &str| json!({ "locale": locale, "text": text });
        let now = shop.clock.now();
        for (change, field) in [
            (json!({ "code": "A" }), "code"),
            (json!({ "texts": [] }), "texts"),
            (json!({ "texts": [text("english", "x")] }), "texts"),
            (json!({ "texts": [text("en", " ")] }), "texts"),
            (json!({ "texts": [text("en", "a\tb")] }), "texts"),
            (json!({ "texts": [text("en", &"x".repeat(2_001))] }), "texts"),
            (json!({ "texts": [text("en", "x"), text("EN", "y")] }), "texts"),
            (json!({ "startsAt": now, "endsAt": now }), "endsAt"),
            (json!({ "conditions": { "nthPurchase": 0 } }), "purchase"),
            (json!({ "conditions": { "nthPurchase": 1, "everyNthPurchase": 1 } }), "nthPurchase"),
        ] {
            let mut rule = json!({ "code": "note", "texts": [text("en", "x")] });
            rule.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let refused = shop.refused(&owner, "packingRuleUpsert", rule, "INVALID").await;
            assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["input", field]));
        }
    }
}
