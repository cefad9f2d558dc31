//! Orders through GraphQL on both databases, with what they do to points.

use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::{EmptySubscription, MergedObject, Request, Schema, Variables};
use chrono::TimeDelta;
use entity::id::{ApiKeyId, CustomerId, KeyOwnerId, SessionId};
use entity::points_entry::Bucket;
use entity::{customer, order, order_line, outbox};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::api::{OrdersMutation, OrdersQuery};
use crate::app::App;
use crate::auth::viewer::{Scope, Viewer};
use crate::catalog::api::{CatalogMutation, CatalogQuery};
use crate::points::api::PointsMutation;
use crate::points::verify::{BUCKETS, verify};
use crate::testing::{self, Engine};

#[derive(Default, MergedObject)]
struct Mutation(OrdersMutation, PointsMutation, CatalogMutation);
#[derive(Default, MergedObject)]
struct Query(OrdersQuery, CatalogQuery);

struct Shop {
    app: App,
    schema: Schema<Query, Mutation, EmptySubscription>,
}

impl Shop {
    fn new(app: &App) -> Self {
        let roots = (Query::default(), Mutation::default());
        let schema = Schema::build(roots.0, roots.1, EmptySubscription).data(app.clone()).finish();
        Self { app: app.clone(), schema }
    }

    async fn run(&self, viewer: Viewer, query: &str, variables: Json) -> Json {
        let request = Request::new(query).variables(Variables::from_json(variables)).data(viewer);
        let response = self.schema.execute(crate::graphql::request_data(&self.app, request)).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        response.data.into_json().unwrap()
    }

    /// Runs a mutation with a fresh key.
    async fn mutate(&self, field: &str, input: Json) -> Json {
        self.mutate_with(&fresh_key(), field, input).await
    }

    async fn mutate_with(&self, key: &str, field: &str, mut input: Json) -> Json {
        let (of, fields) = match field {
            "pointsHold" => ("hold { id points }", ""),
            "pointsEarn" => ("points", ""),
            "productUpsert" => ("product { id sku name categories }", "replayed"),
            _ => {
                ("order { id externalId state customerId guestId linesTotal { amount currency } paidWithPoints { amount }
                    total { amount } lines { id position returned redeemedPoints redeemedValue { amount } }
                    returns { quantity reason } }", "replayed")
            }
        };
        input["idempotencyKey"] = key.into();
        let name = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
        let query = format!(
            "mutation($input: {name}!) {{ {field}(input: $input) {{ {of} {fields} userErrors {{ code field message }} }} }}"
        );
        let data = self.run(server(), &query, json!({ "input": input })).await;
        data[field].clone()
    }

    /// The sum of a bucket over all accounts; the ledger must add up.
    async fn bucket(&self, bucket: Bucket) -> i64 {
        let report = verify(&self.app).await.unwrap();
        assert!(report.drifts.is_empty(), "{:?}", report.drifts);
        report.totals[BUCKETS.iter().position(|b| *b == bucket).unwrap()]
    }
}

fn fresh_key() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("key-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn server() -> Viewer {
    let (key, owner) = (ApiKeyId(Uuid::from_u128(1)), KeyOwnerId(Uuid::from_u128(2)));
    Viewer::Shop { key, owner, scopes: Scope::ALL.to_vec() }
}

fn order_of(external_id: &str, customer: &str, totals: &[&str]) -> Json {
    let lines: Vec<Json> = totals
        .iter()
        .map(|total| json!({ "sku": "tea", "name": "Tea", "quantity": 3, "lineTotal": total }))
        .collect();
    json!({ "externalId": external_id, "externalCustomerId": customer, "currency": "EUR", "lines": lines })
}

fn code(payload: &Json) -> &str {
    payload["userErrors"][0]["code"].as_str().unwrap_or("none")
}

macro_rules! on_both {
    ($($name:ident => $test:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test]
            async fn on_sqlite() {
                let test = super::testing::app(super::Engine::Sqlite).await;
                super::$test(super::Shop::new(&test.app)).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                let test = super::testing::app(super::Engine::Postgres).await;
                super::$test(super::Shop::new(&test.app)).await;
            }
        }
    )*};
}

on_both! {
    an_order_earns_when_paid_and_returns_sum_exactly => earns_and_returns,
    the_same_body_changes_nothing_and_another_is_refused => idempotent,
    points_pay_part_of_an_order => hold,
    an_order_only_moves_forward => states,
    a_customer_sees_their_own_orders_only => ownership,
    orders_come_in_pages => pages,
    addresses_find_their_owner => addresses,
    one_order_recorded_many_times_at_once_is_one_order => race,
    pieces_are_returned_once_however_many_try => return_race,
    products_are_made_and_changed => products,
}

