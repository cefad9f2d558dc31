//! What holds for every request: limits before anything runs, answers of one shape, ids, and no word of the database.

use std::time::{Duration, Instant};

use entity::staff::Role;
use regulars::app::App;
use regulars::clock::IdGen;
use regulars::settings;
use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::support::{Answer, Caller, Serving, TestApp, TestDatabase, both_engines, config};

async fn anonymous(shop: &TestApp, query: &str) -> Answer {
    shop.graphql(&Caller::anonymous(), query, json!({})).await
}

async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

fn post(shop: &TestApp, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    shop.serving
        .request(Method::POST, "/graphql")
        .header("content-type", "application/json")
        .header("accept", "application/graphql-response+json")
        .body(body)
}

both_engines! {
    async fn what_is_too_large_never_runs(shop: &TestApp) {
        let deep = |levels: usize| format!("{{ {}shop{} }}", "shop { ".repeat(levels - 1), " }".repeat(levels - 1));
        let aliases = |count: usize| {
            let fields: Vec<String> = (0..count).map(|number| format!("a{number}: name")).collect();
            format!("{{ shop {{ {} }} }}", fields.join(" "))
        };
        let roots = |count: usize| {
            let fields: Vec<String> = (0..count).map(|number| format!("r{number}: shop {{ name }}")).collect();
            format!("{{ {} }}", fields.join(" "))
        };
        let cases = [
            (deep(13), "depth 13, the limit is 12"),
            (aliases(31), "aliases 31, the limit is 30"),
            (roots(11), "root fields 11, the limit is 10"),
            (format!("{{ shop {{ {} }} }}", "name ".repeat(2_000)), "tokens 2005, the limit is 2000"),
            (format!("{{ shop {{ name {} }} }}", "@include(if: true) ".repeat(51)), "directives 51, the limit is 50"),
            ("{ products(first: 100) { nodes { id } } orders(first: 100) { nodes { lines { id } returns { id } lot: lines { id } } }
                more: products(first: 5000) { nodes { id } } }".to_owned(), "the limit is 5000"),
        ];
        for (query, told) in cases {
            let body = json!({ "query": query }).to_string();
            let refused = shop.unchanged_by(async || send(post(shop, body)).await).await;
            refused.assert_refused(400, "OPERATION_TOO_COMPLEX");
            let message = refused.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(told), "{message}");
        }
        for query in [aliases(30), roots(10)] {
            anonymous(shop, &query).await.data();
        }
    }

    async fn one_operation_tries_one_credential(shop: &TestApp) {
        let sign_in = "signInWithPassword(input: { email: \"a@example.org\", password: \"x\" }) { userErrors { code } }";
        let code = "signInRequestCode(input: { email: \"a@example.org\" }) { status }";
        let cases = [
            format!("mutation {{ a: {sign_in} b: {sign_in} }}"),
            format!("mutation {{ {sign_in} {code} }}"),
            format!("mutation {{ ...F ...G }} fragment F on Mutation {{ a: {code} }} fragment G on Mutation {{ b: {code} }}"),
        ];
        for query in cases {
            let refused = shop.unchanged_by(async || anonymous(shop, &query).await).await;
            refused.assert_error("OPERATION_TOO_COMPLEX");
        }
        anonymous(shop, &format!("mutation {{ {sign_in} }}")).await.assert_user_error("INVALID_CREDENTIALS");
    }

    async fn bodies_that_are_no_request_are_refused_in_shape(shop: &TestApp) {
        let one = json!({ "query": "{ shop { name } }" }).to_string();
        send(post(shop, format!("[{one},{one}]"))).await.assert_refused(400, "BAD_USER_INPUT");
        send(post(shop, "{")).await.assert_refused(400, "BAD_USER_INPUT");
        send(post(shop, vec![0xff, 0xfe])).await.assert_refused(400, "BAD_USER_INPUT");
        send(post(shop, json!({ "query": "{ shop {" }).to_string())).await.assert_refused(400, "GRAPHQL_PARSE_FAILED");
        send(post(shop, json!({ "query": "{ nothing }" }).to_string())).await.assert_refused(400, "GRAPHQL_VALIDATION_FAILED");
        let padded = |length: usize| {
            let empty = json!({ "query": "{ shop { name } }", "variables": { "pad": "" } }).to_string();
            json!({ "query": "{ shop { name } }", "variables": { "pad": "x".repeat(length - empty.len()) } }).to_string()
        };
        assert_eq!(send(post(shop, padded(262_144))).await.at("/shop/name"), "Regulars shop");
        send(post(shop, padded(262_145))).await.assert_refused(413, "OPERATION_TOO_COMPLEX");
        let chunks = futures_util::stream::iter((0..300).map(|_| Ok::<_, std::io::Error>("x".repeat(1_024))));
        send(post(shop, reqwest::Body::wrap_stream(chunks))).await.assert_refused(413, "OPERATION_TOO_COMPLEX");
    }

    async fn other_types_methods_and_paths_are_refused_in_shape(shop: &TestApp) {
        for media in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""] {
            let body = json!({ "query": "mutation { sessionEnd(input: { refreshToken: \"x\" }) { ended } }" });
            let request = shop.serving.request(Method::POST, "/graphql").header("content-type", media);
            send(request.body(body.to_string())).await.assert_refused(415, "BAD_USER_INPUT");
        }
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            let refused = send(shop.serving.request(method, "/graphql")).await;
            refused.assert_refused(405, "BAD_USER_INPUT");
            assert_eq!(refused.header("allow"), "GET, POST");
        }
        let over_get = "/graphql?query=mutation%7BsessionEnd(input%3A%7BrefreshToken%3A%22x%22%7D)%7Bended%7D%7D";
        send(shop.serving.request(Method::GET, over_get)).await.assert_refused(405, "BAD_USER_INPUT");
        let query = send(shop.serving.request(Method::GET, "/graphql?query=%7Bshop%7Bname%7D%7D")).await;
        assert_eq!(query.at("/shop/name"), "Regulars shop");
        send(shop.serving.request(Method::GET, "/nothing")).await.assert_refused(404, "NOT_FOUND");
        send(shop.serving.request(Method::POST, "/healthz")).await.assert_refused(405, "BAD_USER_INPUT");
        let picky = shop.serving.request(Method::GET, "/graphql?query=%7Bshop%7Bname%7D%7D");
        send(picky.header("accept", "image/png")).await.assert_refused(406, "BAD_USER_INPUT");
    }

    async fn what_the_sandbox_cannot_read_is_refused_in_shape(shop: &TestApp) {
        let confirm = |method| shop.serving.request(method, "/sandbox/confirm");
        let strange = json!({ "clientSecret": "x", "card": "gold" });
        for request in [confirm(Method::POST).json(&strange), confirm(Method::POST).body("card")] {
            send(request).await.assert_refused(400, "BAD_USER_INPUT");
        }
        send(confirm(Method::GET)).await.assert_refused(405, "BAD_USER_INPUT");
        let page = |method| shop.serving.request(method, "/sandbox/page");
        send(page(Method::POST).body("card=gold")).await.assert_refused(400, "BAD_USER_INPUT");
        send(page(Method::PUT)).await.assert_refused(405, "BAD_USER_INPUT");
    }

    async fn a_request_keeps_its_id(shop: &TestApp) {
        let body = json!({ "query": "{ me { id } }" }).to_string();
        let named = send(post(shop, body.clone()).header("x-request-id", "checkout-42")).await;
        assert_eq!(named.header("x-request-id"), "checkout-42");
        assert_eq!(named.body["errors"][0]["extensions"]["requestId"], "checkout-42");
        let long = "x".repeat(129);
        for poor in ["", "with a space", &long] {
            let renamed = send(post(shop, body.clone()).header("x-request-id", poor)).await;
            let id = renamed.header("x-request-id");
            assert!(id.len() == 36 && id != poor, "{id}");
            assert_eq!(renamed.body["errors"][0]["extensions"]["requestId"], id);
        }
        let ids: std::collections::BTreeSet<String> = futures_util::future::join_all((0..10).map(|_| send(post(shop, body.clone()))))
            .await.iter().map(|answer| answer.header("x-request-id").to_owned()).collect();
        assert_eq!(ids.len(), 10);
    }

    async fn answers_are_not_stored_and_open_to_no_other_origin(shop: &TestApp) {
        let body = json!({ "query": "{ shop { name } }" }).to_string();
        let answer = send(post(shop, body).header("origin", "https://evil.example")).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.headers.get("access-control-allow-origin").is_none());
    }

    async fn operators_see_that_it_lives_is_ready_and_counts(shop: &TestApp) {
        let alive = send(shop.serving.request(Method::GET, "/healthz")).await;
        assert_eq!((alive.status, &alive.body), (200, &json!({ "status": "alive" })));
        let ready = send(shop.serving.request(Method::GET, "/readyz")).await;
        assert_eq!((ready.status, &ready.body), (200, &json!({ "status": "ready" })));
        anonymous(shop, "{ shop { name } }").await.data();
        let numbers = send(shop.serving.request(Method::GET, "/metrics")).await;
        let text = numbers.body.as_str().unwrap();
        assert!(text.contains("regulars_http_requests_total{operation=\"query\",status=\"200\"}"), "{text}");
        assert!(text.contains("regulars_worker_lag_seconds"), "{text}");
    }

    async fn a_broken_database_is_told_to_the_log_only(shop: &TestApp) {
        let database = TestDatabase::migrated(shop.database.engine()).await;
        let app = App::build_with(config(database.url()), shop.clock.clone(), IdGen::seeded(8)).await.unwrap();
        let serving = Serving::begin(app.clone());
        for table in ["products", "refresh_tokens"] {
            let away = format!("ALTER TABLE {table} RENAME TO gone_{table}");
            app.db.write.execute_unprepared(&away).await.unwrap();
        }
        let nobody = Caller::anonymous();
        for query in [
            "{ products { nodes { id } } }",
            "{ product(sku: \"A-1\") { id } }",
            "mutation { sessionEnd(input: { refreshToken: \"x\" }) { ended } }",
        ] {
            let answer = serving.post(&nobody, query, json!({})).await;
            let error = &answer.assert_error("INTERNAL").body["errors"][0];
            assert_eq!(error["message"], "Something went wrong on our side.");
            let expected = json!({ "code": "INTERNAL", "requestId": answer.header("x-request-id") });
            assert_eq!(error["extensions"], expected);
            let text = answer.body.to_string().to_lowercase();
            for word in ["sql", "table", "relation", "refresh_tokens", "/", "panick"] {
                assert!(!text.contains(word), "{word}: {text}");
            }
        }
        serving.end().await;
        app.db.clone().close().await.unwrap();
        database.remove().await;
    }

    async fn changed_settings_are_in_force_on_another_instance_within_a_second(shop: &TestApp) {
        let other = shop.another_instance().await;
        let serving = Serving::begin(other.clone());
        let following = tokio::spawn(settings::follow(other.clone()));
        let owner = shop.as_staff(Role::Owner).await;
        let update = json!({ "expectedVersion": 0, "name": "Bakery", "idempotencyKey": "rename" });
        let changed = shop.done(&owner, "shopSettingsUpdate", update.clone()).await;
        let done = Instant::now();
        assert_eq!(changed["settings"], json!({ "version": 1, "name": "Bakery" }));
        let asked = "{ shop { name } }";
        assert_eq!(anonymous(shop, asked).await.at("/shop/name"), "Bakery");
        while serving.post(&Caller::anonymous(), asked, json!({})).await.at("/shop/name") != "Bakery" {
            assert!(done.elapsed() < Duration::from_secs(1), "not within a second");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let replay = shop.unchanged_by(async || shop.done(&owner, "shopSettingsUpdate", update).await).await;
        assert_eq!(replay["replayed"], true);
        let stale = json!({ "expectedVersion": 0, "name": "Bookshop" });
        shop.refused(&owner, "shopSettingsUpdate", stale, "VERSION_CONFLICT").await;
        for (field, value) in [("name", ""), ("timeZone", "Mars/Base"), ("locale", "english")] {
            let wrong = json!({ "expectedVersion": 1, field: value });
            shop.refused(&owner, "shopSettingsUpdate", wrong, "INVALID").await;
        }
        following.abort();
        serving.end().await;
        other.db.clone().close().await.unwrap();
    }
}
