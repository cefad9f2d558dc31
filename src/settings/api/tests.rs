use async_graphql::{Request, Variables};
use entity::id::{SessionId, StaffId};
use entity::staff::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::client::Client;
use crate::graphql::execute::{Asker, Carries, RequestId, execute};
use crate::graphql::schema;
use crate::testing::{self, Engine};

const UPDATE: &str = "mutation($input: ShopSettingsUpdateInput!) { shopSettingsUpdate(input: $input) {
    settings { version name programme { holdMinutes baseRates { currency pointsPerUnit } activation { when days } } }
    replayed userErrors { code field message } } }";

async fn update(app: &App, input: Value) -> Value {
    let viewer = Viewer::Staff {
        staff: StaffId(Uuid::from_u128(1)),
        session: SessionId(Uuid::from_u128(2)),
        role: Role::Owner,
        authenticated_at: app.clock.now(),
    };
    let request = Request::new(UPDATE).variables(Variables::from_json(json!({ "input": input })));
    let asker = Asker { viewer: viewer.into(), client: Client::unknown(), id: RequestId("r1".to_owned()) };
    let answer = execute(app, &schema(Some(app.clone())), asker, Carries::Everything, request).await.unwrap();
    let answer = serde_json::to_value(answer.response).unwrap();
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["shopSettingsUpdate"].clone()
}

fn change(key: &str, version: i32) -> Value {
    json!({
        "idempotencyKey": key,
        "expectedVersion": version,
        "name": "Tea & Co",
        "programme": {
            "holdMinutes": 5,
            "baseRates": [{ "currency": "JPY", "pointsPerUnit": "0.01" }],
            "activation": { "when": "DAYS_AFTER_DELIVERY", "days": 14 },
        },
    })
}

#[tokio::test]
async fn a_change_is_in_force_at_once_and_its_replay_changes_nothing() {
    let test = testing::app(Engine::Sqlite).await;
    let settings = json!({
        "version": 1,
        "name": "Tea & Co",
        "programme": {
            "holdMinutes": 5,
            "baseRates": [{ "currency": "JPY", "pointsPerUnit": "0.01" }],
            "activation": { "when": "DAYS_AFTER_DELIVERY", "days": 14 },
        },
    });
    let first = update(&test.app, change("k1", 0)).await;
    assert_eq!(first, json!({ "settings": settings, "replayed": false, "userErrors": [] }));
    assert_eq!(test.app.settings().programme.hold_minutes, 5);
    let second = update(&test.app, change("k1", 0)).await;
    assert_eq!(second, json!({ "settings": settings, "replayed": true, "userErrors": [] }));
}

#[tokio::test]
async fn a_change_of_another_version_or_out_of_bounds_is_refused_and_changes_nothing() {
    let test = testing::app(Engine::Sqlite).await;
    let conflict = json!({
        "code": "VERSION_CONFLICT", "field": ["input", "expectedVersion"], "message": "Version 0 is in force.",
    });
    let refused = update(&test.app, change("k1", 7)).await;
    assert_eq!(refused, json!({ "settings": null, "replayed": false, "userErrors": [conflict] }));
    let mut input = change("k2", 0);
    input["programme"]["holdMinutes"] = json!(0);
    let invalid = json!({
        "code": "INVALID", "field": ["input", "programme", "holdMinutes"], "message": "holdMinutes must be 1 to 1,440.",
    });
    let refused = update(&test.app, input).await;
    assert_eq!(refused, json!({ "settings": null, "replayed": false, "userErrors": [invalid] }));
    assert_eq!(test.app.settings().version, 0);
}
