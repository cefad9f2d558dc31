//! Points are granted, set aside, spent and corrected, each once and by those who may.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

fn grant_to(customer: &Caller, points: i64) -> Json {
    json!({ "customerId": customer.customer_id(), "points": points, "reason": "a review" })
}

fn redeem(points: i64) -> Json {
    json!({ "points": points, "reference": "a gift" })
}

fn with_key(mut input: Json, key: &str) -> Json {
    input["idempotencyKey"] = json!(key);
    input
}

/// A mutation by a server or member of staff about a customer's points.
fn about(customer: &Caller, mut input: Json) -> Json {
    input["customerId"] = json!(customer.customer_id());
    input
}

fn sums(payload: &Json) -> crate::support::Sums {
    crate::support::sums_of(&payload["account"])
}

/// Sends it twice with one key: the second does nothing and answers the same.
async fn once(shop: &TestApp, caller: &Caller, mutation: &str, input: Json) -> Json {
    let key = format!("once-{}", shop.next_number());
    let first = shop.done(caller, mutation, with_key(input.clone(), &key)).await;
    let again = with_key(input.clone(), &key);
    let mut second = shop.unchanged_by(async || shop.done(caller, mutation, again).await).await;
    assert_eq!((&first["replayed"], &second["replayed"]), (&json!(false), &json!(true)));
    second["replayed"] = json!(false);
    assert_eq!(first, second);
    first
}

/// Sends another input with a key that was used.
async fn reused(shop: &TestApp, caller: &Caller, mutation: &str, first: Json, other: Json) {
    shop.done(caller, mutation, with_key(first, "the-key")).await;
    let other = with_key(other, "the-key");
    let refused = shop.unchanged_by(async || shop.mutate(caller, mutation, other).await).await;
    refused.assert_error("IDEMPOTENCY_KEY_REUSED");
}

