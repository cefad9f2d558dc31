//! Every operation answers the callers of its row in the table, and nobody else; whose a thing is, is told to nobody.

use entity::staff::Role;
use regulars::auth::viewer::Scope;
use regulars::graphql::access::{OPERATIONS, Operation};
use regulars::graphql::global_id::{NodeType, global_id};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::support::{Caller, TestApp, Told, both_engines};

const ROLES: [Role; 4] = [Role::Owner, Role::Manager, Role::Support, Role::Analyst];

/// Sends every operation as one kind of caller: those that are not for it first, which may change nothing.
async fn try_all(
    shop: &TestApp,
    who: &str,
    caller: &Caller,
    refusal: &str,
    may: impl Fn(&Operation) -> bool,
) {
    let told = Told::by(shop).await;
    let calls: Vec<(&Operation, String)> =
        OPERATIONS.iter().filter_map(|row| Some((row, told.call(row.field)?))).collect();
    let (allowed, refused): (Vec<_>, Vec<_>) =
        calls.into_iter().partition(|(row, _)| row.anonymous || may(row));
    shop.unchanged_by(async || {
        for (row, call) in &refused {
            let answer = shop.graphql(caller, call, json!({})).await;
            assert_eq!(answer.error_codes(), [refusal], "{who} calls {}: {:#}", row.field, answer.body);
        }
    })
    .await;
    for (row, call) in &allowed {
        let answer = shop.graphql(caller, call, json!({})).await;
        let codes = answer.error_codes();
        // The call itself must be right, or it tells nothing.
        assert!(
            !["UNAUTHENTICATED", "FORBIDDEN", "GRAPHQL_VALIDATION_FAILED", "INTERNAL"]
                .iter()
                .any(|code| codes.contains(code)),
            "{who} calls {}: {call} {:#}",
            row.field,
            answer.body
        );
    }
}

/// Ids that are nothing that the caller may reach: of another type, of nothing, and no id at all.
fn nothings(of: NodeType, other: NodeType, foreign: &[&str]) -> Vec<String> {
    let id = Uuid::from_u128(7);
    let mut ids = vec![
        global_id(of, id).to_string(),
        global_id(other, id).to_string(),
        String::new(),
        "x".to_owned(),
        id.to_string(),
    ];
    ids.extend(foreign.iter().map(|id| (*id).to_owned()));
    ids
}

/// Sends a mutation with each id in `field`, and asserts one answer, and that nothing changed.
async fn one_refusal(
    shop: &TestApp,
    caller: &Caller,
    mutation: &str,
    input: Json,
    field: &str,
    ids: &[String],
) {
    let mut answers = Vec::new();
    for id in ids {
        let mut input = input.clone();
        input[field] = json!(id);
        let answer = shop.refused(caller, mutation, input, "NOT_FOUND").await;
        answers.push((id, answer.payload().clone()));
    }
    for (id, answer) in &answers {
        assert_eq!(answer, &answers[0].1, "{mutation} with {field} {id:?}, against {:?}", answers[0].0);
    }
}

