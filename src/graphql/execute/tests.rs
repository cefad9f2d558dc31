use async_graphql::{Request, Variables};
use serde_json::{Value, json};

use super::{Asker, Carries, Ended, RequestId, execute};
use crate::app::App;
use crate::auth::viewer::Viewer;
use crate::client::Client;
use crate::graphql::schema;
use crate::testing::{self, Engine};

async fn ask(app: &App, carries: Carries, query: &str, variables: Value) -> (Ended, Value) {
    let request = Request::new(query).variables(Variables::from_json(variables));
    let (viewer, client, id) = (Viewer::Anonymous.into(), Client::unknown(), RequestId("r1".to_owned()));
    let asker = Asker { viewer, client, id };
    let answer = execute(app, &schema(Some(app.clone())), asker, carries, request).await.unwrap();
    (answer.ended, serde_json::to_value(answer.response).unwrap())
}

#[tokio::test]
async fn what_runs_tells_its_cost() {
    let test = testing::app(Engine::Sqlite).await;
    let (ended, answer) = ask(&test.app, Carries::Queries, "{ shop { currency } }", json!({})).await;
    assert_eq!(ended, Ended::Executed);
    let cost = json!({ "requested": 1, "actual": 1, "remaining": 4_999 });
    assert_eq!(answer, json!({ "data": { "shop": { "currency": "EUR" } }, "extensions": { "cost": cost } }));
}

#[tokio::test]
async fn what_does_not_run_says_why_with_a_code_and_the_request_id() {
    let test = testing::app(Engine::Sqlite).await;
    for (query, variables, code, message) in [
        ("{ shop {", json!({}), "GRAPHQL_PARSE_FAILED", "The document cannot be parsed: expected"),
        ("{ shops }", json!({}), "GRAPHQL_VALIDATION_FAILED", "Unknown field \"shops\" on type \"Query\"."),
        ("query A { a } query B { b }", json!({}), "BAD_USER_INPUT", "The document has several operations"),
        ("query($a: ID!) { __typename }", json!({ "a": null }), "BAD_USER_INPUT", "Variable $a of type ID!"),
        (
            "{ a b c d e f g h i j k }",
            json!({}),
            "OPERATION_TOO_COMPLEX",
            "Too large a request: root fields 11",
        ),
    ] {
        let (ended, answer) = ask(&test.app, Carries::Everything, query, variables).await;
        assert_eq!(ended, Ended::Refused, "{query}");
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"], json!({ "code": code, "requestId": "r1" }), "{query}");
        assert!(error["message"].as_str().unwrap().starts_with(message), "{error}");
    }
}

#[tokio::test]
async fn a_transport_of_queries_carries_no_mutation() {
    let test = testing::app(Engine::Sqlite).await;
    let (ended, answer) = ask(&test.app, Carries::Queries, "mutation { __typename }", json!({})).await;
    assert_eq!(
        (ended, answer["errors"][0]["extensions"]["code"].as_str()),
        (Ended::NotAQuery, Some("BAD_USER_INPUT"))
    );
    let (ended, _) = ask(&test.app, Carries::Everything, "mutation { __typename }", json!({})).await;
    assert_eq!(ended, Ended::Executed);
}

#[tokio::test]
async fn fields_that_the_viewer_may_not_ask_for_fail_with_the_request_id() {
    let test = testing::app(Engine::Sqlite).await;
    let (ended, answer) = ask(&test.app, Carries::Queries, "{ shopSettings { version } }", json!({})).await;
    assert_eq!((ended, &answer["data"]), (Ended::Executed, &Value::Null));
    let extensions = json!({ "code": "UNAUTHENTICATED", "requestId": "r1" });
    assert_eq!(answer["errors"][0]["extensions"], extensions);
}
