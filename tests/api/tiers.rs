//! Tiers: reached at once by what counts, lost with what comes back, ended by time with grace and notice.

use chrono::{DateTime, TimeDelta, Utc};
use entity::outbox;
use entity::staff::Role;
use futures_util::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, import, line};

const TIER: &str =
    "tier { tier { code } until lostAt given { code } givenUntil counted countedSince next { code }
    missing missingToKeep changes { number from to cause reason } }";

fn silver_and_gold() -> Json {
    json!([{ "code": "silver", "name": "Silver", "threshold": "100" },
        { "code": "gold", "name": "Gold", "threshold": "500", "benefits": ["Free shipping"], "earlyAccess": true }])
}

/// The shop has silver from 100 and gold from 500, and whatever else `programme` says.
async fn set_tiers(shop: &TestApp, mut programme: Json) {
    if programme.get("tiers").is_none() {
        programme["tiers"] = silver_and_gold();
    }
    shop.set(json!({ "tiers": programme })).await;
    recomputed(shop).await;
}

/// Every member has been looked at anew.
async fn recomputed(shop: &TestApp) {
    shop.clock.advance(TimeDelta::seconds(5));
    shop.run_jobs().await;
}

async fn tier(shop: &TestApp, server: &Caller, member: &Caller) -> Json {
    let query = format!("query ($id: ID!) {{ customer(id: $id) {{ {TIER} }} }}");
    shop.graphql(server, &query, json!({ "id": member.customer_id() })).await.at("/customer/tier").clone()
}

async fn code(shop: &TestApp, server: &Caller, member: &Caller) -> Json {
    tier(shop, server, member).await["tier"]["code"].clone()
}

/// Its changes, the first first: from, to and cause.
async fn changes(shop: &TestApp, server: &Caller, member: &Caller) -> Json {
    let told = tier(shop, server, member).await;
    let changes = told["changes"].as_array().unwrap().iter().rev();
    changes.map(|change| json!([change["from"], change["to"], change["cause"]])).collect()
}

async fn bought(shop: &TestApp, server: &Caller, member: &Caller, total: &str, pieces: i64) -> Json {
    let order = shop.place(server, member.customer_id(), total, pieces).await;
    shop.step(server, "orderPay", &order).await
}

fn moved_to(shop: &TestApp, at: &str) {
    shop.clock.advance(at.parse::<DateTime<Utc>>().unwrap() - shop.clock.now());
}

async fn sweep(shop: &TestApp) {
    regulars::worker::arm_recurring(&shop.app).await.unwrap();
    shop.clock.advance(TimeDelta::minutes(1));
    shop.run_jobs().await;
}

/// What was told of tiers, the first first.
async fn told(shop: &TestApp) -> Vec<(String, Json)> {
    let of_tiers = outbox::Column::Topic.starts_with("tier.");
    let told = outbox::Entity::find().filter(of_tiers).order_by_asc(outbox::Column::Seq);
    let events = told.all(&shop.app.db.read).await.unwrap();
    events.into_iter().map(|event| (event.topic, event.payload["to"].clone())).collect()
}

fn topics(told: &[(String, Json)]) -> Vec<&str> {
    told.iter().map(|(topic, _)| topic.as_str()).collect()
}

