//! Rules by which points are earned: drafted, tried, published, retired, and named by what they gave.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, line};

/// Drafts and publishes a rule at once; answers its id.
async fn in_force(shop: &TestApp, owner: &Caller, rule: Json) -> String {
    let drafted = shop.done(owner, "earningRuleDraft", rule).await;
    let id = drafted["rule"]["id"].as_str().unwrap().to_owned();
    shop.done(owner, "earningRulePublish", json!({ "ruleId": id })).await;
    id
}

fn double_tea() -> Json {
    json!({ "code": "double-tea", "name": "Double points on tea", "multiplier": "2",
        "conditions": { "categories": ["tea"] } })
}

fn tea(total: &str) -> Json {
    let mut tea = line("T-1", 1, total);
    tea["categories"] = json!(["tea"]);
    tea["name"] = json!("Green tea");
    tea
}

/// Records and pays an order of these lines.
async fn bought(shop: &TestApp, server: &Caller, joan: &Caller, lines: Json) -> Json {
    let order = shop.record(server, json!({ "customerId": joan.customer_id(), "lines": lines })).await;
    shop.step(server, "orderPay", &order).await
}

/// The entries of Joan's account, the newest first.
async fn entries(shop: &TestApp, server: &Caller, joan: &Caller) -> Vec<Json> {
    let query = "query ($id: ID!) { customer(id: $id) { points { entries(first: 50) { nodes {
        id kind points rule ruleVersion } } } } }";
    let answer = shop.graphql(server, query, json!({ "id": joan.customer_id() })).await;
    answer.at("/customer/points/entries/nodes").as_array().unwrap().clone()
}

async fn explained(shop: &TestApp, caller: &Caller, entry: &Json) -> Json {
    let query = "query ($id: ID!) { explainPoints(entryId: $id) { text ruleName rule ruleVersion } }";
    shop.graphql(caller, query, json!({ "id": entry["id"] })).await.at("/explainPoints").clone()
}

