//! Customers wait for products that cannot be bought, and are told of once when these are back.

use chrono::TimeDelta;
use entity::outbox;
use entity::staff::Role;
use futures_util::future::{join, join_all};
use regulars::auth::viewer::Scope;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value as Json, json};

use crate::catalog::product;
use crate::support::{Caller, TestApp, both_engines};

async fn sold_out(shop: &TestApp, server: &Caller, sku: &str) -> String {
    let made = product(shop, server, json!({ "sku": sku, "name": "Thing", "stock": 0 })).await;
    made["id"].as_str().unwrap().to_owned()
}

fn of(product: &str) -> Json {
    json!({ "productId": product })
}

async fn own(shop: &TestApp, caller: &Caller) -> Vec<String> {
    let answer = shop.graphql(caller, "{ me { waitlist { product { sku } } } }", json!({})).await;
    let entries = answer.at("/me/waitlist").as_array().unwrap();
    entries.iter().map(|entry| entry["product"]["sku"].as_str().unwrap_or("hidden").to_owned()).collect()
}

async fn waiting(shop: &TestApp, caller: &Caller, product: &str) -> Vec<Json> {
    let query = "query ($id: ID!) { waitlist(productId: $id) { totalCount nodes { customer { id } } } }";
    let answer = shop.graphql(caller, query, json!({ "id": product })).await;
    let nodes = answer.at("/waitlist/nodes").as_array().unwrap();
    assert_eq!(answer.at("/waitlist/totalCount"), nodes.len());
    nodes.iter().map(|node| node["customer"]["id"].clone()).collect()
}

/// How many waited, each time that a product came back.
async fn told(shop: &TestApp) -> Vec<(i64, i64)> {
    let events = outbox::Entity::find()
        .filter(outbox::Column::Topic.eq("product.back_in_stock"))
        .order_by_asc(outbox::Column::Seq)
        .all(&shop.app.db.read)
        .await
        .unwrap();
    let number = |event: &outbox::Model, name: &str| event.payload[name].as_i64().unwrap();
    events.iter().map(|event| (number(event, "round"), number(event, "waiting"))).collect()
}

