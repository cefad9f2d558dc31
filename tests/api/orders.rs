//! Orders are recorded once and take one step after another; what they do to points is exact.

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{both_engines, line};

/// Where each of the four steps leads, if it may be taken.
type Next = [Option<&'static str>; 4];

both_engines! {
    async fn an_order_is_whose_the_shop_says(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let by_id = shop.record(&server, json!({ "customerId": joan.customer_id(), "shipping": "4.95" })).await;
        assert_eq!((&by_id["customerId"], &by_id["guestId"]), (&json!(joan.customer_id()), &Json::Null));
        assert_eq!((&by_id["state"], &by_id["total"]["amount"]), (&json!("PLACED"), &json!("14.95")));
        let by_mailbox = shop.record(&server, json!({ "email": joan.email.to_uppercase() })).await;
        assert_eq!(by_mailbox["customerId"], joan.customer_id());
        let external = json!({ "externalCustomerId": "c-1", "email": "new@example.org" });
        let first = shop.record(&server, external.clone()).await;
        let second = shop.record(&server, external).await;
        assert!(first["customerId"].is_string());
        assert_eq!(first["customerId"], second["customerId"]);
        let guest = shop.record(&server, json!({ "email": "guest@example.org" })).await;
        let again = shop.record(&server, json!({ "email": "GUEST@example.org" })).await;
        assert!(guest["guestId"].is_string());
        assert_eq!((&guest["customerId"], &guest["guestId"]), (&Json::Null, &again["guestId"]));
        // An address that an order merely names for contact identifies nobody.
        let contact = shop.record(&server, json!({ "email": "new@example.org" })).await;
        assert!(contact["guestId"].is_string());
        assert_eq!(shop.snapshot().await.count("customers"), 2);
    }

    async fn the_same_order_is_recorded_once(shop: &TestApp) {
        let server = shop.as_server().await;
        let mut order = shop.order_input(json!({ "email": "guest@example.org", "idempotencyKey": "first" }));
        let first = shop.done(&server, "orderRecord", order.clone()).await;
        let replay = shop.unchanged_by(async || shop.done(&server, "orderRecord", order.clone()).await).await;
        assert_eq!((&first["replayed"], &replay["replayed"]), (&json!(false), &json!(true)));
        assert_eq!(first["order"], replay["order"]);
        let before = shop.snapshot().await;
        order["idempotencyKey"] = json!("second");
        let other_key = shop.done(&server, "orderRecord", order.clone()).await;
        assert_eq!((&other_key["replayed"], &other_key["order"]), (&json!(false), &first["order"]));
        let after = shop.snapshot().await;
        for table in ["orders", "order_lines", "outbox", "points_entries"] {
            assert_eq!(before.count(table), after.count(table), "{table}");
        }
        order["idempotencyKey"] = json!("third");
        order["lines"][0]["lineTotal"] = json!("10.01");
        let refused = shop.refused(&server, "orderRecord", order.clone(), "EXTERNAL_ID_REUSED").await;
        assert_eq!(refused.user_errors()[0]["field"], json!(["input", "externalId"]));
        order["idempotencyKey"] = json!("first");
        let other_body = shop.unchanged_by(async || shop.mutate(&server, "orderRecord", order).await).await;
        other_body.assert_error("IDEMPOTENCY_KEY_REUSED");
    }

    async fn of_orders_at_once_with_one_external_id_one_is_recorded(shop: &TestApp) {
        let server = shop.as_server().await;
        let order = shop.order_input(json!({ "externalCustomerId": "c-1", "state": "PAID" }));
        let answers = join_all((0..8).map(|_| shop.mutate(&server, "orderRecord", order.clone()))).await;
        let ids: std::collections::BTreeSet<String> =
            answers.iter().map(|answer| answer.text("/orderRecord/order/id").to_owned()).collect();
        assert_eq!(ids.len(), 1);
        let snapshot = shop.snapshot().await;
        let counts = ["orders", "order_lines", "customers", "points_entries"].map(|table| snapshot.count(table));
        assert_eq!(counts, [1; 4]);
        let bodies = (1..=8).map(|total| {
            let order = json!({ "externalId": "another", "email": "g@example.org", "lines": [line("A-1", 1, &format!("{total}"))] });
            shop.order_input(order)
        });
        let answers = join_all(bodies.map(|order| shop.mutate(&server, "orderRecord", order))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        let refused = answers.iter().filter(|answer| answer.user_error_codes() == ["EXTERNAL_ID_REUSED"]).count();
        assert_eq!((done, refused), (1, 7));
    }

    async fn an_order_that_cannot_be_is_refused_with_its_place(shop: &TestApp) {
        let server = shop.as_server().await;
        let with = |change: &dyn Fn(&mut Json)| {
            let mut order = shop.order_input(json!({ "email": "guest@example.org" }));
            change(&mut order);
            order
        };
        let cases: Vec<(Json, &str, Json)> = vec![
            (with(&|order| order["externalId"] = json!("a b")), "INVALID", json!(["input", "externalId"])),
            (with(&|order| order["email"] = Json::Null), "INVALID", json!(["input", "email"])),
            (with(&|order| order["lines"] = json!([])), "INVALID", json!(["input", "lines"])),
            (with(&|order| order["shipping"] = json!("-0.01")), "INVALID", json!(["input", "shipping"])),
            (with(&|order| order["channel"] = json!("")), "INVALID", json!(["input", "channel"])),
            (with(&|order| order["placedAt"] = json!("1969-12-31T23:59:59Z")), "INVALID", json!(["input", "placedAt"])),
            (with(&|order| order["placedAt"] = json!("2026-01-16T12:00:01Z")), "INVALID", json!(["input", "placedAt"])),
            (with(&|order| order["lines"][0]["quantity"] = json!(0)), "INVALID_LINE", json!(["input", "lines", "0", "quantity"])),
            (with(&|order| order["lines"][0]["quantity"] = json!(1_000_001)), "INVALID_LINE", json!(["input", "lines", "0", "quantity"])),
            (with(&|order| order["lines"][0]["lineTotal"] = json!("1.001")), "INVALID_LINE", json!(["input", "lines", "0", "lineTotal"])),
            (with(&|order| order["lines"][0]["lineTotal"] = json!("-1")), "INVALID_LINE", json!(["input", "lines", "0", "lineTotal"])),
            (with(&|order| order["lines"][0]["lineTotal"] = json!("NaN")), "INVALID_LINE", json!(["input", "lines", "0", "lineTotal"])),
            (with(&|order| order["lines"][0]["lineTotal"] = json!("99999999999999999999")), "INVALID_LINE", json!(["input", "lines", "0", "lineTotal"])),
            (with(&|order| order["lines"][0]["taxRate"] = json!("1.0001")), "INVALID_LINE", json!(["input", "lines", "0", "taxRate"])),
            (with(&|order| order["lines"][0]["sku"] = json!("nul\u{0}")), "INVALID_LINE", json!(["input", "lines", "0", "sku"])),
        ];
        for (order, code, field) in cases {
            let refused = shop.refused(&server, "orderRecord", order.clone(), code).await;
            assert_eq!(refused.user_errors()[0]["field"], field, "{order:#}");
        }
    }

    async fn a_paid_order_earns_per_line_rounded_down(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let lines = json!([line("A-1", 2, "12.99"), line("B-2", 1, "0.99"), line("C-3", 1, "3.00")]);
        let order = json!({ "customerId": joan.customer_id(), "lines": lines, "shipping": "100.00" });
        let order = shop.record(&server, order).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0; 4]);
        let pay = json!({ "id": order["id"], "at": "2026-01-15T11:00:00Z", "idempotencyKey": "pay" });
        let paid = shop.done(&server, "orderPay", pay.clone()).await;
        assert_eq!((&paid["order"]["state"], &paid["order"]["paidAt"]), (&json!("PAID"), &json!("2026-01-15T11:00:00+00:00")));
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [15, 0, 0, 0]);
        let replay = shop.unchanged_by(async || shop.done(&server, "orderPay", pay).await).await;
        assert_eq!(replay["replayed"], true);
        let query = "{ me { points { entries { nodes { kind points rule ruleVersion orderId effectiveAt } } } } }";
        let told = shop.graphql(&joan, query, json!({})).await;
        let entry = |points: i64| json!({ "kind": "EARN", "points": points, "rule": "base:EUR", "ruleVersion": 0,
            "orderId": order["id"], "effectiveAt": "2026-01-15T11:00:00+00:00" });
        assert_eq!(told.at("/me/points/entries/nodes"), &json!([entry(3), entry(12)]));
    }

    async fn of_payments_at_once_one_earns(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        let pay = json!({ "id": order["id"] });
        let answers = join_all((0..8).map(|_| shop.mutate(&server, "orderPay", pay.clone()))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        let refused = answers.iter().filter(|answer| answer.user_error_codes() == ["INVALID_STATE"]).count();
        assert_eq!((done, refused), (1, 7));
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [10, 0, 0, 0]);
    }

    async fn an_order_takes_only_the_steps_of_its_state(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let steps = ["orderPay", "orderShip", "orderDeliver", "orderCancel"];
        let states: [(&[&str], Next, bool); 5] = [
            (&[], [Some("PAID"), None, None, Some("CANCELLED")], false),
            (&["orderPay"], [None, Some("SHIPPED"), Some("DELIVERED"), Some("CANCELLED")], true),
            (&["orderPay", "orderShip"], [None, None, Some("DELIVERED"), None], true),
            (&["orderPay", "orderDeliver"], [None, None, None, None], true),
            (&["orderCancel"], [None, None, None, None], false),
        ];
        for (taken, allowed, returns) in states {
            for (step, to) in steps.into_iter().zip(allowed) {
                let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
                for step in taken {
                    shop.step(&server, step, &order).await;
                }
                match to {
                    Some(state) => assert_eq!(shop.step(&server, step, &order).await["state"], state, "{taken:?} {step}"),
                    None => {
                        shop.refused(&server, step, json!({ "id": order["id"] }), "INVALID_STATE").await;
                    }
                }
                if to.is_none() {
                    let back = json!({ "id": order["id"], "lines": [{ "position": 1, "quantity": 1 }] });
                    let answer = shop.mutate(&server, "orderReturn", back).await;
                    let expected: &[&str] = if returns { &[] } else { &["INVALID_STATE"] };
                    assert_eq!(answer.user_error_codes(), expected, "{taken:?} then a return");
                }
            }
        }
    }

    async fn a_cancelled_order_takes_back_what_it_earned(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 5).await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 2).await;
        shop.step(&server, "orderPay", &order).await;
        shop.give_back(&server, &order, 1).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [10, 0, 0, 0]);
        let cancelled = shop.step(&server, "orderCancel", &order).await;
        assert_eq!((&cancelled["state"], &cancelled["lines"][0]["returned"]), (&json!("CANCELLED"), &json!(2)));
        assert_eq!(cancelled["returns"][1]["reason"], "cancelled");
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [5, 0, 0, 0]);
    }

    async fn partial_returns_add_up_exactly(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "100.00", 7).await;
        shop.step(&server, "orderPay", &order).await;
        // floor(100 × 1 ÷ 7) = 14, floor(100 × 4 ÷ 7) = 57.
        for (pieces, left) in [(1, 86), (3, 43), (3, 0)] {
            shop.give_back(&server, &order, pieces).await;
            assert_eq!(shop.sums(&server, joan.customer_id()).await, [left, 0, 0, 0]);
        }
        let back = json!({ "id": order["id"], "lines": [{ "position": 1, "quantity": 1 }] });
        let refused = shop.refused(&server, "orderReturn", back, "QUANTITY_EXCEEDED").await;
        let error = &refused.user_errors()[0];
        assert_eq!(error["message"], "Line 1: only 0 pieces are left to return.");
        assert_eq!(error["field"], json!(["input", "lines", "0", "quantity"]));
    }

    async fn no_more_comes_back_than_was_bought(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "30.00", 3).await;
        shop.step(&server, "orderPay", &order).await;
        let id = &order["id"];
        let line_id = &order["lines"][0]["id"];
        let twice = json!([{ "position": 1, "quantity": 2 }, { "lineId": line_id, "quantity": 2 }]);
        shop.refused(&server, "orderReturn", json!({ "id": id, "lines": twice }), "QUANTITY_EXCEEDED").await;
        for quantity in [0, -1] {
            let lines = json!([{ "position": 1, "quantity": quantity }]);
            shop.refused(&server, "orderReturn", json!({ "id": id, "lines": lines }), "INVALID_LINE").await;
        }
        for position in [0, 2, -1, i32::MAX] {
            let lines = json!([{ "position": position, "quantity": 1 }]);
            shop.refused(&server, "orderReturn", json!({ "id": id, "lines": lines }), "NOT_FOUND").await;
        }
        shop.refused(&server, "orderReturn", json!({ "id": id, "lines": [] }), "INVALID").await;
        let one = json!({ "id": id, "lines": [{ "position": 1, "quantity": 2 }] });
        let answers = join_all((0..4).map(|_| shop.mutate(&server, "orderReturn", one.clone()))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        assert_eq!(done, 1, "of four returns of two of three pieces");
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [10, 0, 0, 0]);
    }

    async fn a_guests_order_earns_pending_points_only(shop: &TestApp) {
        let server = shop.as_server().await;
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        let order = shop.record(&server, json!({ "email": "guest@example.org" })).await;
        shop.step(&server, "orderPay", &order).await;
        shop.clock.advance(TimeDelta::days(179));
        shop.run_jobs().await;
        assert_eq!(shop.guest_sums(&server, "guest@example.org").await, [0, 10, 0, 0]);
        shop.clock.advance(TimeDelta::days(1));
        shop.run_jobs().await;
        assert_eq!(shop.guest_sums(&server, "guest@example.org").await, [0; 4]);
    }

    async fn points_wait_for_days_after_delivery(shop: &TestApp) {
        let server = shop.as_server().await;
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.set_programme(json!({ "activation": { "when": "DAYS_AFTER_DELIVERY", "days": 14 } })).await;
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "20.00", 2).await;
        shop.step(&server, "orderPay", &order).await;
        shop.clock.advance(TimeDelta::days(30));
        shop.run_jobs().await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0, 20, 0, 0]);
        shop.step(&server, "orderShip", &order).await;
        shop.step(&server, "orderDeliver", &order).await;
        shop.clock.advance(TimeDelta::days(14) - TimeDelta::minutes(1));
        shop.run_jobs().await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0, 20, 0, 0]);
        shop.give_back(&server, &order, 1).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0, 10, 0, 0]);
        shop.clock.advance(TimeDelta::minutes(2));
        shop.run_jobs().await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [10, 0, 0, 0]);
    }

    async fn a_debt_is_repaid_from_the_next_earn(shop: &TestApp) {
        let server = shop.as_server().await;
        shop.set_programme(json!({ "returnPolicy": "ALLOW_DEBT" })).await;
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        shop.step(&server, "orderPay", &order).await;
        shop.done(&joan, "pointsRedeem", json!({ "points": 8, "reference": "a gift" })).await;
        shop.give_back(&server, &order, 1).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0, 0, 0, 8]);
        let grant = |points: i64| json!({ "customerId": joan.customer_id(), "points": points, "reason": "a review" });
        shop.done(&server, "pointsEarn", grant(5)).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0, 0, 0, 3]);
        let next = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        shop.step(&server, "orderPay", &next).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [7, 0, 0, 0]);
    }

    async fn a_return_takes_no_more_than_the_policy_lets_it(shop: &TestApp) {
        let server = shop.as_server().await;
        for (policy, left) in [("PENDING_ONLY", 5), ("WITHIN_BALANCE", 0)] {
            shop.set_programme(json!({ "returnPolicy": policy })).await;
            let joan = shop.as_customer().await;
            let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
            shop.step(&server, "orderPay", &order).await;
            shop.done(&joan, "pointsRedeem", json!({ "points": 10, "reference": "a gift" })).await;
            let grant = json!({ "customerId": joan.customer_id(), "points": 5, "reason": "a review" });
            shop.done(&server, "pointsEarn", grant).await;
            shop.give_back(&server, &order, 1).await;
            assert_eq!(shop.sums(&server, joan.customer_id()).await, [left, 0, 0, 0], "{policy}");
        }
    }

    async fn an_order_is_paid_though_the_account_is_full(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 2_147_483_640).await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        let paid = shop.step(&server, "orderPay", &order).await;
        assert_eq!(paid["state"], "PAID");
    }
}