both_engines! {
    async fn nobody_we_know_does_what_is_for_everyone_only(shop: &TestApp) {
        try_all(shop, "nobody", &Caller::anonymous(), "UNAUTHENTICATED", |_| false).await;
    }

    async fn an_api_key_is_named_to_nobody_where_it_is_of_no_use(shop: &TestApp) {
        let hints = [("{ me { id } }", "Sign in to do this."), ("{ customers { totalCount } }", "Sign in, or send an API key, to do this.")];
        for (query, hint) in hints {
            let answer = shop.graphql(&Caller::anonymous(), query, json!({})).await;
            assert_eq!(answer.assert_error("UNAUTHENTICATED").body["errors"][0]["message"], hint);
        }
    }

    async fn a_customer_does_what_is_for_customers(shop: &TestApp) {
        let joan = shop.as_customer().await;
        try_all(shop, "a customer", &joan, "FORBIDDEN", |row| row.customer).await;
    }

    async fn a_key_does_what_its_scopes_name(shop: &TestApp) {
        let bare = shop.as_shop_key(&[]).await;
        try_all(shop, "a key without scopes", &bare, "FORBIDDEN", |_| false).await;
        for scope in Scope::ALL {
            let key = shop.as_shop_key(&[*scope]).await;
            try_all(shop, scope.name(), &key, "FORBIDDEN", |row| row.shop == Some(*scope)).await;
        }
    }

    async fn a_member_of_staff_does_what_the_role_permits(shop: &TestApp) {
        for role in ROLES {
            let staff = shop.as_staff(role).await;
            let may = |row: &Operation| row.staff.is_some_and(|permission| permission.is_of(role));
            try_all(shop, &format!("{role:?}"), &staff, "FORBIDDEN", may).await;
        }
    }

    async fn orders_inside_a_customer_need_what_orders_need(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        shop.place(&server, joan.customer_id(), "10.00", 1).await;
        let query = "query ($id: ID!) { customer(id: $id) { orders { totalCount } } }";
        let variables = json!({ "id": joan.customer_id() });
        let reader = shop.as_shop_key(&[Scope::CustomersRead]).await;
        shop.graphql(&reader, query, variables.clone()).await.assert_error("FORBIDDEN");
        let answer = shop.graphql(&server, query, variables).await;
        assert_eq!(answer.at("/customer/orders/totalCount"), 1);
        let mine = shop.graphql(&joan, "{ me { orders { totalCount } } }", json!({})).await;
        assert_eq!(mine.at("/me/orders/totalCount"), 1);
    }

    async fn a_query_tells_nothing_apart_that_is_not_the_callers(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        let foreign = order["id"].as_str().unwrap();
        for id in nothings(NodeType::Order, NodeType::Customer, &[foreign, joan.customer_id()]) {
            let answer = shop.graphql(&eve, "query ($id: ID!) { order(id: $id) { id } }", json!({ "id": id })).await;
            assert_eq!(answer.data(), &json!({ "order": null }), "{id:?}");
        }
        for id in [order["externalId"].as_str().unwrap(), "unknown", "", "with a space", "nul\u{0}"] {
            let query = "query ($id: String!) { order(externalId: $id) { id } }";
            let answer = shop.graphql(&eve, query, json!({ "id": id })).await;
            assert_eq!(answer.data(), &json!({ "order": null }), "{id:?}");
        }
        let own = shop.graphql(&joan, "query ($id: ID!) { order(id: $id) { id } }", json!({ "id": foreign })).await;
        assert_eq!(own.at("/order/id"), &order["id"]);
    }

    async fn a_node_shows_what_its_own_query_would_show(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_member(&server, 10).await, shop.as_customer().await);
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        let guests = shop.record(&server, json!({ "email": "guest@example.org" })).await;
        let product = json!({ "sku": "A-1", "name": "Tea" });
        let product = shop.done(&server, "productUpsert", product).await["product"]["id"].clone();
        let secret = json!({ "sku": "A-2", "name": "Pot", "publicFrom": "2026-02-01T00:00:00Z" });
        let secret = shop.done(&server, "productUpsert", secret).await["product"]["id"].clone();
        let hold = shop.done(&joan, "pointsHold", json!({ "points": 1 })).await["hold"]["id"].clone();
        let (nobody, keeper) = (Caller::anonymous(), shop.as_shop_key(&[Scope::CatalogWrite]).await);
        let analyst = shop.as_staff(Role::Analyst).await;
        let callers = [&nobody, &keeper, &eve, &joan, &server, &analyst];
        let cases = [
            ("Product", &product, [true; 6]),
            ("Product", &secret, [false, false, false, false, true, true]),
            ("Order", &order["id"], [false, false, false, true, true, true]),
            ("Customer", &json!(joan.customer_id()), [false, false, false, true, true, true]),
            ("Guest", &guests["guestId"], [false, false, false, false, true, true]),
            ("Order", &guests["id"], [false, false, false, false, true, true]),
            ("PointsHold", &hold, [false; 6]),
            ("OrderLine", &order["lines"][0]["id"], [false; 6]),
            ("nothing", &json!("x"), [false; 6]),
        ];
        for (of, id, sees) in cases {
            for (place, (caller, sees)) in callers.into_iter().zip(sees).enumerate() {
                let query = "query ($id: ID!) { node(id: $id) { __typename id } }";
                let answer = shop.graphql(caller, query, json!({ "id": id })).await;
                let expected = if sees { json!({ "__typename": of, "id": id }) } else { Json::Null };
                assert_eq!(answer.at("/node"), &expected, "{of}, caller {place}");
            }
        }
    }

    async fn a_server_asks_for_what_there_is_not_and_gets_null(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        let cases = [
            ("customer", NodeType::Customer, NodeType::Guest, order["id"].as_str().unwrap()),
            ("guest", NodeType::Guest, NodeType::Customer, joan.customer_id()),
            ("order", NodeType::Order, NodeType::OrderLine, joan.customer_id()),
            ("product", NodeType::Product, NodeType::Order, joan.customer_id()),
        ];
        for (field, of, other, wrong) in cases {
            for id in nothings(of, other, &[wrong]) {
                let query = format!("query ($id: ID!) {{ {field}(id: $id) {{ id }} }}");
                let answer = shop.graphql(&server, &query, json!({ "id": id })).await;
                assert_eq!(answer.data(), &json!({ field: null }), "{field} {id:?}");
            }
        }
        for (field, argument) in [("customer", "externalId"), ("order", "externalId"), ("product", "sku")] {
            for text in ["unknown", "", "nul\u{0}", "two\nlines"] {
                let query = format!("query ($text: String!) {{ {field}({argument}: $text) {{ id }} }}");
                let answer = shop.graphql(&server, &query, json!({ "text": text })).await;
                assert_eq!(answer.data(), &json!({ field: null }), "{field} {text:?}");
            }
        }
        let orders = "query ($id: ID) { orders(filter: { customerId: $id }) { totalCount nodes { id } } }";
        for id in nothings(NodeType::Customer, NodeType::Order, &[]) {
            let answer = shop.graphql(&server, orders, json!({ "id": id })).await;
            assert_eq!(answer.data(), &json!({ "orders": { "totalCount": 0, "nodes": [] } }), "{id:?}");
        }
    }

    async fn an_order_of_an_unknown_external_id_is_refused(shop: &TestApp) {
        let server = shop.as_server().await;
        let unknown = ["x".to_owned(), "a b".to_owned()];
        for mutation in ["orderPay", "orderShip", "orderDeliver", "orderCancel"] {
            one_refusal(shop, &server, mutation, json!({}), "externalId", &unknown).await;
        }
    }

    async fn a_customer_updates_its_own_profile_by_its_id(shop: &TestApp) {
        let eve = shop.as_customer().await;
        let own = shop.done(&eve, "customerUpdate", json!({ "customerId": eve.customer_id(), "name": "Eve" })).await;
        assert_eq!(own["customer"]["name"], "Eve");
    }
}