both_engines! {
    async fn who_asks_waits_once_and_leaves_once(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let tea = sold_out(shop, &server, "tea").await;
        let done = shop.done(&joan, "waitlistJoin", of(&tea)).await;
        let expected = json!([{ "product": { "sku": "tea" }, "joinedAt": "2026-01-15T12:00:00+00:00" }]);
        assert_eq!(done["waitlist"], expected);
        shop.clock.advance(TimeDelta::minutes(1));
        assert_eq!(shop.done(&joan, "waitlistJoin", of(&tea)).await["waitlist"], expected);
        let pot = sold_out(shop, &server, "pot").await;
        shop.done(&joan, "waitlistJoin", of(&pot)).await;
        assert_eq!(own(shop, &joan).await, ["pot", "tea"]);
        shop.done(&joan, "waitlistLeave", of(&tea)).await;
        shop.done(&joan, "waitlistLeave", of(&tea)).await;
        assert_eq!(own(shop, &joan).await, ["pot"]);
        assert!(waiting(shop, &server, &tea).await.is_empty());
    }

    async fn whoever_waited_longest_is_first_and_only_the_shop_sees_who(shop: &TestApp) {
        let server = shop.as_server().await;
        let tea = sold_out(shop, &server, "tea").await;
        let mut expected = Vec::new();
        for _ in 0..3 {
            let customer = shop.as_customer().await;
            shop.clock.advance(TimeDelta::minutes(1));
            shop.done(&customer, "waitlistJoin", of(&tea)).await;
            expected.push(json!(customer.customer_id()));
        }
        let analyst = shop.as_staff(Role::Analyst).await;
        for caller in [&server, &analyst] {
            assert_eq!(waiting(shop, caller, &tea).await, expected);
        }
        let query = "query ($id: ID!, $after: String) { waitlist(productId: $id, first: 2, after: $after) {
            nodes { customer { id } } pageInfo { endCursor hasNextPage } } }";
        let first = shop.graphql(&server, query, json!({ "id": tea })).await;
        assert_eq!(first.at("/waitlist/pageInfo/hasNextPage"), true);
        let after = first.at("/waitlist/pageInfo/endCursor");
        let second = shop.graphql(&server, query, json!({ "id": tea, "after": after })).await;
        assert_eq!(second.at("/waitlist/nodes"), &json!([{ "customer": { "id": expected[2] } }]));
        let eve = shop.as_customer().await;
        shop.graphql(&eve, query, json!({ "id": tea })).await.assert_error("FORBIDDEN");
    }

    async fn nobody_waits_for_what_can_be_bought_or_cannot_be_seen(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let there = product(shop, &server, json!({ "sku": "tea", "name": "Tea", "stock": 1 })).await;
        shop.refused(&joan, "waitlistJoin", of(there["id"].as_str().unwrap()), "AVAILABLE").await;
        let soon = json!({ "sku": "new", "name": "New", "publicFrom": "2026-02-01T00:00:00Z" });
        let soon = product(shop, &server, soon).await["id"].as_str().unwrap().to_owned();
        for mutation in ["waitlistJoin", "waitlistLeave"] {
            shop.refused(&joan, mutation, of(&soon), "NOT_FOUND").await;
        }
        // The shop knows of it, and may put her on the list.
        let input = json!({ "productId": soon, "customerId": joan.customer_id() });
        shop.done(&server, "waitlistJoin", input).await;
        assert_eq!(own(shop, &joan).await, ["hidden"]);
        shop.done(&joan, "waitlistLeave", of(&soon)).await;
        assert!(own(shop, &joan).await.is_empty());
    }

    async fn one_event_for_each_time_that_a_product_is_back(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let tea = sold_out(shop, &server, "tea").await;
        for customer in [&joan, &eve] {
            shop.done(customer, "waitlistJoin", of(&tea)).await;
        }
        product(shop, &server, json!({ "sku": "tea", "name": "Green tea", "stock": 0 })).await;
        assert_eq!(told(shop).await, []);
        // Of what there was already, more is no news.
        for delta in [5, 5, -10] {
            shop.done(&server, "productStockAdjust", json!({ "sku": "tea", "delta": delta })).await;
            assert_eq!(told(shop).await, [(0, 2)]);
        }
        assert!(own(shop, &joan).await.is_empty());
        // Told once; who asks again waits again.
        product(shop, &server, json!({ "sku": "tea", "stock": 3 })).await;
        product(shop, &server, json!({ "sku": "tea", "stock": 0 })).await;
        assert_eq!(told(shop).await, [(0, 2)]);
        shop.done(&joan, "waitlistJoin", of(&tea)).await;
        assert_eq!(waiting(shop, &server, &tea).await, [json!(joan.customer_id())]);
        let products = json!([{ "sku": "tea", "stock": 1 }, { "sku": "pot", "name": "Pot" }]);
        shop.done(&server, "productsUpsert", json!({ "products": products })).await;
        assert_eq!(told(shop).await, [(0, 2), (1, 1)]);
    }

    async fn a_product_that_becomes_public_is_told_of_when_its_instant_comes(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let soon = json!({ "sku": "new", "name": "New", "publicFrom": "2026-01-15T13:00:00Z" });
        let soon = product(shop, &server, soon).await["id"].as_str().unwrap().to_owned();
        shop.done(&server, "waitlistJoin", json!({ "productId": soon, "customerId": joan.customer_id() })).await;
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.clock.advance(TimeDelta::minutes(59));
        shop.run_jobs().await;
        assert_eq!(told(shop).await, []);
        shop.clock.advance(TimeDelta::minutes(2));
        shop.run_jobs().await;
        shop.clock.advance(TimeDelta::minutes(2));
        shop.run_jobs().await;
        assert_eq!(told(shop).await, [(0, 1)]);
    }

    async fn a_product_that_is_made_public_is_told_of_at_once(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let old = product(shop, &server, json!({ "sku": "old", "name": "Old", "archived": true })).await;
        let input = json!({ "productId": old["id"], "customerId": joan.customer_id() });
        shop.done(&server, "waitlistJoin", input).await;
        product(shop, &server, json!({ "sku": "old", "archived": false })).await;
        assert_eq!(told(shop).await, [(0, 1)]);
    }

    async fn restocks_at_once_are_told_of_once_and_nobody_is_left_waiting(shop: &TestApp) {
        let server = shop.as_server().await;
        let tea = sold_out(shop, &server, "tea").await;
        let mut customers = Vec::new();
        for _ in 0..6 {
            customers.push(shop.as_customer().await);
        }
        shop.done(&customers[0], "waitlistJoin", of(&tea)).await;
        let joins = join_all(customers[1..].iter().map(|customer| shop.mutate(customer, "waitlistJoin", of(&tea))));
        let add = json!({ "sku": "tea", "delta": 1 });
        let adds = join_all((0..6).map(|_| shop.done(&server, "productStockAdjust", add.clone())));
        let (joined, _) = join(joins, adds).await;
        // Who came after the first piece was told that it can be bought; all others are in the one event.
        let waited = joined.iter().filter(|answer| answer.user_errors().is_empty()).count();
        assert_eq!(told(shop).await, [(0, i64::try_from(waited).unwrap() + 1)]);
        assert!(waiting(shop, &server, &tea).await.is_empty());
    }

    async fn a_customer_waits_for_a_hundred_products_at_most(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let rows: Vec<Json> =
            (0..105).map(|number| json!({ "sku": format!("s{number}"), "name": "Thing", "stock": 0 })).collect();
        let made = shop.done(&server, "productsUpsert", json!({ "products": rows })).await;
        let ids: Vec<&str> =
            made["products"].as_array().unwrap().iter().map(|product| product["id"].as_str().unwrap()).collect();
        for id in &ids[..97] {
            shop.done(&joan, "waitlistJoin", of(id)).await;
        }
        let answers = join_all(ids[97..].iter().map(|id| shop.mutate(&joan, "waitlistJoin", of(id)))).await;
        let refused: Vec<_> = answers.iter().filter(|answer| !answer.user_errors().is_empty()).collect();
        assert_eq!(refused.len(), 5);
        for answer in refused {
            answer.assert_user_error("LIMIT_REACHED");
        }
        assert_eq!(own(shop, &joan).await.len(), 100);
        // What came back leaves room.
        shop.done(&server, "productStockAdjust", json!({ "sku": "s0", "delta": 1 })).await;
        let last = of(&sold_out(shop, &server, "last").await);
        shop.done(&joan, "waitlistJoin", last).await;
    }

    async fn calls_at_once_of_one_customer_make_one_place(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let tea = sold_out(shop, &server, "tea").await;
        join_all((0..8).map(|_| shop.done(&joan, "waitlistJoin", of(&tea)))).await;
        assert_eq!(waiting(shop, &server, &tea).await, [json!(joan.customer_id())]);
    }

    async fn places_go_along_when_customers_are_merged(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let (from, into) = (shop.as_customer().await, shop.as_customer().await);
        let (tea, pot) = (sold_out(shop, &server, "tea").await, sold_out(shop, &server, "pot").await);
        for (customer, product) in [(&from, &tea), (&from, &pot), (&into, &pot)] {
            shop.done(customer, "waitlistJoin", of(product)).await;
            shop.clock.advance(TimeDelta::minutes(1));
        }
        let merge = json!({ "fromId": from.customer_id(), "intoId": into.customer_id(), "reason": "the same person" });
        shop.done(&owner, "customerMerge", merge).await;
        assert_eq!(own(shop, &into).await, ["pot", "tea"]);
        for product in [&tea, &pot] {
            assert_eq!(waiting(shop, &server, product).await, [json!(into.customer_id())]);
        }
        let query = "{ me { waitlist { joinedAt } } }";
        let answer = shop.graphql(&into, query, json!({})).await;
        // Of two places for the pot, the older one: 12:01, not 12:02.
        assert_eq!(answer.at("/me/waitlist/0/joinedAt"), "2026-01-15T12:01:00+00:00");
    }

    async fn a_list_of_others_needs_what_customers_need(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let tea = sold_out(shop, &server, "tea").await;
        shop.done(&joan, "waitlistJoin", of(&tea)).await;
        let writer = shop.as_shop_key(&[Scope::CustomersWrite]).await;
        let query = "query ($id: ID!) { waitlist(productId: $id) { totalCount } }";
        shop.graphql(&writer, query, json!({ "id": tea })).await.assert_error("FORBIDDEN");
        let support = shop.as_staff(Role::Support).await;
        let input = json!({ "productId": tea, "customerId": joan.customer_id() });
        shop.done(&support, "waitlistLeave", input).await;
        assert!(own(shop, &joan).await.is_empty());
    }
}