async fn earns_and_returns(shop: Shop) {
    let order = shop.mutate("orderRecord", order_of("A-1", "c-1", &["10.00", "0.99"])).await["order"].clone();
    assert_eq!((order["state"].as_str(), order["total"]["amount"].as_str()), (Some("PLACED"), Some("10.99")));
    assert_eq!(shop.bucket(Bucket::Available).await, 0);
    let paid = shop.mutate("orderPay", json!({ "id": order["id"] })).await;
    assert_eq!(paid["order"]["state"], "PAID");
    assert_eq!(shop.bucket(Bucket::Available).await, 10);
    let back = |quantity: i32| json!({ "externalId": "A-1", "reason": "broken", "lines": [{ "position": 1, "quantity": quantity }] });
    shop.mutate("orderReturn", back(1)).await;
    assert_eq!(shop.bucket(Bucket::Revoked).await, 3);
    assert_eq!(code(&shop.mutate("orderReturn", back(3)).await), "QUANTITY_EXCEEDED");
    let rest = shop.mutate("orderReturn", back(2)).await;
    assert_eq!(rest["order"]["lines"][0]["returned"], 3);
    assert_eq!(rest["order"]["returns"].as_array().unwrap().len(), 2);
    assert_eq!(shop.bucket(Bucket::Revoked).await, 10);
    let cancelled = shop.mutate("orderCancel", json!({ "externalId": "A-1" })).await;
    assert_eq!(cancelled["order"]["lines"][1]["returned"], 3);
    let topics: Vec<String> =
        outbox::Entity::find().all(&shop.app.db.read).await.unwrap().into_iter().map(|e| e.topic).collect();
    assert_eq!(topics.iter().filter(|topic| *topic == "order.returned").count(), 3);
}

async fn idempotent(shop: Shop) {
    let input = order_of("A-1", "c-1", &["10.00"]);
    let first = shop.mutate_with("k1", "orderRecord", input.clone()).await;
    let replay = shop.mutate_with("k1", "orderRecord", input.clone()).await;
    let again = shop.mutate("orderRecord", input).await;
    assert_eq!((first["replayed"].as_bool(), replay["replayed"].as_bool()), (Some(false), Some(true)));
    assert_eq!(first["order"]["id"], replay["order"]["id"]);
    assert_eq!(first["order"]["id"], again["order"]["id"]);
    assert_eq!(
        code(&shop.mutate("orderRecord", order_of("A-1", "c-1", &["11.00"])).await),
        "EXTERNAL_ID_REUSED"
    );
    assert_eq!(order::Entity::find().count(&shop.app.db.read).await.unwrap(), 1);
    let mut poor = order_of("A-2", "c-9", &["10.00"]);
    poor["lines"][0]["quantity"] = 0.into();
    let refused = shop.mutate("orderRecord", poor).await;
    assert_eq!(
        (code(&refused), &refused["userErrors"][0]["field"]),
        ("INVALID_LINE", &json!(["input", "lines", "0", "quantity"]))
    );
    assert_eq!(customer::Entity::find().count(&shop.app.db.read).await.unwrap(), 1);
}

async fn hold(shop: Shop) {
    let first = shop.mutate("orderRecord", order_of("A-1", "c-1", &["1000.00"])).await;
    shop.mutate("orderPay", json!({ "externalId": "A-1" })).await;
    let customer = first["order"]["customerId"].clone();
    let take =
        || shop.mutate("pointsHold", json!({ "customerId": customer, "points": 501, "currency": "EUR" }));
    let held = take().await;
    assert_eq!(held["hold"]["points"], 501, "{held}");
    let mut input = order_of("A-2", "c-1", &["3.00", "6.00"]);
    input["holdId"] = held["hold"]["id"].clone();
    let order = shop.mutate("orderRecord", input.clone()).await["order"].clone();
    assert_eq!(
        (order["paidWithPoints"]["amount"].as_str(), order["total"]["amount"].as_str()),
        (Some("5.01"), Some("3.99"))
    );
    let shares: Vec<_> =
        order["lines"].as_array().unwrap().iter().map(|l| l["redeemedPoints"].clone()).collect();
    assert_eq!(shares, [167, 334]);
    input["externalId"] = "A-3".into();
    assert_eq!(code(&shop.mutate("orderRecord", input).await), "HOLD_NOT_USABLE");
    assert_eq!(order::Entity::find().count(&shop.app.db.read).await.unwrap(), 2);
    shop.mutate("orderPay", json!({ "externalId": "A-2" })).await;
    // 1000 earned, 501 spent, 1 + 2 earned on what money paid of the lines.
    assert_eq!((shop.bucket(Bucket::Available).await, shop.bucket(Bucket::Redeemed).await), (502, 501));
    shop.mutate("orderReturn", json!({ "externalId": "A-2", "lines": [{ "position": 1, "quantity": 3 }] }))
        .await;
    assert_eq!(shop.bucket(Bucket::Redeemed).await, 334);
    let second = take().await;
    let mut input = order_of("A-4", "c-1", &["9.00"]);
    input["holdId"] = second["hold"]["id"].clone();
    shop.mutate("orderRecord", input).await;
    shop.app.clock.advance(TimeDelta::days(15));
    assert_eq!(code(&shop.mutate("orderPay", json!({ "externalId": "A-4" })).await), "HOLD_NOT_USABLE");
    let paid = shop.mutate("orderPay", json!({ "externalId": "A-4", "withoutPoints": true })).await;
    assert_eq!(paid["order"]["total"]["amount"], "9.00");
    assert_eq!((shop.bucket(Bucket::Held).await, shop.bucket(Bucket::Redeemed).await), (0, 334));
}

