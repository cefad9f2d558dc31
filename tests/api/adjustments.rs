//! Adjustments above the limit of a role wait for a second person, move once, and are all written down.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

const LIST: &str = "query ($state: PointsAdjustmentState) { pointsAdjustments(state: $state) {
    totalCount nodes { id state delta reason customerId requestedBy decidedBy } } }";

fn adjust(customer: &Caller, delta: i64) -> Json {
    json!({ "customerId": customer.customer_id(), "delta": delta, "reason": "a lost parcel" })
}

/// An adjustment that support asked for and that waits.
async fn waiting(shop: &TestApp, support: &Caller, customer: &Caller, delta: i64) -> Json {
    let asked = shop.done(support, "pointsAdjust", adjust(customer, delta)).await;
    asked["adjustment"].clone()
}

fn decide(adjustment: &Json) -> Json {
    json!({ "id": adjustment["id"] })
}

fn merge(from: &Caller, into: &Caller) -> Json {
    json!({ "fromId": from.customer_id(), "intoId": into.customer_id(), "reason": "the same person" })
}

async fn my_id(shop: &TestApp, staff: &Caller) -> Json {
    shop.graphql(staff, "{ staffMe { member { id } } }", json!({})).await.at("/staffMe/member/id").clone()
}

async fn listed(shop: &TestApp, staff: &Caller, state: Option<&str>) -> Vec<Json> {
    let answer = shop.graphql(staff, LIST, json!({ "state": state })).await;
    let nodes = answer.at("/pointsAdjustments/nodes").as_array().unwrap().clone();
    assert_eq!(answer.at("/pointsAdjustments/totalCount"), &json!(nodes.len()));
    nodes
}

/// Acts in the audit log about points of a customer, the first first, with who did them and with what detail.
async fn audited(shop: &TestApp, customer: &Caller) -> Vec<Json> {
    let owner = shop.as_staff(Role::Owner).await;
    let query = "query ($filter: AuditFilter) { auditEntries(last: 100, filter: $filter) {
        nodes { act actorId detail } } }";
    let filter = json!({ "customerId": customer.customer_id() });
    let answer = shop.graphql(&owner, query, json!({ "filter": filter })).await;
    let nodes = answer.at("/auditEntries/nodes").as_array().unwrap().iter().rev();
    nodes.filter(|entry| entry["act"].as_str().unwrap().starts_with("points.")).cloned().collect()
}

