//! Points end by the rule of the programme that they were opened under, and never are spent past their end.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

const ENDS: &str = "query ($id: ID!) { customer(id: $id) { points {
    available expired nextExpiries { at points } lots { endsWithoutActivity } } } }";

async fn points(shop: &TestApp, server: &Caller, member: &Caller) -> Json {
    let id = json!({ "id": member.customer_id() });
    shop.graphql(server, ENDS, id).await.at("/customer/points").clone()
}

/// What ends next, as `[at, points]`.
async fn ends(shop: &TestApp, server: &Caller, member: &Caller) -> Json {
    let told = points(shop, server, member).await;
    told["nextExpiries"].as_array().unwrap().iter().map(|end| json!([end["at"], end["points"]])).collect()
}

fn moved_to(shop: &TestApp, at: &str) {
    shop.clock.advance(at.parse::<DateTime<Utc>>().unwrap() - shop.clock.now());
}

async fn sweep(shop: &TestApp) {
    regulars::worker::arm_recurring(&shop.app).await.unwrap();
    shop.clock.advance(chrono::TimeDelta::minutes(1));
    shop.run_jobs().await;
}

async fn set_expiry(shop: &TestApp, rule: &str, months: Option<i32>, round_up: Option<&str>) {
    let expiry = json!({ "rule": rule, "months": months, "roundUp": round_up });
    shop.set_programme(json!({ "expiry": expiry })).await;
}

async fn grant(shop: &TestApp, server: &Caller, member: &Caller, points: i64) {
    let input = json!({ "customerId": member.customer_id(), "points": points, "reason": "a review" });
    shop.done(server, "pointsEarn", input).await;
}

fn redeem(member: &Caller, points: i64) -> Json {
    json!({ "customerId": member.customer_id(), "points": points, "reference": "a gift" })
}

/// What members were warned of, the first warning first.
async fn warnings(shop: &TestApp) -> Vec<Json> {
    use entity::outbox::{Column, Entity};
    let told = Entity::find().filter(Column::Topic.eq("points.expiring")).order_by_asc(Column::Seq);
    told.all(&shop.app.db.read).await.unwrap().into_iter().map(|event| event.payload).collect()
}

