//! Points that pay part of an order: set aside, clamped to the order, spent when it is paid, given back when it is not.

use chrono::TimeDelta;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, line};

/// Sets points aside; answers the hold's id.
async fn hold(shop: &TestApp, member: &Caller, points: i64) -> Json {
    shop.done(member, "pointsHold", json!({ "points": points })).await["hold"]["id"].clone()
}

/// Records an order that a hold pays part of.
async fn order_with(shop: &TestApp, server: &Caller, member: &Caller, lines: Json, hold: &Json) -> Json {
    shop.record(server, json!({ "customerId": member.customer_id(), "lines": lines, "holdId": hold })).await
}

both_engines! {
    async fn a_hold_pays_part_of_an_order_and_the_rest_earns(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_000).await;
        let held = hold(shop, &joan, 300).await;
        let lines = json!([line("A-1", 1, "6.00"), line("B-2", 1, "3.00")]);
        let order = order_with(shop, &server, &joan, lines, &held).await;
        assert_eq!((&order["holdId"], &order["total"]["amount"]), (&held, &json!("6.00")));
        let shares: Vec<(&Json, &Json)> = order["lines"].as_array().unwrap().iter()
            .map(|line| (&line["redeemedPoints"], &line["redeemedValue"]["amount"])).collect();
        assert_eq!(shares, [(&json!(200), &json!("2.00")), (&json!(100), &json!("1.00"))]);
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [700, 0, 300, 0]);
        shop.step(&server, "orderPay", &order).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [706, 0, 0, 0]);
    }

    async fn a_hold_is_clamped_to_the_value_of_the_order(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_000).await;
        let held = hold(shop, &joan, 1_000).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0, 0, 1_000, 0]);
        let order = order_with(shop, &server, &joan, json!([line("A-1", 1, "6.00")]), &held).await;
        assert_eq!((&order["paidWithPoints"]["amount"], &order["total"]["amount"]), (&json!("6.00"), &json!("0.00")));
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [400, 0, 600, 0]);
        shop.step(&server, "orderPay", &order).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [400, 0, 0, 0]);
    }

    async fn a_hold_pays_one_order(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_000).await;
        let held = hold(shop, &joan, 300).await;
        order_with(shop, &server, &joan, json!([line("A-1", 1, "9.00")]), &held).await;
        let another = shop.order_input(json!({ "customerId": joan.customer_id(), "holdId": held }));
        let refused = shop.refused(&server, "orderRecord", another, "HOLD_NOT_USABLE").await;
        assert_eq!(refused.user_errors()[0]["field"], json!(["input", "holdId"]));
        shop.refused(&joan, "pointsVoid", json!({ "holdId": held }), "HOLD_PINNED_TO_ORDER").await;
        shop.refused(&server, "pointsCapture", json!({ "holdId": held }), "HOLD_PINNED_TO_ORDER").await;
    }

    async fn a_hold_is_refused_where_it_cannot_pay(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_000).await;
        shop.set_programme(json!({ "redemptionMinimum": 100 })).await;
        let held = hold(shop, &joan, 300).await;
        let with = |change: Json| {
            let mut order = shop.order_input(json!({ "customerId": joan.customer_id(), "holdId": held }));
            for (name, value) in change.as_object().unwrap() {
                order[name] = value.clone();
            }
            order
        };
        shop.refused(&server, "orderRecord", with(json!({ "currency": "USD" })), "HOLD_CURRENCY_MISMATCH").await;
        let cheap = with(json!({ "lines": [line("A-1", 1, "0.99")] }));
        shop.refused(&server, "orderRecord", cheap, "HOLD_BELOW_MINIMUM").await;
        shop.refused(&server, "orderRecord", with(json!({ "state": "PAID" })), "INVALID").await;
        let guest = with(json!({ "customerId": null, "email": "guest@example.org" }));
        shop.refused(&server, "orderRecord", guest, "NOT_FOUND").await;
        shop.clock.advance(TimeDelta::minutes(30));
        shop.refused(&server, "orderRecord", with(json!({})), "HOLD_NOT_USABLE").await;
    }

    async fn a_cancelled_order_gives_its_hold_back(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_000).await;
        let held = hold(shop, &joan, 300).await;
        let order = order_with(shop, &server, &joan, json!([line("A-1", 1, "9.00")]), &held).await;
        shop.step(&server, "orderCancel", &order).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [1_000, 0, 0, 0]);
        shop.refused(&server, "pointsVoid", json!({ "holdId": held }), "HOLD_NOT_HELD").await;
    }

    async fn a_return_gives_redeemed_points_back_to_their_lots(shop: &TestApp) {
        let server = shop.as_server().await;
        let expiry = json!({ "expiry": { "rule": "MONTHS_AFTER_ACTIVATION", "months": 12 } });
        shop.set_programme(expiry).await;
        let joan = shop.as_member(&server, 200).await;
        shop.clock.advance(TimeDelta::days(40));
        let later = json!({ "customerId": joan.customer_id(), "points": 200, "reason": "a review" });
        shop.done(&server, "pointsEarn", later).await;
        let wanted = json!({ "customerId": joan.customer_id(), "points": 300 });
        let held = shop.done(&server, "pointsHold", wanted).await["hold"]["id"].clone();
        let order = order_with(shop, &server, &joan, json!([line("A-1", 3, "9.00")]), &held).await;
        shop.step(&server, "orderPay", &order).await;
        let expiries = async || {
            let query = "query ($id: ID!) { customer(id: $id) { points { nextExpiries { at points } } } }";
            let answer = shop.graphql(&server, query, json!({ "id": joan.customer_id() })).await;
            let told = answer.at("/customer/points/nextExpiries").as_array().unwrap().clone();
            told.iter().map(|end| (end["at"].as_str().unwrap()[..10].to_owned(), end["points"].as_i64().unwrap())).collect::<Vec<_>>()
        };
        let ends = |first: i64, second: i64| {
            let all = [("2027-01-15".to_owned(), first), ("2027-02-24".to_owned(), second)];
            all.into_iter().filter(|(_, points)| *points > 0).collect::<Vec<_>>()
        };
        // What ends first was taken first: 200 of the first lot, 100 of the second; the order earned 6 beside it.
        assert_eq!(expiries().await, ends(0, 106));
        shop.give_back(&server, &order, 1).await;
        assert_eq!(expiries().await, ends(0, 204));
        shop.give_back(&server, &order, 2).await;
        assert_eq!(expiries().await, ends(200, 200));
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [400, 0, 0, 0]);
    }

    async fn an_order_whose_hold_lapsed_is_paid_without_points(shop: &TestApp) {
        let server = shop.as_server().await;
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        for swept in [false, true] {
            let joan = shop.as_member(&server, 1_000).await;
            let held = hold(shop, &joan, 300).await;
            let order = order_with(shop, &server, &joan, json!([line("A-1", 1, "9.00")]), &held).await;
            shop.clock.advance(TimeDelta::days(14));
            if swept {
                shop.run_jobs().await;
                assert_eq!(shop.sums(&server, joan.customer_id()).await, [1_000, 0, 0, 0]);
            }
            shop.refused(&server, "orderPay", json!({ "id": order["id"] }), "HOLD_NOT_USABLE").await;
            let pay = json!({ "id": order["id"], "withoutPoints": true });
            let paid = shop.done(&server, "orderPay", pay).await["order"].clone();
            assert_eq!((&paid["holdId"], &paid["total"]["amount"]), (&Json::Null, &json!("9.00")));
            assert_eq!((&paid["lines"][0]["redeemedPoints"], &paid["paidWithPoints"]["amount"]), (&json!(0), &json!("0.00")));
            assert_eq!(shop.sums(&server, joan.customer_id()).await, [1_009, 0, 0, 0], "swept: {swept}");
        }
    }

    async fn a_payment_and_a_cancellation_at_once_leave_one(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_000).await;
        let held = hold(shop, &joan, 300).await;
        let order = order_with(shop, &server, &joan, json!([line("A-1", 1, "9.00")]), &held).await;
        let id = json!({ "id": order["id"] });
        let (paid, cancelled) = tokio::join!(
            shop.mutate(&server, "orderPay", id.clone()),
            shop.mutate(&server, "orderCancel", id.clone()),
        );
        // A paid order can still be cancelled: then it gives everything back too.
        cancelled.assert_done();
        if !paid.user_error_codes().is_empty() {
            paid.assert_user_error("INVALID_STATE");
        }
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [1_000, 0, 0, 0]);
    }
}