async fn states(shop: Shop) {
    shop.mutate("orderRecord", order_of("A-1", "c-1", &["10.00"])).await;
    let step = || json!({ "externalId": "A-1" });
    assert_eq!(code(&shop.mutate("orderShip", step()).await), "INVALID_STATE");
    assert_eq!(code(&shop.mutate("orderPay", json!({ "externalId": "A-9" })).await), "NOT_FOUND");
    assert_eq!(code(&shop.mutate("orderPay", json!({ "id": "nonsense" })).await), "NOT_FOUND");
    let ahead = json!({ "externalId": "A-1", "at": "2026-01-17T00:00:00Z" });
    assert_eq!(code(&shop.mutate("orderPay", ahead).await), "INVALID");
    for (field, state) in [("orderPay", "PAID"), ("orderShip", "SHIPPED"), ("orderDeliver", "DELIVERED")] {
        assert_eq!(shop.mutate(field, step()).await["order"]["state"], state);
        assert_eq!(code(&shop.mutate(field, step()).await), "INVALID_STATE");
    }
    assert_eq!(code(&shop.mutate("orderCancel", step()).await), "INVALID_STATE");
    let row = order::Entity::find().one(&shop.app.db.read).await.unwrap().unwrap();
    assert!(row.paid_at.is_some() && row.shipped_at.is_some() && row.delivered_at.is_some());
}

async fn ownership(shop: Shop) {
    shop.mutate("orderRecord", order_of("A-1", "c-1", &["10.00"])).await;
    let row = order::Entity::find().one(&shop.app.db.read).await.unwrap().unwrap();
    let query = "{ order(externalId: \"A-1\") { externalId } }";
    let authenticated_at = shop.app.clock.now();
    let as_customer =
        |customer| Viewer::Customer { customer, session: SessionId(Uuid::nil()), authenticated_at };
    let own = shop.run(as_customer(row.customer_id.unwrap()), query, json!({})).await;
    assert_eq!(own["order"]["externalId"], "A-1");
    let foreign = shop.run(as_customer(CustomerId(Uuid::nil())), query, json!({})).await;
    assert_eq!(foreign["order"], Json::Null);
}

async fn pages(shop: Shop) {
    for number in 0..5 {
        let mut input = order_of(&format!("A-{number}"), "c-1", &["1.00"]);
        input["placedAt"] = format!("2026-01-0{}T00:00:00Z", 1 + number / 2).into();
        shop.mutate("orderRecord", input).await;
    }
    let query = "query($first: Int, $after: String, $last: Int, $before: String) {
        orders(first: $first, after: $after, last: $last, before: $before, filter: { placedFrom: \"2026-01-01T00:00:00Z\" }) {
            totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { node { externalId lines { sku } } } } }";
    let ids = |page: &Json| -> Vec<String> {
        page["edges"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["node"]["externalId"].as_str().unwrap().to_owned())
            .collect()
    };
    let page = shop.run(server(), query, json!({ "first": 3 })).await["orders"].clone();
    assert_eq!(
        (ids(&page), page["totalCount"].as_i64()),
        (vec!["A-4".into(), "A-3".into(), "A-2".into()], Some(5))
    );
    let after = page["pageInfo"]["endCursor"].clone();
    let next = shop.run(server(), query, json!({ "first": 3, "after": after })).await["orders"].clone();
    assert_eq!(
        (ids(&next), next["pageInfo"]["hasNextPage"].as_bool()),
        (vec!["A-1".into(), "A-0".into()], Some(false))
    );
    let before = next["pageInfo"]["startCursor"].clone();
    let back = shop.run(server(), query, json!({ "last": 2, "before": before })).await["orders"].clone();
    assert_eq!(
        (ids(&back), back["pageInfo"]["hasPreviousPage"].as_bool()),
        (vec!["A-3".into(), "A-2".into()], Some(true))
    );
}