both_engines! {
    async fn an_end_is_rounded_up_to_the_end_of_the_quarter(shop: &TestApp) {
        let server = shop.as_server().await;
        set_expiry(shop, "MONTHS_AFTER_ACTIVATION", Some(1), Some("QUARTER")).await;
        let joan = shop.as_member(&server, 100).await;
        // 15 January + 1 month is in the first quarter, which ends at midnight in Amsterdam at UTC+2.
        assert_eq!(ends(shop, &server, &joan).await, json!([["2026-03-31T22:00:00+00:00", 100]]));
    }

    async fn what_the_rule_does_not_go_with_is_an_error(shop: &TestApp) {
        let owner = shop.as_staff(entity::staff::Role::Owner).await;
        for expiry in [
            json!({ "rule": "NEVER", "months": 1 }),
            json!({ "rule": "NEVER", "roundUp": "YEAR" }),
            json!({ "rule": "MONTHS_WITHOUT_ACTIVITY" }),
            json!({ "rule": "MONTHS_WITHOUT_ACTIVITY", "months": 1, "roundUp": "YEAR" }),
            json!({ "rule": "MONTHS_AFTER_ACTIVATION", "roundUp": "YEAR" }),
        ] {
            let input = json!({ "expectedVersion": 0, "programme": { "expiry": expiry } });
            let wrong = shop.unchanged_by(async || shop.mutate(&owner, "shopSettingsUpdate", input).await).await;
            wrong.assert_error("BAD_USER_INPUT");
        }
        let long = json!({ "rule": "MONTHS_WITHOUT_ACTIVITY", "months": 121 });
        let input = json!({ "expectedVersion": 0, "programme": { "expiry": long } });
        shop.refused(&owner, "shopSettingsUpdate", input, "INVALID").await;
    }

    async fn every_activity_pushes_the_end_of_all_points(shop: &TestApp) {
        let server = shop.as_server().await;
        set_expiry(shop, "MONTHS_WITHOUT_ACTIVITY", Some(1), None).await;
        let joan = shop.as_member(&server, 100).await;
        assert_eq!(ends(shop, &server, &joan).await, json!([["2026-02-15T23:00:00+00:00", 100]]));
        assert_eq!(points(shop, &server, &joan).await["lots"], json!([{ "endsWithoutActivity": true }]));
        moved_to(shop, "2026-02-01T12:00:00Z");
        // Setting aside is no activity, spending is.
        let held = shop.done(&server, "pointsHold", json!({ "customerId": joan.customer_id(), "points": 30 })).await;
        assert_eq!(ends(shop, &server, &joan).await, json!([["2026-02-15T23:00:00+00:00", 70]]));
        shop.done(&server, "pointsCapture", json!({ "holdId": held["hold"]["id"] })).await;
        assert_eq!(ends(shop, &server, &joan).await, json!([["2026-03-01T23:00:00+00:00", 70]]));
        moved_to(shop, "2026-02-10T12:00:00Z");
        // An order is an activity although its points are pending; a gift of staff is none.
        shop.set_programme(json!({ "activation": { "when": "ON_REQUEST" } })).await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        shop.step(&server, "orderPay", &order).await;
        assert_eq!(ends(shop, &server, &joan).await, json!([["2026-03-10T23:00:00+00:00", 70]]));
        moved_to(shop, "2026-02-20T12:00:00Z");
        let owner = shop.as_staff(entity::staff::Role::Owner).await;
        let gift = json!({ "customerId": joan.customer_id(), "delta": 5, "reason": "sorry" });
        shop.done(&owner, "pointsAdjust", gift).await;
        assert_eq!(ends(shop, &server, &joan).await, json!([["2026-03-10T23:00:00+00:00", 75]]));
    }

    async fn points_past_their_end_are_never_spent_swept_or_not(shop: &TestApp) {
        let server = shop.as_server().await;
        set_expiry(shop, "MONTHS_WITHOUT_ACTIVITY", Some(1), None).await;
        let joan = shop.as_member(&server, 100).await;
        let jane = shop.as_member(&server, 100).await;
        grant(shop, &server, &jane, 11).await;
        moved_to(shop, "2026-02-15T23:00:00Z");
        let refused = shop.mutate(&server, "pointsRedeem", redeem(&joan, 1)).await;
        refused.assert_user_error("INSUFFICIENT_POINTS");
        // What comes now begins anew, and does not bring back what has ended.
        grant(shop, &server, &jane, 7).await;
        assert_eq!(ends(shop, &server, &jane).await, json!([["2026-03-16T23:00:00+00:00", 7]]));
        sweep(shop).await;
        let told = points(shop, &server, &joan).await;
        assert_eq!((&told["available"], &told["expired"]), (&json!(0), &json!("100")));
        let told = points(shop, &server, &jane).await;
        assert_eq!((&told["available"], &told["expired"]), (&json!(7), &json!("111")));
        // Nothing is left to be done.
        shop.app.clock.advance(chrono::TimeDelta::hours(1));
        let before = shop.snapshot().await;
        regulars::worker::run_due(&shop.app).await.unwrap();
        let after = shop.snapshot().await;
        let changed = before.changed_tables(&after);
        assert!(!changed.iter().any(|table| table.starts_with("points")), "{changed:?}");
    }

    async fn held_points_outlive_the_account_and_end_when_they_come_back(shop: &TestApp) {
        let server = shop.as_server().await;
        set_expiry(shop, "MONTHS_WITHOUT_ACTIVITY", Some(1), None).await;
        shop.set_programme(json!({ "orderHoldDays": 60, "refundGraceDays": 10 })).await;
        let joan = shop.as_member(&server, 300).await;
        let held = shop.done(&joan, "pointsHold", json!({ "points": 100 })).await;
        let order = json!({ "customerId": joan.customer_id(), "holdId": held["hold"]["id"] });
        let order = shop.record(&server, order).await;
        let spent = shop.done(&server, "pointsHold", json!({ "customerId": joan.customer_id(), "points": 100 })).await;
        let paid = json!({ "customerId": joan.customer_id(), "holdId": spent["hold"]["id"] });
        let paid = shop.record(&server, paid).await;
        shop.step(&server, "orderPay", &paid).await;
        moved_to(shop, "2026-02-15T23:00:00Z");
        sweep(shop).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0, 0, 100, 0]);
        // The order is cancelled: its points should have ended. A return gives back with a grace.
        shop.step(&server, "orderCancel", &order).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0, 0, 0, 0]);
        shop.give_back(&server, &paid, 1).await;
        assert_eq!(ends(shop, &server, &joan).await, json!([["2026-02-25T23:01:00+00:00", 100]]));
        moved_to(shop, "2026-02-25T23:01:00Z");
        sweep(shop).await;
        // 100 with the account and 9 that the order earned; 100 that were held; 100 that were spent.
        assert_eq!(points(shop, &server, &joan).await["expired"], "309");
    }

    async fn lots_keep_the_kind_they_were_opened_with(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        set_expiry(shop, "MONTHS_WITHOUT_ACTIVITY", Some(2), None).await;
        grant(shop, &server, &joan, 20).await;
        set_expiry(shop, "MONTHS_AFTER_ACTIVATION", Some(1), None).await;
        moved_to(shop, "2026-01-20T12:00:00Z");
        grant(shop, &server, &joan, 3).await;
        // 3 end a month after they came; 20 two months after that last activity; 100 never.
        let expected = json!([["2026-02-20T23:00:00+00:00", 3], ["2026-03-20T23:00:00+00:00", 20]]);
        assert_eq!(ends(shop, &server, &joan).await, expected);
        moved_to(shop, "2026-03-20T23:00:00Z");
        sweep(shop).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [100, 0, 0, 0]);
    }

    async fn who_turns_out_to_be_another_was_active_when_either_was(shop: &TestApp) {
        let server = shop.as_server().await;
        set_expiry(shop, "MONTHS_WITHOUT_ACTIVITY", Some(1), None).await;
        let from = shop.as_member(&server, 10).await;
        moved_to(shop, "2026-01-20T12:00:00Z");
        let into = shop.as_member(&server, 5).await;
        let owner = shop.as_staff(entity::staff::Role::Owner).await;
        let merge = json!({ "fromId": from.customer_id(), "intoId": into.customer_id(), "reason": "one person" });
        let query = "mutation ($input: CustomerMergeInput!) { customerMerge(input: $input) { userErrors { code } } }";
        let mut input = merge;
        input["idempotencyKey"] = json!("merge-1");
        let answer = shop.graphql(&owner, query, json!({ "input": input })).await;
        assert_eq!(answer.at("/customerMerge/userErrors"), &json!([]));
        assert_eq!(ends(shop, &server, &into).await, json!([["2026-02-20T23:00:00+00:00", 15]]));
    }

    async fn members_are_told_once_before_each_end(shop: &TestApp) {
        let server = shop.as_server().await;
        set_expiry(shop, "MONTHS_AFTER_ACTIVATION", Some(2), None).await;
        let joan = shop.as_member(&server, 100).await;
        // Asked for later: what is there is warned of too.
        shop.set_programme(json!({ "expiryWarningDays": [7, 30] })).await;
        // It ends with 15 March: 30 days before is 13 February at 23:00.
        moved_to(shop, "2026-02-13T22:58:00Z");
        sweep(shop).await;
        assert_eq!(warnings(shop).await, Vec::<Json>::new());
        sweep(shop).await;
        let first = json!({ "points": 100, "at": "2026-03-15T23:00:00Z", "days": 30 });
        assert_eq!(warnings(shop).await, std::slice::from_ref(&first));
        sweep(shop).await;
        shop.done(&server, "pointsRedeem", redeem(&joan, 40)).await;
        moved_to(shop, "2026-03-08T23:00:00Z");
        sweep(shop).await;
        sweep(shop).await;
        let second = json!({ "points": 60, "at": "2026-03-15T23:00:00Z", "days": 7 });
        assert_eq!(warnings(shop).await, [first, second]);
    }

    async fn a_day_of_end_is_told_once_whatever_comes_to_it(shop: &TestApp) {
        let server = shop.as_server().await;
        set_expiry(shop, "MONTHS_AFTER_ACTIVATION", Some(1), Some("QUARTER")).await;
        shop.set_programme(json!({ "expiryWarningDays": [60] })).await;
        moved_to(shop, "2026-02-05T12:00:00Z");
        let joan = shop.as_member(&server, 100).await;
        sweep(shop).await;
        let first = json!({ "points": 100, "at": "2026-03-31T22:00:00Z", "days": 60 });
        assert_eq!(warnings(shop).await, std::slice::from_ref(&first));
        grant(shop, &server, &joan, 5).await;
        sweep(shop).await;
        assert_eq!(warnings(shop).await, std::slice::from_ref(&first));
        // Another day of end is another matter; the next warning tells all of the day.
        shop.set_programme(json!({ "expiryWarningDays": [60, 7] })).await;
        moved_to(shop, "2026-03-24T22:00:00Z");
        sweep(shop).await;
        let second = json!({ "points": 105, "at": "2026-03-31T22:00:00Z", "days": 7 });
        assert_eq!(warnings(shop).await, [first, second]);
    }

    async fn an_activity_after_a_warning_is_followed_by_another_warning(shop: &TestApp) {
        let server = shop.as_server().await;
        set_expiry(shop, "MONTHS_WITHOUT_ACTIVITY", Some(1), None).await;
        shop.set_programme(json!({ "expiryWarningDays": [7] })).await;
        let joan = shop.as_member(&server, 100).await;
        moved_to(shop, "2026-02-08T23:00:00Z");
        sweep(shop).await;
        let first = json!({ "points": 100, "at": "2026-02-15T23:00:00Z", "days": 7 });
        assert_eq!(warnings(shop).await, std::slice::from_ref(&first));
        shop.done(&server, "pointsRedeem", redeem(&joan, 40)).await;
        sweep(shop).await;
        moved_to(shop, "2026-03-03T12:00:00Z");
        sweep(shop).await;
        let second = json!({ "points": 60, "at": "2026-03-09T23:00:00Z", "days": 7 });
        assert_eq!(warnings(shop).await, [first, second]);
    }

    async fn warnings_are_few_different_and_within_a_year(shop: &TestApp) {
        let owner = shop.as_staff(entity::staff::Role::Owner).await;
        for days in [json!([0]), json!([366]), json!([7, 7]), json!([1, 2, 3, 4, 5, 6])] {
            let input = json!({ "expectedVersion": 0, "programme": { "expiryWarningDays": days } });
            let refused = shop.refused(&owner, "shopSettingsUpdate", input, "INVALID").await;
            assert_eq!(refused.user_errors()[0]["field"], json!(["input", "programme", "expiryWarningDays"]));
        }
    }
}