both_engines! {
    async fn a_tier_is_reached_at_once_and_lost_with_what_comes_back(shop: &TestApp) {
        let server = shop.as_server().await;
        set_tiers(shop, json!({})).await;
        let joan = shop.as_member(&server, 40).await;
        let below = tier(shop, &server, &joan).await;
        assert_eq!(below["tier"], json!(null));
        assert_eq!(
            [&below["counted"], &below["countedSince"], &below["next"]["code"], &below["missing"]],
            [&json!("40"), &json!("2026-01-01"), &json!("silver"), &json!("60")]
        );
        let order = bought(shop, &server, &joan, "461.00", 461).await;
        let gold = tier(shop, &server, &joan).await;
        // Reached in 2026, so it lasts until the end of 2027 in Amsterdam.
        assert_eq!(
            [&gold["tier"]["code"], &gold["counted"], &gold["until"], &gold["next"], &gold["missingToKeep"]],
            [&json!("gold"), &json!("501"), &json!("2027-12-31T23:00:00+00:00"), &json!(null), &json!("500")]
        );
        shop.give_back(&server, &order, 1).await;
        assert_eq!(code(shop, &server, &joan).await, "gold");
        shop.give_back(&server, &order, 1).await;
        assert_eq!(code(shop, &server, &joan).await, "silver");
        shop.step(&server, "orderCancel", &order).await;
        assert_eq!(tier(shop, &server, &joan).await["counted"], "40");
        let expected = json!([
            [null, "gold", "REACHED"], ["gold", "silver", "RETURNED"], ["silver", null, "RETURNED"]
        ]);
        assert_eq!(changes(shop, &server, &joan).await, expected);
        assert_eq!(topics(&told(shop).await), ["tier.upgraded", "tier.downgraded", "tier.downgraded"]);
    }

    async fn points_that_came_back_are_taken_from_the_year_in_which_they_were_earned(shop: &TestApp) {
        let server = shop.as_server().await;
        set_tiers(shop, json!({})).await;
        let joan = shop.as_member(&server, 0).await;
        let order = bought(shop, &server, &joan, "600.00", 6).await;
        moved_to(shop, "2027-02-01T12:00:00Z");
        shop.give_back(&server, &order, 2).await;
        let silver = tier(shop, &server, &joan).await;
        // 600 - 200 = 400 in 2026 carry silver until the end of 2027; in 2027 nothing counted.
        assert_eq!(
            [&silver["tier"]["code"], &silver["counted"], &silver["until"], &silver["missingToKeep"]],
            [&json!("silver"), &json!("0"), &json!("2027-12-31T23:00:00+00:00"), &json!("100")]
        );
    }

    async fn what_is_spent_counts_without_shipping_and_without_what_points_paid(shop: &TestApp) {
        let server = shop.as_server().await;
        set_tiers(shop, json!({ "basis": "SPEND", "currency": "EUR" })).await;
        let joan = shop.as_member(&server, 5_000).await;
        assert_eq!(tier(shop, &server, &joan).await["counted"], "0.00");
        let hold = json!({ "customerId": joan.customer_id(), "points": 5_000, "currency": "EUR" });
        let set_aside = shop.done(&server, "pointsHold", hold).await["hold"]["id"].clone();
        // 150.00 of goods, of which 5,000 points pay 50.00.
        let order = json!({ "customerId": joan.customer_id(), "holdId": set_aside, "shipping": "4.95",
            "lines": [line("A-1", 3, "150.00")] });
        let order = shop.record(&server, order).await;
        shop.step(&server, "orderPay", &order).await;
        let silver = tier(shop, &server, &joan).await;
        assert_eq!([&silver["tier"]["code"], &silver["counted"]], [&json!("silver"), &json!("100.00")]);
        // One of three pieces: 33.33 of 100.00 come back.
        shop.give_back(&server, &order, 1).await;
        let none = tier(shop, &server, &joan).await;
        assert_eq!([&none["tier"], &none["counted"], &none["missing"]], [&json!(null), &json!("66.67"), &json!("33.33")]);
        let dollars = json!({ "customerId": joan.customer_id(), "currency": "USD", "lines": [line("B-1", 1, "900.00")] });
        let dollars = shop.record(&server, dollars).await;
        shop.step(&server, "orderPay", &dollars).await;
        assert_eq!(tier(shop, &server, &joan).await["counted"], "66.67");
    }

    async fn orders_that_are_paid_at_once_all_count_and_a_tier_is_reached_once(shop: &TestApp) {
        let server = shop.as_server().await;
        set_tiers(shop, json!({})).await;
        let joan = shop.as_member(&server, 0).await;
        let mut orders = Vec::new();
        for _ in 0..20 {
            orders.push(shop.place(&server, joan.customer_id(), "10.00", 1).await);
        }
        join_all(orders.iter().map(|order| shop.step(&server, "orderPay", order))).await;
        let silver = tier(shop, &server, &joan).await;
        assert_eq!([&silver["tier"]["code"], &silver["counted"]], [&json!("silver"), &json!("200")]);
        join_all(orders[..11].iter().map(|order| shop.give_back(&server, order, 1))).await;
        assert_eq!(tier(shop, &server, &joan).await["counted"], "90");
        let expected = json!([[null, "silver", "REACHED"], ["silver", null, "RETURNED"]]);
        assert_eq!(changes(shop, &server, &joan).await, expected);
    }

    async fn a_tier_ends_with_its_period_after_notice_and_grace(shop: &TestApp) {
        let server = shop.as_server().await;
        set_tiers(shop, json!({ "graceDays": 10, "noticeDays": 30 })).await;
        let joan = shop.as_member(&server, 500).await;
        moved_to(shop, "2027-06-01T12:00:00Z");
        shop.done(&server, "pointsEarn", json!({ "customerId": joan.customer_id(), "points": 100, "reason": "a review" })).await;
        let gold = tier(shop, &server, &joan).await;
        assert_eq!([&gold["tier"]["code"], &gold["missingToKeep"]], [&json!("gold"), &json!("400")]);
        assert_eq!(gold["lostAt"], "2028-01-10T23:00:00+00:00");
        moved_to(shop, "2027-12-11T22:00:00Z");
        sweep(shop).await;
        assert_eq!(topics(&told(shop).await), ["tier.upgraded"]);
        moved_to(shop, "2027-12-11T23:00:00Z");
        sweep(shop).await;
        sweep(shop).await;
        assert_eq!(topics(&told(shop).await), ["tier.upgraded", "tier.ending"], "told once");
        moved_to(shop, "2028-01-10T22:00:00Z");
        sweep(shop).await;
        assert_eq!(code(shop, &server, &joan).await, "gold", "in grace");
        moved_to(shop, "2028-01-10T23:00:00Z");
        sweep(shop).await;
        // 100 points of 2027 carry silver until the end of 2028.
        let silver = tier(shop, &server, &joan).await;
        assert_eq!([&silver["tier"]["code"], &silver["until"]], [&json!("silver"), &json!("2028-12-31T23:00:00+00:00")]);
        assert_eq!(changes(shop, &server, &joan).await, json!([[null, "gold", "REACHED"], ["gold", "silver", "PERIOD_ENDED"]]));
    }

    async fn two_workers_end_a_tier_once(shop: &TestApp) {
        let server = shop.as_server().await;
        set_tiers(shop, json!({ "noticeDays": 0 })).await;
        let joan = shop.as_member(&server, 500).await;
        let other = shop.another_instance().await;
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        moved_to(shop, "2028-01-01T12:00:00Z");
        let work = [&shop.app, &other].map(regulars::worker::run_due);
        for ran in join_all(work).await {
            ran.unwrap();
        }
        other.db.clone().close().await.unwrap();
        shop.run_jobs().await;
        assert_eq!(changes(shop, &server, &joan).await, json!([[null, "gold", "REACHED"], ["gold", null, "PERIOD_ENDED"]]));
        assert_eq!(topics(&told(shop).await), ["tier.upgraded", "tier.downgraded"]);
    }

    async fn a_rule_for_a_tier_multiplies_what_its_members_earn(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let rule = |tier: &str| json!({ "code": "gold-double", "name": "Gold members earn double", "multiplier": "2",
            "conditions": { "tiers": [tier] } });
        shop.refused(&owner, "earningRuleDraft", rule("gold"), "INVALID").await;
        set_tiers(shop, json!({})).await;
        let drafted = shop.done(&owner, "earningRuleDraft", rule("gold")).await;
        shop.done(&owner, "earningRulePublish", json!({ "ruleId": drafted["rule"]["id"] })).await;
        let joan = shop.as_member(&server, 0).await;
        // The order that reaches gold is earned as the member that she was before it.
        bought(shop, &server, &joan, "500.00", 1).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [500, 0, 0, 0]);
        let cart = json!({ "currency": "EUR", "lines": [{ "lineTotal": "30.00" }] });
        let preview = "query ($cart: PointsPreviewInput!) { pointsPreview(cart: $cart) { earned } }";
        let promised = shop.graphql(&joan, preview, json!({ "cart": cart })).await;
        assert_eq!(promised.at("/pointsPreview/earned"), 60);
        bought(shop, &server, &joan, "30.00", 1).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [560, 0, 0, 0]);
        let jane = shop.as_member(&server, 0).await;
        bought(shop, &server, &jane, "30.00", 1).await;
        assert_eq!(shop.sums(&server, jane.customer_id()).await, [30, 0, 0, 0]);
        let entries = "query ($id: ID!) { customer(id: $id) { points { entries(first: 2) { nodes { id } } } } }";
        let entries = shop.graphql(&server, entries, json!({ "id": joan.customer_id() })).await;
        let explain = "query ($id: ID!) { explainPoints(entryId: $id) { rule ruleName } }";
        let entry = entries.at("/customer/points/entries/nodes/0/id");
        let why = shop.graphql(&joan, explain, json!({ "id": entry })).await;
        assert_eq!(why.at("/explainPoints/ruleName"), "Gold members earn double");
    }

    async fn a_change_of_the_programme_looks_at_everybody_for_whom_something_counted(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, jane) = (shop.as_member(&server, 300).await, shop.as_member(&server, 0).await);
        bought(shop, &server, &jane, "600.00", 1).await;
        assert_eq!(tier(shop, &server, &joan).await, json!(null), "a shop without tiers has none to show");
        // What counted before there were tiers counts.
        set_tiers(shop, json!({})).await;
        let both = [code(shop, &server, &joan).await, code(shop, &server, &jane).await];
        assert_eq!(both, [json!("silver"), json!("gold")]);
        set_tiers(shop, json!({ "basis": "SPEND", "window": "LIFETIME" })).await;
        let both = [code(shop, &server, &joan).await, code(shop, &server, &jane).await];
        assert_eq!(both, [json!(null), json!("gold")]);
        assert_eq!(tier(shop, &server, &jane).await["until"], json!(null));
        set_tiers(shop, json!({ "tiers": [{ "code": "club", "name": "Club", "threshold": "250" }] })).await;
        let both = [code(shop, &server, &joan).await, code(shop, &server, &jane).await];
        assert_eq!(both, [json!("club"), json!("club")]);
        set_tiers(shop, json!({ "tiers": [] })).await;
        assert_eq!(tier(shop, &server, &joan).await, json!(null));
        let expected = json!([[null, "silver", "PROGRAMME_CHANGED"], ["silver", null, "PROGRAMME_CHANGED"],
            [null, "club", "PROGRAMME_CHANGED"], ["club", null, "PROGRAMME_CHANGED"]]);
        set_tiers(shop, json!({ "tiers": [{ "code": "far", "name": "Far", "threshold": "9999" }] })).await;
        assert_eq!(changes(shop, &server, &joan).await, expected);
    }

    async fn staff_give_a_tier_with_a_reason_and_take_it_back(shop: &TestApp) {
        let (server, staff) = (shop.as_server().await, shop.as_staff(Role::Manager).await);
        set_tiers(shop, json!({})).await;
        let joan = shop.as_member(&server, 100).await;
        let give = |tier: Json, until: Json| json!({ "customerId": joan.customer_id(), "tier": tier, "until": until,
            "reason": "Years with us before this programme" });
        shop.refused(&staff, "customerTierSet", give(json!("bronze"), json!(null)), "UNKNOWN_TIER").await;
        shop.refused(&staff, "customerTierSet", give(json!("gold"), json!("2026-01-01T00:00:00Z")), "INVALID").await;
        shop.refused(&staff, "customerTierSet", give(json!(null), json!("2027-01-01T00:00:00Z")), "INVALID").await;
        shop.done(&staff, "customerTierSet", give(json!("gold"), json!("2026-06-01T00:00:00Z"))).await;
        let gold = tier(shop, &server, &joan).await;
        assert_eq!([&gold["tier"]["code"], &gold["given"]["code"], &gold["until"]],
            [&json!("gold"), &json!("gold"), &json!("2026-06-01T00:00:00+00:00")]);
        assert_eq!(gold["changes"][0]["reason"], "Years with us before this programme");
        let own = shop.graphql(&joan, "{ me { tier { changes { cause reason } } } }", json!({})).await;
        assert_eq!(own.at("/me/tier/changes/0"), &json!({ "cause": "STAFF", "reason": null }));
        // What was given outlives a programme without that tier.
        set_tiers(shop, json!({ "tiers": [{ "code": "silver", "name": "Silver", "threshold": "100" }] })).await;
        assert_eq!(code(shop, &server, &joan).await, "silver");
        set_tiers(shop, json!({})).await;
        assert_eq!(code(shop, &server, &joan).await, "gold");
        let staff = shop.as_staff(Role::Manager).await;
        shop.done(&staff, "customerTierSet", give(json!("gold"), json!(null))).await;
        assert_eq!(tier(shop, &server, &joan).await["until"], json!(null));
        shop.done(&staff, "customerTierSet", give(json!(null), json!(null))).await;
        assert_eq!(code(shop, &server, &joan).await, "silver");
        let acts: Vec<String> = shop.audited(joan.customer_id()).await.into_iter().map(|(act, _, _)| act).collect();
        assert_eq!(acts.iter().filter(|act| *act == "customer.tier").count(), 3);
    }

    async fn wrong_tiers_are_refused(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let tier = |code: &str, threshold: &str| json!({ "code": code, "name": "A tier", "threshold": threshold });
        for (wrong, field) in [
            (json!({ "tiers": [tier("a", "5"), tier("b", "5")] }), "tiers"),
            (json!({ "tiers": [tier("a", "5"), tier("a", "6")] }), "tiers"),
            (json!({ "tiers": [tier("A b", "5")] }), "code"),
            (json!({ "tiers": [tier("a", "0")] }), "threshold"),
            (json!({ "tiers": [tier("a", "1.5")] }), "threshold"),
            (json!({ "tiers": [tier("a", "1.505")], "basis": "SPEND" }), "threshold"),
            (json!({ "tiers": [], "currency": "EUR" }), "currency"),
            (json!({ "tiers": [], "graceDays": 366 }), "graceDays"),
        ] {
            let input = json!({ "expectedVersion": 0, "tiers": wrong });
            let refused = shop.refused(&owner, "shopSettingsUpdate", input, "INVALID").await;
            assert_eq!(refused.user_errors()[0]["field"][1], "tiers");
            assert_eq!(refused.user_errors()[0]["field"].as_array().unwrap().last().unwrap(), field);
        }
    }

    async fn what_a_guest_bought_counts_for_the_member_that_the_guest_proves_to_be(shop: &TestApp) {
        let server = shop.as_server().await;
        set_tiers(shop, json!({})).await;
        let order = json!({ "email": "guest@example.com", "lines": [line("A-1", 1, "120.00")] });
        let order = shop.record(&server, order).await;
        shop.step(&server, "orderPay", &order).await;
        let joan = shop.as_customer_at("guest@example.com").await;
        assert_eq!(changes(shop, &server, &joan).await, json!([[null, "silver", "MERGED"]]));
    }

    async fn two_customers_who_are_one_have_the_tier_of_both(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        set_tiers(shop, json!({})).await;
        let (joan, jane) = (shop.as_member(&server, 300).await, shop.as_member(&server, 150).await);
        let order = bought(shop, &server, &jane, "60.00", 6).await;
        let merge = json!({ "fromId": jane.customer_id(), "intoId": joan.customer_id(), "reason": "the same" });
        shop.done(&owner, "customerMerge", merge).await;
        let gold = tier(shop, &server, &joan).await;
        assert_eq!([&gold["tier"]["code"], &gold["counted"]], [&json!("gold"), &json!("510")]);
        shop.give_back(&server, &order, 2).await;
        assert_eq!(tier(shop, &server, &joan).await["counted"], "490");
        assert_eq!(code(shop, &server, &joan).await, "silver");
    }

    async fn an_imported_order_counts_on_the_day_that_it_was_placed_and_triggers_nothing(shop: &TestApp) {
        let server = shop.as_server().await;
        let one = json!([{ "code": "some", "name": "Some", "threshold": "1" }]);
        set_tiers(shop, json!({ "tiers": one, "window": "ROLLING_12_MONTHS" })).await;
        let joan = shop.as_customer_at("joan@example.com").await;
        import(shop, "joan@example.com").await;
        let some = tier(shop, &server, &joan).await;
        // Placed on 1 March 2025: twelve months old on 1 March 2026.
        assert_eq!([&some["tier"]["code"], &some["until"]], [&json!("some"), &json!("2026-02-28T23:00:00+00:00")]);
        assert_eq!(some["countedSince"], "2025-01-16");
        let upgraded = outbox::Entity::find().filter(outbox::Column::Topic.eq("tier.upgraded"));
        let upgraded = upgraded.one(&shop.app.db.read).await.unwrap().unwrap();
        assert!(upgraded.imported);
    }
}
