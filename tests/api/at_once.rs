//! What comes at the same time is done together, and each request ends as if it had come alone.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

const OWN: &str = "query ($first: Int, $after: String, $last: Int, $before: String) { me { id points { available
    entries(first: $first, after: $after, last: $last, before: $before) {
        totalCount edges { cursor node { sequence points } } pageInfo { hasNextPage hasPreviousPage } } } } }";

async fn page(shop: &TestApp, who: &Caller, arguments: Json) -> (Vec<i64>, bool, bool, Vec<String>) {
    let answer = shop.graphql(who, OWN, arguments).await;
    let entries = answer.at("/me/points/entries");
    let edges = entries["edges"].as_array().unwrap();
    let numbers = edges.iter().map(|edge| edge["node"]["sequence"].as_i64().unwrap()).collect();
    let cursors = edges.iter().map(|edge| edge["cursor"].as_str().unwrap().to_owned()).collect();
    let of = |name: &str| entries["pageInfo"][name].as_bool().unwrap();
    (numbers, of("hasPreviousPage"), of("hasNextPage"), cursors)
}

both_engines! {
    async fn each_of_many_moves_of_points_has_its_own_end(shop: &TestApp) {
        let server = shop.as_server().await;
        let mut members = Vec::new();
        for _ in 0..8 {
            members.push(shop.as_member(&server, 10).await);
        }
        let nobody = json!({ "customerId": "nobody", "points": 1, "reason": "a review" });
        let earn = |of: usize, key: &str| json!({ "customerId": members[of].customer_id(), "points": 3,
            "reason": "a review", "idempotencyKey": key });
        let spend = |of: usize, points: i64| json!({ "customerId": members[of].customer_id(), "points": points, "reference": "a gift" });
        shop.done(&server, "pointsEarn", earn(0, "taken")).await;
        let mut asked: Vec<(&str, Json, &str)> = Vec::new();
        for of in 0..8 {
            for time in 0..4 {
                asked.push(("pointsEarn", earn(of, &format!("{of}-{time}")), "done"));
            }
            asked.push(("pointsRedeem", spend(of, 5), "done"));
            asked.push(("pointsRedeem", spend(of, 1_000), "INSUFFICIENT_POINTS"));
        }
        asked.push(("pointsEarn", nobody, "NOT_FOUND"));
        asked.push(("pointsEarn", earn(1, "taken"), "IDEMPOTENCY_KEY_REUSED"));
        asked.push(("pointsEarn", earn(0, "taken"), "replayed"));
        let answers = join_all(asked.iter().map(|(mutation, input, _)| shop.mutate(&server, mutation, input.clone()))).await;
        for ((mutation, input, expected), answer) in asked.iter().zip(answers) {
            match *expected {
                "IDEMPOTENCY_KEY_REUSED" => { answer.assert_error(expected); }
                "done" | "replayed" => {
                    assert_eq!(answer.payload()["replayed"], *expected == "replayed", "{mutation} {input}");
                    answer.assert_done();
                }
                _ => { answer.assert_user_error(expected); }
            }
        }
        for (of, member) in members.iter().enumerate() {
            let points = 10 + 4 * 3 - 5 + if of == 0 { 3 } else { 0 };
            assert_eq!(shop.sums(&server, member.customer_id()).await, [points, 0, 0, 0]);
        }
    }

    async fn each_of_many_readers_sees_the_own_points(shop: &TestApp) {
        let server = shop.as_server().await;
        let mut members = Vec::new();
        for points in 1..=12 {
            members.push((points, shop.as_member(&server, points).await));
        }
        let asked = members.iter().cycle().take(60);
        let answers = join_all(asked.clone().map(|(_, who)| shop.graphql(who, OWN, json!({ "first": 2 })))).await;
        for ((points, who), answer) in asked.zip(answers) {
            assert_eq!(answer.at("/me/id"), who.customer_id());
            assert_eq!(answer.at("/me/points/available"), *points);
            assert_eq!(answer.at("/me/points/entries/edges/0/node/points"), *points);
        }
        // Who is no customer, whoever asks at the same time, gets nothing of theirs.
        let stranger = Caller::anonymous();
        let (anonymous, own) = tokio::join!(
            shop.graphql(&stranger, OWN, json!({})),
            shop.graphql(&members[0].1, OWN, json!({}))
        );
        assert!(!anonymous.error_codes().is_empty());
        assert_eq!(own.at("/me/points/available"), 1);
    }

    async fn pages_of_one_account_may_have_any_lengths_at_once(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        shop.done(&joan, "pointsRedeem", json!({ "points": 1, "reference": "a gift" })).await;
        let (all, ..) = page(shop, &joan, json!({ "first": 100 })).await;
        let lengths = [1, 2, 5, 20, 100].into_iter().cycle().take(40);
        let pages = join_all(lengths.clone().map(|first| page(shop, &joan, json!({ "first": first })))).await;
        for (first, (numbers, _, has_next, _)) in lengths.zip(pages) {
            assert_eq!(numbers, all[..all.len().min(first)], "{first}");
            assert_eq!(has_next, all.len() > first, "{first}");
        }
        let aliased = "{ me { a: points { entries(first: 5) { nodes { sequence } } } b: points { entries(first: 20) {
            nodes { sequence } } } c: points { entries(first: 50) { nodes { sequence } } } } }";
        let answer = shop.graphql(&joan, aliased, json!({})).await;
        for alias in ["a", "b", "c"] {
            assert_eq!(answer.at(&format!("/me/{alias}/entries/nodes")).as_array().unwrap().len(), all.len());
        }
    }

    async fn pages_of_entries_go_forth_and_back(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        for _ in 0..6 {
            shop.done(&joan, "pointsRedeem", json!({ "points": 1, "reference": "a gift" })).await;
        }
        let (all, _, _, cursors) = page(shop, &joan, json!({ "first": 100 })).await;
        let count = i64::try_from(all.len()).unwrap();
        assert_eq!(all, (1..=count).rev().collect::<Vec<_>>());
        assert_eq!(cursors.iter().collect::<BTreeSet<_>>().len(), all.len());
        let (third, last) = (&cursors[2], &cursors[cursors.len() - 1]);
        let seen = async |arguments: Json| {
            let (numbers, before, after, _) = page(shop, &joan, arguments).await;
            (numbers, before, after)
        };
        assert_eq!(seen(json!({ "first": 3 })).await, (vec![count, count - 1, count - 2], false, true));
        let next = seen(json!({ "first": 2, "after": third })).await;
        assert_eq!(next, (vec![count - 3, count - 4], true, true));
        assert_eq!(seen(json!({ "last": 2 })).await, (vec![2, 1], true, false));
        assert_eq!(seen(json!({ "last": 2, "before": third })).await, (vec![count, count - 1], false, true));
        assert_eq!(seen(json!({ "first": 1, "before": third })).await, (vec![count], false, true));
        assert_eq!(seen(json!({ "first": 5, "after": last })).await, (vec![], true, false));
        assert_eq!(seen(json!({ "last": 5, "before": cursors[0] })).await, (vec![], false, true));
    }
}
