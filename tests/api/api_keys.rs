//! API keys are made, rotated and revoked by owners who showed that it is they; a secret is shown once.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use regulars::auth::api_keys::{self, KeyError};
use sea_orm::ConnectionTrait;
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, refusal};

const LIST: &str = "{ apiKeys { totalCount nodes { id name prefix scopes active lastUsedAt revokedAt } } }";

fn create() -> Json {
    json!({ "name": "web shop", "scopes": ["points:write", "customers:read"] })
}

/// Whether the key is let in: it asks for what it may not do, or may.
async fn works(shop: &TestApp, key: &Caller) -> bool {
    let answer = shop.graphql(key, "query { product(sku: \"A-1\") { id } }", json!({})).await;
    if answer.status == 200 {
        return true;
    }
    answer.assert_refused(401, "UNAUTHENTICATED");
    false
}

fn holder(payload: &Json) -> Caller {
    Caller::bearer(payload["secret"].as_str().expect("a secret"))
}

/// Answered out of memory, but for the question who asks.
const NAME: &str = "{ shop { name } }";

both_engines! {
    async fn a_key_that_is_revoked_ends_on_another_instance_within_a_second(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let made = shop.done(&owner, "apiKeyCreate", create()).await;
        let (key, neighbour) = (holder(&made), shop.neighbour().await);
        neighbour.graphql(&key, NAME, json!({})).await.data();
        shop.done(&owner, "apiKeyRevoke", json!({ "id": made["apiKey"]["id"] })).await;
        let revoked = Instant::now();
        while neighbour.graphql(&key, NAME, json!({})).await.status != 401 {
            assert!(revoked.elapsed() < Duration::from_secs(1), "let in still after a second");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        neighbour.end().await;
    }

    async fn a_mutation_asks_for_its_key_whichever_is_remembered(shop: &TestApp) {
        let (server, joan) = (shop.as_server().await, shop.as_customer().await);
        let neighbour = shop.neighbour().await;
        neighbour.graphql(&server, NAME, json!({})).await.data();
        // Behind the server's back: nobody is told.
        shop.app.db.write.execute_unprepared("UPDATE api_keys SET revoked_at = created_at").await.unwrap();
        let earn = format!("mutation {{ pointsEarn(input: {{ customerId: \"{}\", points: 5, reason: \"a review\",
            idempotencyKey: \"earn\" }}) {{ points }} }}", joan.customer_id());
        let refused = shop.unchanged_by(async || neighbour.graphql(&server, &earn, json!({})).await).await;
        refused.assert_refused(401, "UNAUTHENTICATED");
        neighbour.end().await;
    }

    async fn a_key_is_shown_once_and_does_what_its_scopes_name(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let mut input = create();
        input["idempotencyKey"] = json!("first");
        let made = shop.done(&owner, "apiKeyCreate", input.clone()).await;
        let key = &made["apiKey"];
        let prefix = key["prefix"].as_str().unwrap();
        assert!(made["secret"].as_str().unwrap().starts_with(&format!("{prefix}_")), "{prefix}");
        assert_eq!(prefix.len(), 11);
        let expected = json!({ "id": key["id"], "name": "web shop", "prefix": prefix,
            "scopes": ["customers:read", "points:write"], "createdAt": "2026-01-15T12:00:00+00:00", "expiresAt": null,
            "revokedAt": null, "lastUsedAt": null, "active": true, "replacedBy": null });
        assert_eq!(key, &expected);
        let joan = shop.as_customer().await;
        let grant = json!({ "customerId": joan.customer_id(), "points": 5, "reason": "a review" });
        shop.done(&holder(&made), "pointsEarn", grant).await;

        let replay = shop.unchanged_by(async || shop.done(&owner, "apiKeyCreate", input).await).await;
        assert_eq!((&replay["secret"], &replay["replayed"]), (&Json::Null, &json!(true)));
        assert_eq!(replay["apiKey"]["id"], key["id"]);
        let list = shop.graphql(&owner, LIST, json!({})).await;
        assert_eq!(list.at("/apiKeys/totalCount"), 1);
        assert_eq!(list.at("/apiKeys/nodes/0/prefix"), prefix);
        let secret = made["secret"].as_str().unwrap();
        assert!(!list.body.to_string().contains(&secret[12..]));
    }

    async fn a_key_says_when_it_was_last_used(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let made = shop.done(&owner, "apiKeyCreate", create()).await;
        assert!(works(shop, &holder(&made)).await);
        let mut used = Json::Null;
        // It is noted beside the request.
        for _ in 0..200 {
            used = shop.graphql(&owner, LIST, json!({})).await.at("/apiKeys/nodes/0/lastUsedAt").clone();
            if !used.is_null() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(used, "2026-01-15T12:00:00+00:00");
    }

    async fn what_is_out_of_bounds_is_refused(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let long = "x".repeat(201);
        let cases = [
            ("name", json!({ "name": " ", "scopes": ["orders:read"] })),
            ("name", json!({ "name": long, "scopes": ["orders:read"] })),
            ("scopes", json!({ "name": "web", "scopes": [] })),
            ("scopes", json!({ "name": "web", "scopes": ["orders:read", "everything"] })),
            ("expiresInDays", json!({ "name": "web", "scopes": ["orders:read"], "expiresInDays": 0 })),
            ("expiresInDays", json!({ "name": "web", "scopes": ["orders:read"], "expiresInDays": 3_651 })),
        ];
        for (field, input) in cases {
            let refused = shop.refused(&owner, "apiKeyCreate", input, "INVALID").await;
            assert_eq!(refused.user_errors()[0]["field"], json!(["input", field]));
        }
        let key = shop.done(&owner, "apiKeyCreate", create()).await["apiKey"]["id"].clone();
        for minutes in [-1, 10_081] {
            let input = json!({ "id": key, "graceMinutes": minutes });
            shop.refused(&owner, "apiKeyRotate", input, "INVALID").await;
        }
        for mutation in ["apiKeyRotate", "apiKeyRevoke"] {
            for id in ["x", "", shop.as_customer().await.customer_id()] {
                shop.refused(&owner, mutation, json!({ "id": id }), "NOT_FOUND").await;
            }
        }
    }

    async fn a_key_ends_when_it_was_made_to(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let mut input = create();
        input["expiresInDays"] = json!(1);
        let made = shop.done(&owner, "apiKeyCreate", input).await;
        let (key, id) = (holder(&made), json!({ "id": made["apiKey"]["id"] }));
        shop.clock.advance(TimeDelta::days(1) - TimeDelta::seconds(1));
        assert!(works(shop, &key).await);
        shop.clock.advance(TimeDelta::seconds(1));
        assert!(!works(shop, &key).await);
        let owner = shop.as_staff(Role::Owner).await;
        assert_eq!(shop.graphql(&owner, LIST, json!({})).await.at("/apiKeys/nodes/0/active"), false);
        shop.refused(&owner, "apiKeyRevoke", id.clone(), "KEY_ENDED").await;
        shop.refused(&owner, "apiKeyRotate", id, "KEY_ENDED").await;
    }

    async fn a_rotated_key_ends_at_once_and_its_successor_has_its_owner(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let made = shop.done(&owner, "apiKeyCreate", create()).await;
        let old = holder(&made);
        let joan = shop.as_customer().await;
        let grant = json!({ "customerId": joan.customer_id(), "points": 5, "reason": "a review", "idempotencyKey": "g" });
        shop.done(&old, "pointsEarn", grant.clone()).await;
        let rotated = shop.done(&owner, "apiKeyRotate", json!({ "id": made["apiKey"]["id"] })).await;
        let new = holder(&rotated);
        assert!(!works(shop, &old).await);
        // The same owner: the grant is a replay.
        let again = shop.done(&new, "pointsEarn", grant).await;
        assert_eq!(again["replayed"], true);
        assert_ne!(rotated["apiKey"]["id"], made["apiKey"]["id"]);
        assert_eq!(rotated["apiKey"]["scopes"], made["apiKey"]["scopes"]);
        assert_eq!(rotated["apiKey"]["name"], "web shop");
    }

    async fn with_a_grace_both_keys_work_until_it_is_over(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let mut input = create();
        input["expiresInDays"] = json!(30);
        let made = shop.done(&owner, "apiKeyCreate", input).await;
        let rotate = json!({ "id": made["apiKey"]["id"], "graceMinutes": 60, "idempotencyKey": "r" });
        shop.clock.advance(TimeDelta::minutes(1));
        let rotated = shop.done(&owner, "apiKeyRotate", rotate.clone()).await;
        assert_eq!(rotated["apiKey"]["expiresAt"], "2026-02-14T12:01:00+00:00");
        let replay = shop.unchanged_by(async || shop.done(&owner, "apiKeyRotate", rotate).await).await;
        assert_eq!((&replay["secret"], &replay["apiKey"]["id"]), (&Json::Null, &rotated["apiKey"]["id"]));
        let (old, new) = (holder(&made), holder(&rotated));
        let again = json!({ "id": made["apiKey"]["id"], "graceMinutes": 60 });
        shop.refused(&owner, "apiKeyRotate", again, "KEY_ROTATED").await;
        shop.clock.advance(TimeDelta::minutes(60) - TimeDelta::seconds(1));
        assert!(works(shop, &old).await && works(shop, &new).await);
        shop.clock.advance(TimeDelta::seconds(1));
        assert!(!works(shop, &old).await && works(shop, &new).await);
    }

    async fn a_key_in_its_grace_can_be_revoked(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let made = shop.done(&owner, "apiKeyCreate", create()).await;
        let id = made["apiKey"]["id"].clone();
        let rotated = shop.done(&owner, "apiKeyRotate", json!({ "id": id, "graceMinutes": 60 })).await;
        let revoked = shop.done(&owner, "apiKeyRevoke", json!({ "id": id })).await;
        assert_eq!((&revoked["secret"], &revoked["apiKey"]["active"]), (&Json::Null, &json!(false)));
        assert_eq!(revoked["apiKey"]["replacedBy"], rotated["apiKey"]["id"]);
        assert!(!works(shop, &holder(&made)).await && works(shop, &holder(&rotated)).await);
        shop.refused(&owner, "apiKeyRevoke", json!({ "id": id }), "KEY_ENDED").await;
    }

    async fn of_many_rotations_at_once_one_makes_a_key(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let made = shop.done(&owner, "apiKeyCreate", create()).await;
        for grace in [60, 0] {
            let newest = shop.graphql(&owner, LIST, json!({})).await.at("/apiKeys/nodes/0/id").clone();
            let rotate = json!({ "id": newest, "graceMinutes": grace });
            let answers = join_all((0..5).map(|_| shop.mutate(&owner, "apiKeyRotate", rotate.clone()))).await;
            let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
            let refused = answers.iter().filter(|answer| answer.user_error_codes() == ["KEY_ROTATED"]).count();
            assert_eq!((done, refused), (1, 4));
        }
        assert_eq!(shop.snapshot().await.count("api_keys"), 3);
        assert!(works(shop, &holder(&made)).await);
    }

    async fn every_change_of_a_key_is_written_down_without_its_secret(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let made = shop.done(&owner, "apiKeyCreate", create()).await;
        let rotated = shop.done(&owner, "apiKeyRotate", json!({ "id": made["apiKey"]["id"] })).await;
        shop.done(&owner, "apiKeyRevoke", json!({ "id": rotated["apiKey"]["id"] })).await;
        let query = "{ auditEntries(last: 10) { nodes { act actorKind subjectId detail } } }";
        let entries = shop.graphql(&owner, query, json!({})).await;
        let nodes = entries.at("/auditEntries/nodes").as_array().unwrap();
        let keys: Vec<Json> = nodes.iter().rev()
            .filter(|entry| entry["act"].as_str().unwrap().starts_with("api_key."))
            .map(|entry| json!([entry["act"], entry["actorKind"], entry["subjectId"]])).collect();
        let expected = [
            json!(["api_key.create", "STAFF", made["apiKey"]["id"]]),
            json!(["api_key.rotate", "STAFF", made["apiKey"]["id"]]),
            json!(["api_key.revoke", "STAFF", rotated["apiKey"]["id"]]),
        ];
        assert_eq!(keys, expected);
        for payload in [&made, &rotated] {
            let secret = payload["secret"].as_str().unwrap();
            assert!(!entries.body.to_string().contains(&secret[12..]));
        }
    }

    async fn an_operator_names_a_key_by_its_beginning(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let made = shop.done(&owner, "apiKeyCreate", create()).await;
        let prefix = made["apiKey"]["prefix"].as_str().unwrap();
        let secret = api_keys::rotate_by_prefix(&shop.app, prefix, 0).await.unwrap();
        let new = Caller::bearer(secret.expose_secret());
        assert!(!works(shop, &holder(&made)).await && works(shop, &new).await);
        assert_eq!(refusal(api_keys::rotate_by_prefix(&shop.app, prefix, 0).await), KeyError::Rotated);
        shop.clock.advance(TimeDelta::seconds(1));
        let listed = api_keys::list(&shop.app).await.unwrap();
        let active: Vec<bool> = listed.iter().map(|key| api_keys::is_in_force(key, shop.clock.now())).collect();
        assert_eq!(active, [false, true]);
        api_keys::revoke_by_prefix(&shop.app, &listed[1].prefix).await.unwrap();
        assert!(!works(shop, &new).await);
        assert_eq!(refusal(api_keys::revoke_by_prefix(&shop.app, &listed[1].prefix).await), KeyError::Ended);
        assert_eq!(refusal(api_keys::revoke_by_prefix(&shop.app, "rg_nothing2").await), KeyError::NotFound);
    }

    async fn making_rotating_and_revoking_need_a_step_up(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let id = shop.done(&owner, "apiKeyCreate", create()).await["apiKey"]["id"].clone();
        shop.clock.advance(TimeDelta::minutes(5));
        let calls = [
            ("apiKeyCreate", create()),
            ("apiKeyRotate", json!({ "id": id })),
            ("apiKeyRevoke", json!({ "id": id })),
        ];
        for (mutation, input) in calls {
            let late = shop.unchanged_by(async || shop.mutate(&owner, mutation, input).await).await;
            late.assert_error("FORBIDDEN");
            assert_eq!(late.body["errors"][0]["extensions"]["reason"], "STEP_UP_REQUIRED");
        }
        shop.graphql(&owner, LIST, json!({})).await.data();
    }
}