async fn addresses(shop: Shop) {
    let by_email = |id: &str, email: &str| {
        let mut input = order_of(id, "", &["10.00"]);
        input.as_object_mut().unwrap().remove("externalCustomerId");
        input["email"] = email.into();
        input
    };
    let first = shop.mutate("orderRecord", by_email("A-1", "Anna@example.com")).await;
    let second = shop.mutate("orderRecord", by_email("A-2", "anna@EXAMPLE.com")).await;
    assert!(first["order"]["guestId"].is_string());
    assert_eq!(first["order"]["guestId"], second["order"]["guestId"]);
    // The e-mail beside a customer is for contact only.
    let mut contact = order_of("A-3", "c-1", &["10.00"]);
    contact["email"] = "anna@example.com".into();
    let third = shop.mutate("orderRecord", contact).await;
    assert!(third["order"]["customerId"].is_string());
    let row = customer::Entity::find().one(&shop.app.db.read).await.unwrap().unwrap();
    assert_eq!((row.email_key, row.email.as_deref()), (None, Some("anna@example.com")));
    assert!(row.enrolled_at.is_some() && row.registered_at.is_none());
    let mut unknown = order_of("A-4", "", &["10.00"]);
    unknown.as_object_mut().unwrap().remove("externalCustomerId");
    unknown["customerId"] = first["order"]["guestId"].clone();
    let refused = shop.mutate("orderRecord", unknown).await;
    assert_eq!(
        (code(&refused), &refused["userErrors"][0]["field"]),
        ("NOT_FOUND", &json!(["input", "customerId"]))
    );
    shop.mutate("orderPay", json!({ "externalId": "A-1" })).await;
    assert_eq!(shop.bucket(Bucket::Pending).await, 10);
}

async fn race(shop: Shop) {
    let record = |number: usize| {
        let total = if number.is_multiple_of(2) { "10.00" } else { "11.00" };
        let shop = &shop;
        async move { shop.mutate("orderRecord", order_of("A-1", "c-1", &[total])).await }
    };
    let answers = futures_util::future::join_all((0..12).map(record)).await;
    let refused = answers.iter().filter(|answer| code(answer) == "EXTERNAL_ID_REUSED").count();
    assert_eq!(refused, 6);
    assert_eq!(order::Entity::find().count(&shop.app.db.read).await.unwrap(), 1);
    assert_eq!(order_line::Entity::find().count(&shop.app.db.read).await.unwrap(), 1);
    assert_eq!(customer::Entity::find().count(&shop.app.db.read).await.unwrap(), 1);
    let recorded = outbox::Entity::find().filter(outbox::Column::Topic.eq("order.recorded"));
    assert_eq!(recorded.count(&shop.app.db.read).await.unwrap(), 1);
}

async fn return_race(shop: Shop) {
    shop.mutate("orderRecord", order_of("A-1", "c-1", &["10.00"])).await;
    shop.mutate("orderPay", json!({ "externalId": "A-1" })).await;
    let back = json!({ "externalId": "A-1", "lines": [{ "position": 1, "quantity": 1 }] });
    let answers =
        futures_util::future::join_all((0..8).map(|_| shop.mutate("orderReturn", back.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| code(answer) == "none").count(), 3);
    assert_eq!(shop.bucket(Bucket::Revoked).await, 10);
}

async fn products(shop: Shop) {
    let input = |name: &str| json!({ "sku": "tea", "name": name, "categories": ["drinks"] });
    let made = shop.mutate("productUpsert", input("Tea")).await;
    let changed = shop.mutate("productUpsert", input("Green tea")).await;
    assert_eq!(made["product"]["id"], changed["product"]["id"]);
    assert_eq!(changed["product"]["name"], "Green tea");
    assert_eq!(code(&shop.mutate("productUpsert", json!({ "sku": "", "name": "x" })).await), "INVALID");
    let page = shop
        .run(Viewer::Anonymous, "{ products { totalCount edges { node { sku name } } } }", json!({}))
        .await;
    assert_eq!(page["products"]["edges"][0]["node"]["name"], "Green tea");
    assert_eq!(page["products"]["totalCount"], 1);
}