both_engines! {
    async fn an_adjustment_above_the_limit_moves_when_a_second_person_approves_it(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        let (support, manager) = (shop.as_staff(Role::Support).await, shop.as_staff(Role::Manager).await);
        let before = shop.snapshot().await;
        let asked = shop.done(&support, "pointsAdjust", adjust(&joan, 5_000)).await;
        let adjustment = &asked["adjustment"];
        assert_eq!(asked["points"], Json::Null);
        let supporter = my_id(shop, &support).await;
        let expected = json!({ "id": adjustment["id"], "state": "PENDING", "customerId": joan.customer_id(),
            "delta": 5_000, "reason": "a lost parcel", "requestedBy": supporter,
            "requestedAt": "2026-01-15T12:00:00+00:00", "decidedBy": null, "decidedAt": null });
        assert_eq!(adjustment, &expected);
        let after = shop.snapshot().await;
        for table in ["points_entries", "outbox", "jobs"] {
            assert_eq!(before.count(table), after.count(table), "{table}");
        }
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [100, 0, 0, 0]);

        let approved = shop.done(&manager, "pointsAdjustmentApprove", decide(adjustment)).await;
        assert_eq!((&approved["points"], &approved["adjustment"]["state"]), (&json!(5_000), &json!("APPROVED")));
        assert_eq!(approved["adjustment"]["decidedBy"], my_id(shop, &manager).await);
        assert_eq!(approved["account"]["available"], 5_100);
        let query = "query ($id: ID!) { customer(id: $id) { points { entries(first: 1) { nodes { kind points reason staffId } } } } }";
        let told = shop.graphql(&manager, query, json!({ "id": joan.customer_id() })).await;
        let entry = json!({ "kind": "ADJUST", "points": 5_000, "reason": "a lost parcel", "staffId": supporter });
        assert_eq!(told.at("/customer/points/entries/nodes/0"), &entry);
    }

    async fn every_step_is_written_down_with_who_took_it(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        let (support, manager) = (shop.as_staff(Role::Support).await, shop.as_staff(Role::Manager).await);
        let (supporter, approver) = (my_id(shop, &support).await, my_id(shop, &manager).await);
        shop.done(&support, "pointsAdjust", adjust(&joan, 5)).await;
        let first = waiting(shop, &support, &joan, 5_000).await;
        let second = waiting(shop, &support, &joan, 6_000).await;
        let third = waiting(shop, &support, &joan, 7_000).await;
        shop.done(&manager, "pointsAdjustmentApprove", decide(&first)).await;
        shop.done(&manager, "pointsAdjustmentReject", decide(&second)).await;
        shop.done(&support, "pointsAdjustmentReject", decide(&third)).await;
        let found = audited(shop, &joan).await;
        let told: Vec<Json> = found.iter().map(|entry| {
            json!([entry["act"], entry["actorId"], entry["detail"]["delta"], entry["detail"]["reason"]])
        }).collect();
        let entry = |act: &str, by: &Json, delta: i64| json!([act, by, delta, "a lost parcel"]);
        let expected = [
            entry("points.adjust", &supporter, 5),
            entry("points.adjustment.request", &supporter, 5_000),
            entry("points.adjustment.request", &supporter, 6_000),
            entry("points.adjustment.request", &supporter, 7_000),
            entry("points.adjustment.approve", &approver, 5_000),
            entry("points.adjustment.reject", &approver, 6_000),
            entry("points.adjustment.withdraw", &supporter, 7_000),
        ];
        assert_eq!(told, expected);
    }

    async fn nobody_approves_their_own(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 0).await;
        let manager = shop.as_staff(Role::Manager).await;
        let own = waiting(shop, &manager, &joan, 100_001).await;
        let refused = shop.refused(&manager, "pointsAdjustmentApprove", decide(&own), "OWN_ADJUSTMENT").await;
        assert_eq!(refused.user_errors()[0]["field"], json!(["input", "id"]));
        let owner = shop.as_staff(Role::Owner).await;
        shop.done(&owner, "pointsAdjustmentApprove", decide(&own)).await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [100_001, 0, 0, 0]);
    }

    async fn what_was_refused_or_withdrawn_never_moves(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        let (support, manager) = (shop.as_staff(Role::Support).await, shop.as_staff(Role::Manager).await);
        for who in [&support, &manager] {
            let adjustment = waiting(shop, &support, &joan, 5_000).await;
            let rejected = shop.done(who, "pointsAdjustmentReject", decide(&adjustment)).await;
            assert_eq!((&rejected["points"], &rejected["adjustment"]["state"]), (&Json::Null, &json!("REJECTED")));
            assert_eq!(rejected["adjustment"]["decidedBy"], my_id(shop, who).await);
            let refused = shop.refused(&manager, "pointsAdjustmentApprove", decide(&adjustment), "ADJUSTMENT_DECIDED").await;
            assert_eq!(refused.user_errors()[0]["message"], "The adjustment is Rejected already.");
            shop.refused(&support, "pointsAdjustmentReject", decide(&adjustment), "ADJUSTMENT_DECIDED").await;
        }
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [100, 0, 0, 0]);
    }

    async fn an_adjustment_that_the_balance_does_not_allow_goes_on_waiting(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_000).await;
        let (support, manager) = (shop.as_staff(Role::Support).await, shop.as_staff(Role::Manager).await);
        let taken = waiting(shop, &support, &joan, -1_500).await;
        let refused = shop.refused(&manager, "pointsAdjustmentApprove", decide(&taken), "INSUFFICIENT_POINTS").await;
        assert_eq!(refused.user_errors()[0]["message"], "Only 1000 points are available.");
        assert_eq!(listed(shop, &manager, Some("PENDING")).await.len(), 1);
        let more = json!({ "customerId": joan.customer_id(), "points": 500, "reason": "a review" });
        shop.done(&server, "pointsEarn", more).await;
        let approved = shop.done(&manager, "pointsAdjustmentApprove", decide(&taken)).await;
        assert_eq!((&approved["points"], &approved["account"]["available"]), (&json!(-1_500), &json!(0)));
    }

    async fn a_replay_asks_and_decides_nothing_again(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 0).await;
        let (support, manager) = (shop.as_staff(Role::Support).await, shop.as_staff(Role::Manager).await);
        let mut input = adjust(&joan, 5_000);
        input["idempotencyKey"] = json!("ask");
        let asked = shop.done(&support, "pointsAdjust", input.clone()).await;
        // Not even when the shop has come to let support do it alone.
        let owner = shop.as_staff(Role::Owner).await;
        let limits = json!({ "expectedVersion": 0, "adjustmentLimits": { "support": null, "manager": null, "owner": null } });
        shop.done(&owner, "shopSettingsUpdate", limits).await;
        let again = shop.unchanged_by(async || shop.done(&support, "pointsAdjust", input).await).await;
        assert_eq!((&again["replayed"], &again["adjustment"]), (&json!(true), &asked["adjustment"]));
        let decision = json!({ "id": asked["adjustment"]["id"], "idempotencyKey": "decide" });
        let first = shop.done(&manager, "pointsAdjustmentApprove", decision.clone()).await;
        let again = shop.unchanged_by(async || shop.done(&manager, "pointsAdjustmentApprove", decision).await).await;
        assert_eq!((&again["replayed"], &again["points"]), (&json!(true), &first["points"]));
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [5_000, 0, 0, 0]);
    }

    async fn of_many_who_decide_at_once_one_does(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 0).await;
        let support = shop.as_staff(Role::Support).await;
        let deciders = join_all((0..4).map(|_| shop.as_staff(Role::Manager))).await;
        let adjustment = waiting(shop, &support, &joan, 5_000).await;
        let decided = join_all(deciders.iter().enumerate().map(async |(place, manager)| {
            let way = if place == 0 { "pointsAdjustmentReject" } else { "pointsAdjustmentApprove" };
            (way, shop.mutate(manager, way, decide(&adjustment)).await)
        })).await;
        let done: Vec<&str> = decided.iter().filter(|(_, answer)| answer.user_error_codes().is_empty()).map(|(way, _)| *way).collect();
        let refused = decided.iter().filter(|(_, answer)| answer.user_error_codes() == ["ADJUSTMENT_DECIDED"]).count();
        assert_eq!((done.len(), refused), (1, 3));
        let moved = if done == ["pointsAdjustmentApprove"] { 5_000 } else { 0 };
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [moved, 0, 0, 0]);
    }

    async fn support_sees_and_withdraws_only_what_they_asked_for(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 0).await;
        let (sam, eve) = (shop.as_staff(Role::Support).await, shop.as_staff(Role::Support).await);
        let manager = shop.as_staff(Role::Manager).await;
        let adjustment = waiting(shop, &sam, &joan, 5_000).await;
        assert_eq!(listed(shop, &sam, None).await.len(), 1);
        assert_eq!(listed(shop, &eve, None).await, Vec::<Json>::new());
        assert_eq!(listed(shop, &manager, Some("PENDING")).await[0]["id"], adjustment["id"]);
        assert_eq!(listed(shop, &manager, Some("APPROVED")).await, Vec::<Json>::new());
        let foreign = shop.refused(&eve, "pointsAdjustmentReject", decide(&adjustment), "NOT_FOUND").await;
        for id in [joan.customer_id(), "x", ""] {
            let nothing = shop.refused(&eve, "pointsAdjustmentReject", json!({ "id": id }), "NOT_FOUND").await;
            assert_eq!(nothing.payload(), foreign.payload());
        }
        let query = "mutation ($input: PointsAdjustmentDecideInput!) { pointsAdjustmentApprove(input: $input) { points } }";
        let input = json!({ "id": adjustment["id"], "idempotencyKey": "k" });
        shop.graphql(&eve, query, json!({ "input": input })).await.assert_error("FORBIDDEN");
    }

    async fn approving_needs_a_step_up(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 0).await;
        let (support, manager) = (shop.as_staff(Role::Support).await, shop.as_staff(Role::Manager).await);
        let adjustment = waiting(shop, &support, &joan, 5_000).await;
        shop.clock.advance(TimeDelta::minutes(5));
        let late = shop.unchanged_by(async || {
            shop.mutate(&manager, "pointsAdjustmentApprove", decide(&adjustment)).await
        }).await;
        late.assert_error("FORBIDDEN");
        assert_eq!(late.body["errors"][0]["extensions"]["reason"], "STEP_UP_REQUIRED");
        shop.done(&manager, "pointsAdjustmentReject", decide(&adjustment)).await;
    }

    async fn after_a_merge_an_adjustment_is_of_the_one_who_stays(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let (ann, anna) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
        let (support, manager) = (shop.as_staff(Role::Support).await, shop.as_staff(Role::Manager).await);
        let before = waiting(shop, &support, &ann, 5_000).await;
        shop.done(&owner, "customerMerge", merge(&ann, &anna)).await;
        let after = waiting(shop, &support, &ann, 6_000).await;
        assert_eq!(after["customerId"], anna.customer_id());
        for adjustment in listed(shop, &manager, None).await {
            assert_eq!(adjustment["customerId"], anna.customer_id());
        }
        let small = shop.done(&support, "pointsAdjust", adjust(&ann, 5)).await;
        assert_eq!(small["account"]["available"], 5);
        let approved = shop.done(&manager, "pointsAdjustmentApprove", decide(&after)).await;
        assert_eq!((&approved["adjustment"]["customerId"], &approved["account"]["available"]),
            (&json!(anna.customer_id()), &json!(6_005)));
        shop.done(&manager, "pointsAdjustmentReject", decide(&before)).await;
        let acts = |entries: Vec<Json>| entries.iter().map(|entry| entry["act"].clone()).collect::<Vec<_>>();
        let expected = ["points.adjustment.request", "points.adjust", "points.adjustment.approve", "points.adjustment.reject"];
        assert_eq!(acts(audited(shop, &anna).await), expected);
        assert_eq!(acts(audited(shop, &ann).await), ["points.adjustment.request"]);
    }

    async fn what_is_asked_for_during_a_merge_is_of_the_one_who_stays(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let support = shop.as_staff(Role::Support).await;
        for _ in 0..4 {
            let (ann, anna) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
            let merges = shop.done(&owner, "customerMerge", merge(&ann, &anna));
            let asks = join_all((0..4).map(|_| waiting(shop, &support, &ann, 5_000)));
            tokio::join!(merges, asks);
            let found = listed(shop, &owner, None).await;
            let theirs = found.iter().filter(|adjustment| adjustment["customerId"] == anna.customer_id());
            assert_eq!(theirs.count(), 4, "{found:#?}");
        }
    }

    async fn an_adjustment_of_nobody_is_refused_whatever_its_size(shop: &TestApp) {
        let support = shop.as_staff(Role::Support).await;
        let server = shop.as_server().await;
        let order = json!({ "email": "guest@example.org" });
        let guest = shop.record(&server, order).await["guestId"].clone();
        for delta in [1, 5_000] {
            for id in [guest.clone(), json!("x")] {
                let input = json!({ "customerId": id, "delta": delta, "reason": "sorry" });
                shop.refused(&support, "pointsAdjust", input, "NOT_FOUND").await;
            }
        }
    }
}