both_engines! {
    async fn a_grant_can_be_spent_at_once(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let granted = once(shop, &server, "pointsEarn", grant_to(&joan, 100)).await;
        assert_eq!((&granted["points"], sums(&granted)), (&json!(100), [100, 0, 0, 0]));
        let redeemed = once(shop, &joan, "pointsRedeem", redeem(30)).await;
        assert_eq!((&redeemed["points"], sums(&redeemed)), (&json!(30), [70, 0, 0, 0]));
        assert_eq!(redeemed["account"]["redeemed"], "30");
        assert_eq!((&redeemed["hold"]["state"], &redeemed["hold"]["reference"]), (&json!("CAPTURED"), &json!("a gift")));
    }

    async fn the_ledger_tells_every_move_newest_first(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        shop.done(&joan, "pointsRedeem", redeem(30)).await;
        let query = "{ me { points { entries(first: 2) {
            totalCount pageInfo { hasNextPage endCursor } nodes { sequence kind from to points reason actor } } } } }";
        let page = shop.graphql(&joan, query, json!({})).await;
        let expected = json!([
            { "sequence": 3, "kind": "CAPTURE", "from": "HELD", "to": "REDEEMED", "points": 30, "reason": "a gift", "actor": "CUSTOMER" },
            { "sequence": 2, "kind": "HOLD", "from": "AVAILABLE", "to": "HELD", "points": 30, "reason": "a gift", "actor": "CUSTOMER" },
        ]);
        assert_eq!(page.at("/me/points/entries/nodes"), &expected);
        assert_eq!((page.at("/me/points/entries/totalCount"), page.at("/me/points/entries/pageInfo/hasNextPage")), (&json!(3), &json!(true)));
        let next = "query ($after: String) { me { points { entries(first: 2, after: $after) {
            pageInfo { hasNextPage } nodes { sequence kind actor } } } } }";
        let after = json!({ "after": page.at("/me/points/entries/pageInfo/endCursor") });
        let page = shop.graphql(&joan, next, after).await;
        let expected = json!({ "pageInfo": { "hasNextPage": false }, "nodes": [{ "sequence": 1, "kind": "EARN", "actor": "SHOP" }] });
        assert_eq!(page.at("/me/points/entries"), &expected);
    }

    async fn nobody_redeems_more_than_is_available(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        let refused = shop.refused(&joan, "pointsRedeem", redeem(101), "INSUFFICIENT_POINTS").await;
        assert_eq!(refused.user_errors()[0]["message"], "Only 100 points are available.");
        shop.done(&joan, "pointsRedeem", redeem(100)).await;
        shop.refused(&joan, "pointsRedeem", redeem(1), "INSUFFICIENT_POINTS").await;
    }

    async fn a_refused_key_may_be_used_again(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 10).await;
        shop.refused(&joan, "pointsRedeem", with_key(redeem(20), "later"), "INSUFFICIENT_POINTS").await;
        shop.done(&server, "pointsEarn", grant_to(&joan, 10)).await;
        let redeemed = shop.done(&joan, "pointsRedeem", with_key(redeem(20), "later")).await;
        assert_eq!((&redeemed["replayed"], sums(&redeemed)), (&json!(false), [0; 4]));
    }

    async fn a_hold_sets_aside_what_there_is_and_a_void_gives_it_back(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        let set_aside = once(shop, &joan, "pointsHold", json!({ "points": 250 })).await;
        assert_eq!((&set_aside["points"], sums(&set_aside)), (&json!(100), [0, 0, 100, 0]));
        let hold = &set_aside["hold"];
        assert_eq!((&hold["state"], &hold["value"]), (&json!("HELD"), &json!({ "amount": "1.00", "currency": "EUR" })));
        assert_eq!(hold["expiresAt"], "2026-01-15T12:30:00+00:00");
        let voided = once(shop, &joan, "pointsVoid", json!({ "holdId": hold["id"] })).await;
        assert_eq!((&voided["hold"]["state"], sums(&voided)), (&json!("VOIDED"), [100, 0, 0, 0]));
        shop.refused(&joan, "pointsVoid", json!({ "holdId": hold["id"] }), "HOLD_NOT_HELD").await;
        shop.refused(&server, "pointsCapture", json!({ "holdId": hold["id"] }), "HOLD_NOT_HELD").await;
    }

    async fn a_captured_hold_is_spent(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        let held = shop.done(&server, "pointsHold", about(&joan, json!({ "points": 40 }))).await;
        let captured = once(shop, &server, "pointsCapture", json!({ "holdId": held["hold"]["id"] })).await;
        assert_eq!((&captured["hold"]["state"], sums(&captured)), (&json!("CAPTURED"), [60, 0, 0, 0]));
        assert_eq!(captured["account"]["redeemed"], "40");
        shop.refused(&server, "pointsVoid", json!({ "holdId": held["hold"]["id"] }), "HOLD_NOT_HELD").await;
    }

    async fn a_hold_obeys_the_cap_the_multiple_and_the_minimum(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_000).await;
        let rules = json!({ "redemptionCapPercent": 50, "redemptionMultiple": 50, "redemptionMinimum": 100 });
        shop.set_programme(rules).await;
        // Half of € 4.99 is 249 points, floored to a multiple of 50.
        let wanted = json!({ "points": 1_000, "orderValue": "4.99" });
        let held = shop.done(&server, "pointsHold", about(&joan, wanted)).await;
        assert_eq!((&held["points"], &held["hold"]["value"]["amount"]), (&json!(200), &json!("2.00")));
        let small = json!({ "points": 1_000, "orderValue": "1.99" });
        let refused = shop.refused(&server, "pointsHold", about(&joan, small), "BELOW_MINIMUM").await;
        assert_eq!(refused.user_errors()[0]["message"], "Only 50 points could be applied; the least is 100.");
        shop.refused(&joan, "pointsHold", json!({ "points": 99 }), "BELOW_MINIMUM").await;
        let poor = shop.as_member(&server, 99).await;
        shop.refused(&poor, "pointsHold", json!({ "points": 100 }), "INSUFFICIENT_POINTS").await;
    }

    async fn a_hold_is_refused_for_what_it_cannot_be(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        let dollars = json!({ "points": 10, "currency": "USD" });
        shop.refused(&joan, "pointsHold", dollars, "CURRENCY_NOT_ACCEPTED").await;
        shop.refused(&joan, "pointsHold", json!({ "points": 0 }), "ZERO_AMOUNT").await;
        let own_value = json!({ "points": 10, "orderValue": "100.00" });
        let refused = shop.refused(&joan, "pointsHold", own_value, "INVALID").await;
        assert_eq!(refused.user_errors()[0]["field"], json!(["input", "orderValue"]));
        for value in ["-1", "1.234", "NaN", "", "1e3", "99999999999999999999"] {
            let wanted = about(&joan, json!({ "points": 10, "orderValue": value }));
            shop.refused(&server, "pointsHold", wanted, "INVALID").await;
        }
    }

    async fn a_hold_gives_its_points_back_by_time(shop: &TestApp) {
        let server = shop.as_server().await;
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        let joan = shop.as_member(&server, 100).await;
        let held = shop.done(&joan, "pointsHold", json!({ "points": 40 })).await;
        shop.clock.advance(TimeDelta::minutes(29));
        shop.run_jobs().await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [60, 0, 40, 0]);
        shop.clock.advance(TimeDelta::minutes(1));
        // Not swept yet, and not to be captured any more.
        shop.refused(&server, "pointsCapture", json!({ "holdId": held["hold"]["id"] }), "HOLD_NOT_HELD").await;
        shop.run_jobs().await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [100, 0, 0, 0]);
    }

    async fn points_end_when_their_time_is_over(shop: &TestApp) {
        let server = shop.as_server().await;
        let expiry = json!({ "expiry": { "rule": "MONTHS_AFTER_ACTIVATION", "months": 1 } });
        shop.set_programme(expiry).await;
        let joan = shop.as_member(&server, 100).await;
        let query = "query ($id: ID!) { customer(id: $id) { points { available expired nextExpiries { at points } } } }";
        let id = json!({ "id": joan.customer_id() });
        let answer = shop.graphql(&server, query, id.clone()).await;
        let expected = json!({ "available": 100, "expired": "0",
            "nextExpiries": [{ "at": "2026-02-15T23:00:00+00:00", "points": 100 }] });
        assert_eq!(answer.at("/customer/points"), &expected);
        shop.clock.advance("2026-02-15T23:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap() - shop.clock.now());
        // Not swept yet, and not to be spent any more.
        let spend = about(&joan, redeem(1));
        let refused = shop.mutate(&server, "pointsRedeem", spend).await;
        refused.assert_user_error("INSUFFICIENT_POINTS");
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.clock.advance(TimeDelta::minutes(1));
        shop.run_jobs().await;
        let answer = shop.graphql(&server, query, id).await;
        assert_eq!(answer.at("/customer/points"), &json!({ "available": 0, "expired": "100", "nextExpiries": [] }));
    }

    async fn a_pending_earn_is_activated_once(shop: &TestApp) {
        let server = shop.as_server().await;
        shop.set_programme(json!({ "activation": { "when": "ON_REQUEST" } })).await;
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        shop.step(&server, "orderPay", &order).await;
        let query = "{ me { points { pending lots { id pending remaining } } } }";
        let answer = shop.graphql(&joan, query, json!({})).await;
        let lot = answer.at("/me/points/lots/0/id").clone();
        assert_eq!(answer.at("/me/points/pending"), 10);
        let activated = once(shop, &server, "pointsActivate", json!({ "lotId": lot })).await;
        assert_eq!((&activated["points"], sums(&activated)), (&json!(10), [10, 0, 0, 0]));
        shop.refused(&server, "pointsActivate", json!({ "lotId": lot }), "NOT_PENDING").await;
        let manager = shop.as_staff(Role::Manager).await;
        shop.refused(&manager, "pointsActivate", json!({ "lotId": lot }), "NOT_PENDING").await;
    }

    async fn staff_correct_a_balance_up_and_down(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        let support = shop.as_staff(Role::Support).await;
        let more = about(&joan, json!({ "delta": 50, "reason": "sorry" }));
        let raised = once(shop, &support, "pointsAdjust", more).await;
        assert_eq!((&raised["points"], sums(&raised)), (&json!(50), [150, 0, 0, 0]));
        let fewer = about(&joan, json!({ "delta": -120, "reason": "a mistake" }));
        let lowered = once(shop, &support, "pointsAdjust", fewer).await;
        assert_eq!((&lowered["points"], sums(&lowered)), (&json!(-120), [30, 0, 0, 0]));
        let too_many = about(&joan, json!({ "delta": -31, "reason": "a mistake" }));
        shop.refused(&support, "pointsAdjust", too_many, "INSUFFICIENT_POINTS").await;
        let none = about(&joan, json!({ "delta": 0, "reason": "a mistake" }));
        shop.refused(&support, "pointsAdjust", none, "ZERO_AMOUNT").await;
        let query = "query ($id: ID!) { customer(id: $id) { points { entries(first: 1) { nodes { kind reason actor staffId } } } } }";
        let id = json!({ "id": joan.customer_id() });
        let told = shop.graphql(&support, query, id.clone()).await;
        let entry = told.at("/customer/points/entries/nodes/0");
        assert_eq!((&entry["kind"], &entry["reason"], &entry["actor"]), (&json!("ADJUST"), &json!("a mistake"), &json!("STAFF")));
        assert!(entry["staffId"].is_string());
        let untold = shop.graphql(&server, query, id).await;
        assert_eq!(untold.at("/customer/points/entries/nodes/0/staffId"), &Json::Null);
    }

    async fn each_role_corrects_up_to_its_limit(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1).await;
        let adjust = |delta: i64| about(&joan, json!({ "delta": delta, "reason": "sorry" }));
        for (role, limit) in [(Role::Support, 1_000), (Role::Manager, 100_000)] {
            let staff = shop.as_staff(role).await;
            for beyond in [limit + 1, -limit - 1] {
                let waiting = shop.done(&staff, "pointsAdjust", adjust(beyond)).await;
                assert_eq!((&waiting["points"], &waiting["adjustment"]["state"]), (&Json::Null, &json!("PENDING")));
            }
            shop.done(&staff, "pointsAdjust", adjust(limit)).await;
            shop.done(&staff, "pointsAdjust", adjust(-limit)).await;
        }
        let owner = shop.as_staff(Role::Owner).await;
        let most = shop.done(&owner, "pointsAdjust", adjust(2_147_483_646)).await;
        assert_eq!(sums(&most), [2_147_483_647, 0, 0, 0]);
        shop.refused(&owner, "pointsAdjust", adjust(1), "BALANCE_LIMIT").await;
        shop.refused(&server, "pointsEarn", grant_to(&joan, 1), "BALANCE_LIMIT").await;
        shop.done(&owner, "pointsAdjust", adjust(-2_147_483_647)).await;
    }

    async fn amounts_that_are_none_are_told_clearly(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        shop.refused(&server, "pointsEarn", grant_to(&joan, 0), "ZERO_AMOUNT").await;
        shop.refused(&joan, "pointsRedeem", redeem(0), "ZERO_AMOUNT").await;
        let mut none = grant_to(&joan, 1);
        none["points"] = json!(null);
        shop.refused(&server, "pointsEarn", none, "INVALID").await;
        let wrong = [
            json!(-1), json!(1.5), json!(1e300), json!(2_147_483_648_i64), json!(i64::MAX), json!(u64::MAX),
            json!(i64::MIN), json!("NaN"), json!("1"), json!(""), json!(true), json!([1, 2]), json!({}),
        ];
        for points in wrong {
            let mut input = grant_to(&joan, 1);
            input["points"] = points.clone();
            let refused = shop.unchanged_by(async || shop.mutate(&server, "pointsEarn", input).await).await;
            let codes = refused.error_codes();
            assert_eq!(codes.len(), 1, "{points}: {:#}", refused.body);
            assert!(["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(&codes[0]), "{points}: {:#}", refused.body);
        }
        for delta in [json!(2_147_483_648_i64), json!(-2_147_483_648_i64), json!(0.1)] {
            let owner = shop.as_staff(Role::Owner).await;
            let input = about(&joan, json!({ "delta": delta, "reason": "a mistake" }));
            let refused = shop.unchanged_by(async || shop.mutate(&owner, "pointsAdjust", input).await).await;
            assert_eq!(refused.error_codes().len(), 1, "{delta}: {:#}", refused.body);
        }
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [100, 0, 0, 0]);
    }

    async fn texts_that_nobody_can_read_are_refused(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        for text in [String::new(), "  ".to_owned(), "nul\u{0}".to_owned(), "two\nlines".to_owned(), "x".repeat(501)] {
            let mut grant = grant_to(&joan, 1);
            grant["reason"] = json!(text);
            shop.refused(&server, "pointsEarn", grant, "INVALID").await;
            let spend = json!({ "points": 1, "reference": text });
            shop.refused(&joan, "pointsRedeem", spend, "INVALID").await;
        }
        for key in [String::new(), "with a space".to_owned(), "nul\u{0}".to_owned(), "x".repeat(256), "é".to_owned()] {
            let input = with_key(redeem(1), &key);
            let refused = shop.unchanged_by(async || shop.mutate(&joan, "pointsRedeem", input).await).await;
            assert_eq!(refused.error_codes().len(), 1, "{key:?}: {:#}", refused.body);
        }
        shop.done(&joan, "pointsRedeem", with_key(redeem(1), &"x".repeat(255))).await;
    }

    async fn a_key_is_for_one_request(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        reused(shop, &joan, "pointsRedeem", redeem(10), redeem(11)).await;
        let hold = with_key(json!({ "points": 10 }), "the-key");
        let other = shop.unchanged_by(async || shop.mutate(&joan, "pointsHold", hold).await).await;
        other.assert_error("IDEMPOTENCY_KEY_REUSED");
        reused(shop, &server, "pointsEarn", grant_to(&joan, 5), grant_to(&joan, 6)).await;
        // Two callers may choose the same key.
        let eve = shop.as_member(&server, 100).await;
        let redeemed = shop.done(&eve, "pointsRedeem", with_key(redeem(10), "the-key")).await;
        assert_eq!((&redeemed["replayed"], sums(&redeemed)), (&json!(false), [90, 0, 0, 0]));
    }

    async fn of_forty_redemptions_at_once_ten_are_affordable(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 10).await;
        let answers = join_all((0..40).map(|_| shop.mutate(&joan, "pointsRedeem", redeem(1)))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        let refused = answers.iter().filter(|answer| answer.user_error_codes() == ["INSUFFICIENT_POINTS"]).count();
        assert_eq!((done, refused), (10, 30));
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0; 4]);
    }

    async fn fifty_requests_at_once_with_one_key_are_done_once(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        let answers = join_all((0..50).map(|_| shop.mutate(&joan, "pointsRedeem", with_key(redeem(7), "one")))).await;
        let (waited, answered): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.error_codes() == ["IDEMPOTENCY_IN_PROGRESS"]);
        let firsts = answered.iter().filter(|answer| answer.payload()["replayed"] == false).count();
        assert!(firsts == 1 || (firsts == 0 && !waited.is_empty()), "{firsts} did it");
        assert!(answered.iter().all(|answer| answer.payload()["points"] == 7 && answer.user_errors().is_empty()));
        let holds: std::collections::BTreeSet<&str> =
            answered.iter().map(|answer| answer.payload()["hold"]["id"].as_str().unwrap()).collect();
        assert_eq!(holds.len(), 1);
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [93, 0, 0, 0]);
    }

    async fn a_capture_and_a_void_at_once_end_a_hold_one_way(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        let set_aside = shop.done(&joan, "pointsHold", json!({ "points": 40 })).await;
        let hold = json!({ "holdId": set_aside["hold"]["id"] });
        let (captured, voided) = tokio::join!(
            shop.mutate(&server, "pointsCapture", hold.clone()),
            shop.mutate(&joan, "pointsVoid", hold.clone()),
        );
        let done = [&captured, &voided].map(|answer| answer.user_error_codes().is_empty());
        let expected = if done[0] { [60, 0, 0, 0] } else { [100, 0, 0, 0] };
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
        assert_eq!(shop.sums(&server, joan.customer_id()).await, expected);
    }
}