both_engines! {
    async fn a_rule_gives_from_when_it_is_published_until_it_is_retired(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_member(&server, 0).await;
        let drafted = shop.done(&owner, "earningRuleDraft", double_tea()).await;
        let id = &drafted["rule"]["id"];
        bought(shop, &server, &joan, json!([tea("10.00")])).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [10, 0, 0, 0]);
        let from = shop.clock.now() + TimeDelta::hours(1);
        let published = shop.done(&owner, "earningRulePublish", json!({ "ruleId": id, "from": from })).await;
        assert_eq!(published["rule"]["versions"][0]["state"], "SCHEDULED");
        bought(shop, &server, &joan, json!([tea("10.00")])).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [20, 0, 0, 0]);
        shop.clock.advance(TimeDelta::hours(1));
        bought(shop, &server, &joan, json!([tea("10.00"), line("C-1", 1, "7.00")])).await;
        // 10 and 7 at the programme's rate, 10 more for the tea.
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [47, 0, 0, 0]);
        let owner = shop.as_staff(Role::Owner).await;
        let retired = shop.done(&owner, "earningRuleRetire", json!({ "ruleId": id })).await;
        assert_eq!(retired["rule"]["versions"][0]["state"], "RETIRED");
        bought(shop, &server, &joan, json!([tea("10.00")])).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [57, 0, 0, 0]);
        shop.refused(&owner, "earningRuleRetire", json!({ "ruleId": id }), "NOT_IN_FORCE").await;
    }

    async fn the_next_version_takes_over_and_a_return_takes_what_the_one_before_gave(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_member(&server, 0).await;
        let rule = |rate: &str| json!({ "code": "standard", "name": "Points on everything", "rate": rate });
        in_force(shop, &owner, rule("1")).await;
        let order = bought(shop, &server, &joan, json!([line("A-1", 3, "30.00")])).await;
        in_force(shop, &owner, rule("2")).await;
        bought(shop, &server, &joan, json!([line("A-1", 1, "10.00")])).await;
        // 30 by version 1, 20 by version 2.
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [50, 0, 0, 0]);
        let returned = json!({ "id": order["id"], "lines": [{ "position": 1, "quantity": 2 }] });
        shop.done(&server, "orderReturn", returned).await;
        // ⌊30 × 2 ÷ 3⌋ = 20 are taken back, as version 1 gave them.
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [30, 0, 0, 0]);
        let told: Vec<_> = entries(shop, &server, &joan).await.iter().map(|entry| entry["ruleVersion"].clone()).collect();
        assert_eq!(told, [json!(1), json!(2), json!(1)]);
    }

    async fn returns_of_a_line_take_back_what_each_rule_gave_and_nothing_of_what_gave_nothing(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_member(&server, 0).await;
        in_force(shop, &owner, double_tea()).await;
        let none = json!({ "code": "none-on-cards", "name": "None on cards", "rate": "0",
            "conditions": { "skus": ["CARD"] } });
        in_force(shop, &owner, none).await;
        let mut three = tea("10.00");
        three["quantity"] = json!(3);
        let order = bought(shop, &server, &joan, json!([three, line("CARD", 2, "50.00")])).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [20, 0, 0, 0]);
        let mut left = Vec::new();
        for (position, quantity) in [(2, 1), (1, 1), (1, 1), (1, 1), (2, 1)] {
            let lines = json!([{ "position": position, "quantity": quantity }]);
            shop.done(&server, "orderReturn", json!({ "id": order["id"], "lines": lines })).await;
            left.push(shop.sums(&server, joan.customer_id()).await[0]);
        }
        // Of 10 and 10 on three pieces: ⌊10÷3⌋ = 3, ⌊20÷3⌋ = 6 and 10 of each; the cards earned nothing.
        assert_eq!(left, [20, 14, 8, 0, 0]);
    }

    async fn of_first_orders_paid_at_once_one_is_the_first(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_member(&server, 0).await;
        let first = json!({ "code": "welcome", "name": "A welcome", "bonus": 100, "conditions": { "nthPurchase": 1 } });
        let third = json!({ "code": "thanks", "name": "A thank-you", "bonus": 7, "conditions": { "everyNthPurchase": 3 } });
        in_force(shop, &owner, first).await;
        in_force(shop, &owner, third).await;
        let mut orders = Vec::new();
        for _ in 0..6 {
            orders.push(shop.place(&server, joan.customer_id(), "10.00", 1).await);
        }
        join_all(orders.iter().map(|order| shop.step(&server, "orderPay", order))).await;
        // 6 × 10, once 100, and 7 for the third and the sixth.
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [174, 0, 0, 0]);
    }

    async fn a_cart_is_promised_what_its_order_earns_by_the_rules(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_member(&server, 0).await;
        in_force(shop, &owner, double_tea()).await;
        let first = json!({ "code": "welcome", "name": "A welcome", "bonus": 100, "conditions": { "nthPurchase": 1 } });
        in_force(shop, &owner, first).await;
        let cart = json!({ "currency": "EUR", "lines": [
            { "sku": "T-1", "categories": ["tea"], "lineTotal": "10.00" }, { "lineTotal": "10.00" }] });
        let query = "query ($cart: PointsPreviewInput!) { pointsPreview(cart: $cart) {
            earned earnedByLine parts { line rule ruleVersion points } } }";
        let told = shop.graphql(&joan, query, json!({ "cart": cart })).await;
        let part = |line: i32, rule: &str, version: i32, points: i32| {
            json!({ "line": line, "rule": rule, "ruleVersion": version, "points": points })
        };
        let version = told.at("/pointsPreview/parts/0/ruleVersion").as_i64().unwrap().try_into().unwrap();
        assert_eq!(told.at("/pointsPreview"), &json!({ "earned": 130, "earnedByLine": [70, 60], "parts": [
            part(0, "base:EUR", version, 10), part(1, "base:EUR", version, 10),
            part(0, "double-tea", 1, 10), part(0, "welcome", 1, 50), part(1, "welcome", 1, 50),
        ] }));
        let stranger = shop.graphql(&Caller::anonymous(), query, json!({ "cart": cart })).await;
        assert_eq!(stranger.at("/pointsPreview/earned"), 30);
        bought(shop, &server, &joan, json!([tea("10.00"), line("B-1", 1, "10.00")])).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [130, 0, 0, 0]);
    }

    async fn an_event_gives_what_its_rule_says_as_often_as_it_says_whoever_tells_of_it_at_once(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_member(&server, 0).await;
        let review = json!({ "code": "review", "name": "A review", "trigger": "EVENT", "event": "review", "bonus": 25,
            "limit": { "times": 3, "per": "MONTH" } });
        in_force(shop, &owner, review).await;
        let stated = || json!({ "customerId": joan.customer_id(), "event": "review", "reason": "Green tea" });
        let answers = join_all((0..10).map(|_| shop.mutate(&server, "pointsEarn", stated()))).await;
        let refused = answers.iter().filter(|answer| answer.payload()["userErrors"][0]["code"] == "LIMIT_REACHED");
        assert_eq!(refused.count(), 7);
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [75, 0, 0, 0]);
        shop.clock.advance(TimeDelta::days(31));
        shop.done(&server, "pointsEarn", stated()).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [100, 0, 0, 0]);
        let unknown = json!({ "customerId": joan.customer_id(), "event": "survey" });
        shop.refused(&server, "pointsEarn", unknown, "EVENT_UNKNOWN").await;
        let both = json!({ "customerId": joan.customer_id(), "event": "review", "points": 1 });
        shop.refused(&server, "pointsEarn", both, "INVALID").await;
    }

    async fn joining_and_birthdays_give_once(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let hello = json!({ "code": "hello", "name": "For joining", "trigger": "JOINING", "bonus": 50 });
        let birthday = json!({ "code": "birthday", "name": "Happy birthday", "trigger": "BIRTHDAY", "bonus": 30 });
        in_force(shop, &owner, hello).await;
        in_force(shop, &owner, birthday).await;
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        let joan = shop.as_member(&server, 0).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [50, 0, 0, 0]);
        let tomorrow = (shop.clock.now() + TimeDelta::days(1)).date_naive();
        let born = tomorrow.format("1990-%m-%d").to_string();
        shop.done(&joan, "customerUpdate", json!({ "birthday": born })).await;
        let mut sums = Vec::new();
        for days in [0, 1, 1, 1, 365] {
            shop.clock.advance(TimeDelta::days(days));
            shop.run_jobs().await;
            sums.push(shop.sums(&server, joan.customer_id()).await[0]);
        }
        assert_eq!(sums, [50, 80, 80, 80, 110]);
    }

    async fn a_draft_is_tried_on_the_orders_of_the_last_days(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
        bought(shop, &server, &joan, json!([tea("90.00")])).await;
        shop.clock.advance(TimeDelta::days(10));
        bought(shop, &server, &joan, json!([tea("10.00")])).await;
        bought(shop, &server, &eve, json!([line("C-1", 1, "5.00")])).await;
        shop.place(&server, eve.customer_id(), "100.00", 1).await;
        let owner = shop.as_staff(Role::Owner).await;
        let rule = shop.done(&owner, "earningRuleDraft", double_tea()).await;
        let query = "query ($id: ID!, $days: Int!) { earningRuleBacktest(ruleId: $id, days: $days) {
            orders truncated affected pointsNow pointsThen } }";
        let tried = async |days: i32| {
            let variables = json!({ "id": rule["rule"]["id"], "days": days });
            let act = async || shop.graphql(&owner, query, variables).await;
            shop.unchanged_by(act).await.at("/earningRuleBacktest").clone()
        };
        let told = |orders: i32, affected: i32, now: i32, then: i32| {
            json!({ "orders": orders, "truncated": false, "affected": affected, "pointsNow": now.to_string(), "pointsThen": then.to_string() })
        };
        assert_eq!(tried(9).await, told(2, 1, 15, 25));
        assert_eq!(tried(11).await, told(3, 1, 105, 205));
        shop.done(&owner, "earningRulePublish", json!({ "ruleId": rule["rule"]["id"] })).await;
        assert_eq!(tried(9).await, Json::Null);
    }

    async fn what_a_rule_may_not_be_is_refused_with_its_field(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let cases = [
            (json!({ "code": "Upper", "name": "x", "bonus": 1 }), "code"),
            (json!({ "code": "a", "name": "", "bonus": 1 }), "name"),
            (json!({ "code": "a", "name": "x" }), "bonus"),
            (json!({ "code": "a", "name": "x", "bonus": 1, "rate": "1" }), "bonus"),
            (json!({ "code": "a", "name": "x", "multiplier": "0.5" }), "multiplier"),
            (json!({ "code": "a", "name": "x", "trigger": "EVENT", "bonus": 1 }), "event"),
            (json!({ "code": "a", "name": "x", "trigger": "JOINING", "rate": "1" }), "effect"),
        ];
        for (draft, field) in cases {
            let refused = shop.refused(&owner, "earningRuleDraft", draft, "INVALID").await;
            assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["input", field]));
        }
        let id = in_force(shop, &owner, double_tea()).await;
        shop.refused(&owner, "earningRulePublish", json!({ "ruleId": id }), "NO_DRAFT").await;
        shop.done(&owner, "earningRuleDraft", double_tea()).await;
        let past = shop.clock.now() - TimeDelta::seconds(1);
        shop.refused(&owner, "earningRulePublish", json!({ "ruleId": id, "from": past }), "IN_THE_PAST").await;
        let until = json!({ "ruleId": id, "until": shop.clock.now() });
        shop.refused(&owner, "earningRulePublish", until, "INVALID").await;
    }

    async fn every_move_of_points_is_told_in_a_sentence(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        shop.set_programme(json!({ "expiry": { "rule": "MONTHS_AFTER_ACTIVATION", "months": 1 } })).await;
        in_force(shop, &owner, double_tea()).await;
        let joan = shop.as_member(&server, 0).await;
        let mut order = json!({ "externalId": "W-1001", "customerId": joan.customer_id(), "lines": [tea("10.00")] });
        let recorded = shop.record(&server, order.clone()).await;
        shop.step(&server, "orderPay", &recorded).await;
        let hold = shop.done(&joan, "pointsHold", json!({ "points": 5 })).await;
        order["externalId"] = json!("W-1002");
        order["holdId"] = hold["hold"]["id"].clone();
        let second = shop.record(&server, order).await;
        shop.step(&server, "orderPay", &second).await;
        let back = json!({ "id": second["id"], "lines": [{ "position": 1, "quantity": 1 }] });
        shop.done(&server, "orderReturn", back).await;
        let sorry = json!({ "customerId": joan.customer_id(), "delta": 4, "reason": "Sorry for the late parcel" });
        shop.done(&owner, "pointsAdjust", sorry).await;
        let grant = json!({ "customerId": joan.customer_id(), "points": 1, "reason": "A survey" });
        shop.done(&server, "pointsEarn", grant).await;
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.clock.advance(TimeDelta::days(60));
        shop.run_jobs().await;
        let mut told = Vec::new();
        for entry in entries(shop, &server, &joan).await.iter().rev() {
            let explained = explained(shop, &server, entry).await;
            told.push(format!("{} {}", entry["kind"].as_str().unwrap(), explained["text"].as_str().unwrap()));
        }
        let (day, extra) = ("15 January 2026", "2 times the points, of which these are the extra ones.");
        let returned = |what: &str| format!("that you had {what} came back on {day}, because of a return.");
        let taken = format!(
            "CLAW_BACK 9 points that you had earned with Green tea of order W-1002 were taken back on {day}, because of a \
             return."
        );
        let ended =
            |points: &str| format!("EXPIRE {points} ended: you could spend them from {day} until 15 February 2026.");
        let expected = [
            format!("EARN You earned 10 points on {day} for Green tea (EUR 10.00) of order W-1001. 1 point for each EUR."),
            format!(
                "EARN You earned 10 points on {day} for Green tea (EUR 10.00) of order W-1001. Double points on tea: {extra}"
            ),
            format!("HOLD 5 points were set aside on {day} for order W-1002."),
            format!("CAPTURE You spent 5 points on {day} for order W-1002, which paid EUR 0.05."),
            format!("EARN You earned 9 points on {day} for Green tea (EUR 9.95) of order W-1002. 1 point for each EUR."),
            format!(
                "EARN You earned 9 points on {day} for Green tea (EUR 9.95) of order W-1002. Double points on tea: {extra}"
            ),
            format!("REFUND 5 points {}", returned("spent for order W-1002")),
            taken.clone(),
            taken,
            format!("ADJUST The shop gave you 4 points on {day}: Sorry for the late parcel."),
            format!("EARN You earned 1 point on {day}: A survey."),
            ended("10 points"),
            ended("10 points"),
            ended("4 points"),
            ended("1 point"),
        ];
        assert_eq!(told, expected);
        let eve = shop.as_member(&server, 0).await;
        assert_eq!(explained(shop, &eve, &entries(shop, &server, &joan).await[0]).await, Json::Null);
    }

    async fn a_rule_that_is_used_up_does_not_stand_before_the_next_of_its_group(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let (joan, eve) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
        let review = |code: &str, bonus: i64, priority: i64, times: i64| {
            json!({ "code": code, "name": "A review", "trigger": "EVENT", "event": "review", "bonus": bonus,
                "priority": priority, "combination": "BEST_ONLY", "limit": { "times": times, "per": "EVER" } })
        };
        in_force(shop, &owner, review("first-review", 50, 9, 1)).await;
        in_force(shop, &owner, review("next-reviews", 10, 5, 2)).await;
        let stated = |one: &Caller| json!({ "customerId": one.customer_id(), "event": "review" });
        shop.done(&server, "pointsEarn", stated(&eve)).await;
        let answers = join_all((0..6).map(|_| shop.mutate(&server, "pointsEarn", stated(&joan)))).await;
        let refused = answers.iter().filter(|answer| answer.payload()["userErrors"][0]["code"] == "LIMIT_REACHED");
        // 50 once and 10 twice.
        assert_eq!((refused.count(), shop.sums(&server, joan.customer_id()).await), (3, [70, 0, 0, 0]));
        assert_eq!(shop.sums(&server, eve.customer_id()).await, [50, 0, 0, 0]);
    }

    async fn what_the_first_purchase_gave_does_not_come_again_after_it_is_cancelled(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_member(&server, 0).await;
        let first = json!({ "code": "welcome", "name": "A welcome", "bonus": 100, "conditions": { "nthPurchase": 1 } });
        in_force(shop, &owner, first).await;
        shop.set_programme(json!({ "returnPolicy": "WITHIN_BALANCE" })).await;
        let order = bought(shop, &server, &joan, json!([line("A-1", 1, "10.00")])).await;
        // Spent before the order is cancelled: 10 of 110 are left to be taken back.
        shop.done(&joan, "pointsRedeem", json!({ "points": 100, "reference": "a mug" })).await;
        shop.step(&server, "orderCancel", &order).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0, 0, 0, 0]);
        bought(shop, &server, &joan, json!([line("A-1", 1, "10.00")])).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [10, 0, 0, 0]);
    }

    async fn a_birthday_that_is_made_up_for_gives_by_the_rules_of_its_day(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_member(&server, 0).await;
        let birthday = |code: &str, bonus: i64| {
            json!({ "code": code, "name": "Happy birthday", "trigger": "BIRTHDAY", "bonus": bonus })
        };
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        let old = in_force(shop, &owner, birthday("old", 30)).await;
        shop.done(&joan, "customerUpdate", json!({ "birthday": "1990-12-30" })).await;
        // From noon on 15 January to noon on 31 December: her birthday was yesterday, and nobody worked.
        shop.clock.advance(TimeDelta::days(350));
        let owner = shop.as_staff(Role::Owner).await;
        shop.done(&owner, "earningRuleRetire", json!({ "ruleId": old })).await;
        in_force(shop, &owner, birthday("new", 7)).await;
        // Two days later it is another year.
        shop.clock.advance(TimeDelta::days(2));
        for _ in 0..2 {
            shop.run_jobs().await;
            assert_eq!(shop.sums(&server, joan.customer_id()).await, [30, 0, 0, 0]);
            shop.clock.advance(TimeDelta::days(1));
        }
        shop.clock.advance(TimeDelta::days(362));
        shop.run_jobs().await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [37, 0, 0, 0]);
    }
}
