//! Carts: told of by the shop, closed by what their owners order, and theirs whatever name they had.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::{join, join_all};
use regulars::auth::viewer::Scope;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, line};

const CARTS: &str = "query ($filter: CartsFilter, $first: Int, $after: String) {
    carts(filter: $filter, first: $first, after: $after) {
        totalCount nodes { externalId } pageInfo { endCursor hasNextPage } } }";

/// A cart with one thing in it, last touched at 11:00.
fn cart(id: &str, mut whose: Json) -> Json {
    whose["externalId"] = json!(id);
    let defaults = json!({ "currency": "EUR", "lines": [line("A-1", 2, "10.00")], "touchedAt": at("11:00") });
    for (name, value) in defaults.as_object().unwrap() {
        if whose.get(name).is_none() {
            whose[name] = value.clone();
        }
    }
    whose
}

fn at(time: &str) -> String {
    format!("2026-01-15T{time}:00Z")
}

async fn told(shop: &TestApp, server: &Caller, cart: Json) -> Json {
    shop.done(server, "cartUpsert", cart).await["cart"].clone()
}

async fn ids(shop: &TestApp, staff: &Caller, filter: Json) -> Vec<String> {
    let answer = shop.graphql(staff, CARTS, json!({ "filter": filter })).await;
    let nodes = answer.at("/carts/nodes").as_array().unwrap();
    assert_eq!(answer.at("/carts/totalCount"), nodes.len());
    nodes.iter().map(|node| node["externalId"].as_str().unwrap().to_owned()).collect()
}

async fn open(shop: &TestApp, staff: &Caller) -> Vec<String> {
    let mut open = ids(shop, staff, json!({ "state": "OPEN" })).await;
    open.sort();
    open
}

async fn customers(shop: &TestApp, staff: &Caller) -> Vec<(Json, Json)> {
    let query = "{ carts { nodes { customer { id } email } } }";
    let answer = shop.graphql(staff, query, json!({})).await;
    let nodes = answer.at("/carts/nodes").as_array().unwrap();
    nodes.iter().map(|node| (node["customer"]["id"].clone(), node["email"].clone())).collect()
}

both_engines! {
    async fn a_cart_is_as_the_shop_last_told_of_it(shop: &TestApp) {
        let (server, joan) = (shop.as_shop_key(&[Scope::CartsWrite, Scope::CustomersRead]).await, shop.as_customer().await);
        let made = told(shop, &server, cart("c-1", json!({ "customerId": joan.customer_id() }))).await;
        let expected = json!({
            "id": made["id"], "externalId": "c-1", "customer": { "id": joan.customer_id() }, "email": null,
            "state": "OPEN", "total": { "amount": "10.00", "currency": "EUR" },
            "lines": [{ "sku": "A-1", "name": "Thing A-1", "quantity": 2, "lineTotal": { "amount": "10.00", "currency": "EUR" } }],
            "touchedAt": "2026-01-15T11:00:00+00:00", "closedAt": null, "updatedAt": "2026-01-15T12:00:00+00:00",
        });
        assert_eq!(made, expected);
        let more = json!({
            "email": "guest@example.org", "lines": [line("A-1", 1, "5.00"), line("B-1", 3, "0.99")], "touchedAt": at("11:30"),
        });
        let changed = told(shop, &server, cart("c-1", more)).await;
        assert_eq!(changed["id"], made["id"]);
        assert_eq!((&changed["customer"], &changed["email"]), (&Json::Null, &json!("guest@example.org")));
        // 5.00 and 0.99.
        assert_eq!((changed["lines"].as_array().unwrap().len(), &changed["total"]["amount"]), (2, &json!("5.99")));
        // What was said before comes late: it changes nothing.
        let late = cart("c-1", json!({ "customerId": joan.customer_id() }));
        assert_eq!(told(shop, &server, late).await, changed);
        shop.done(&server, "cartDelete", json!({ "externalId": "c-1" })).await;
        shop.refused(&server, "cartDelete", json!({ "externalId": "c-1" }), "NOT_FOUND").await;
        shop.refused(&server, "cartDelete", json!({ "externalId": "a b" }), "NOT_FOUND").await;
    }

    async fn what_a_cart_cannot_be_is_refused(shop: &TestApp) {
        let (server, joan) = (shop.as_server().await, shop.as_customer().await);
        let of = |change: Json| cart("c-1", change);
        let lines = |count: usize| json!({ "email": "a@example.org", "lines": vec![line("A-1", 1, "1.00"); count] });
        let both = json!({ "customerId": joan.customer_id(), "email": "a@example.org" });
        let cases = [
            (of(json!({})), json!(["input", "email"])),
            (of(both), json!(["input", "customerId"])),
            (of(lines(501)), json!(["input", "lines"])),
            (of(json!({ "email": "a@example.org", "lines": [line("A-1", 1, "1"), line("A-1", 0, "1")] })), json!(["input", "lines", "1", "quantity"])),
            (of(json!({ "email": "a@example.org", "lines": [line("A-1", 1, "1.001")] })), json!(["input", "lines", "0", "lineTotal"])),
            (of(json!({ "email": "a@example.org", "touchedAt": "2026-01-15T12:00:00.000001Z" })), json!(["input", "touchedAt"])),
            (cart("a b", json!({ "email": "a@example.org" })), json!(["input", "externalId"])),
        ];
        for (input, field) in cases {
            let answer = shop.refused(&server, "cartUpsert", input, "INVALID").await;
            assert_eq!(answer.user_errors()[0]["field"], field);
        }
        told(shop, &server, of(lines(500))).await;
        told(shop, &server, cart("c-2", json!({ "email": "a@example.org", "touchedAt": at("12:00"), "lines": [] }))).await;
    }

    async fn an_order_closes_the_carts_of_whoever_placed_it_that_were_not_touched_since(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let guest = json!({ "email": "guest@example.org" });
        for (id, whose) in [
            ("joan", json!({ "customerId": joan.customer_id() })),
            ("joan-mailbox", json!({ "email": joan.email.to_uppercase() })),
            ("joan-later", json!({ "customerId": joan.customer_id(), "touchedAt": at("11:30") })),
            ("eve", json!({ "customerId": eve.customer_id() })),
            ("shop", json!({ "externalCustomerId": "shop-1" })),
            ("guest", guest.clone()),
        ] {
            told(shop, &server, cart(id, whose)).await;
        }
        assert_eq!(open(shop, &owner).await, ["eve", "guest", "joan", "joan-later", "joan-mailbox", "shop"]);
        // Placed before the last touch: no order of the cart.
        shop.record(&server, json!({ "customerId": joan.customer_id(), "placedAt": at("10:59") })).await;
        assert_eq!(open(shop, &owner).await.len(), 6);
        shop.record(&server, json!({ "customerId": joan.customer_id(), "placedAt": at("11:00") })).await;
        assert_eq!(open(shop, &owner).await, ["eve", "guest", "joan-later", "shop"]);
        shop.record(&server, json!({ "externalCustomerId": "shop-1" })).await;
        assert_eq!(open(shop, &owner).await, ["eve", "guest", "joan-later"]);
        // Eve orders, and writes down the address of the guest: whoever reads mail there bought.
        let order = json!({ "customerId": eve.customer_id(), "email": "Guest@example.org" });
        shop.record(&server, order).await;
        assert_eq!(open(shop, &owner).await, ["joan-later"]);
        told(shop, &server, cart("guest-2", guest.clone())).await;
        shop.record(&server, guest).await;
        assert_eq!(open(shop, &owner).await, ["joan-later"]);
    }

    async fn a_cart_that_comes_to_be_known_after_its_order_is_closed_and_a_later_touch_opens_it(shop: &TestApp) {
        let (server, joan) = (shop.as_server().await, shop.as_customer().await);
        for whose in [json!({ "customerId": joan.customer_id() }), json!({ "email": "guest@example.org" })] {
            let mut order = whose.clone();
            order["placedAt"] = json!(at("11:10"));
            shop.record(&server, order).await;
            let mut cart = cart(&format!("c-{}", shop.next_number()), whose);
            let state = async |cart: &Json| {
                let cart = told(shop, &server, cart.clone()).await;
                (cart["state"].clone(), cart["closedAt"].clone())
            };
            let closed = (json!("CLOSED"), json!("2026-01-15T11:10:00+00:00"));
            assert_eq!(state(&cart).await, closed);
            cart["touchedAt"] = json!(at("11:10"));
            assert_eq!(state(&cart).await, closed);
            cart["touchedAt"] = json!(at("11:11"));
            assert_eq!(state(&cart).await, (json!("OPEN"), Json::Null));
        }
    }

    async fn carts_of_an_address_follow_to_whoever_proves_it(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        told(shop, &server, cart("c-1", json!({ "email": "Guest@example.org" }))).await;
        told(shop, &server, cart("c-2", json!({ "email": "other@example.org" }))).await;
        let joan = shop.as_customer_at("guest@example.org").await;
        let found = customers(shop, &owner).await;
        assert!(found.contains(&(json!(joan.customer_id()), Json::Null)), "{found:?}");
        assert!(found.contains(&(Json::Null, json!("other@example.org"))), "{found:?}");
        // From now on the address means her.
        told(shop, &server, cart("c-1", json!({ "email": "guest@example.org", "touchedAt": at("11:20") }))).await;
        shop.record(&server, json!({ "customerId": joan.customer_id() })).await;
        assert_eq!(open(shop, &owner).await, ["c-2"]);
    }

    async fn carts_go_along_when_customers_are_merged(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let (from, into) = (shop.as_customer().await, shop.as_customer().await);
        told(shop, &server, cart("old", json!({ "customerId": from.customer_id(), "touchedAt": at("10:00") }))).await;
        told(shop, &server, cart("new", json!({ "customerId": from.customer_id() }))).await;
        // One of the two bought after the first cart was left, and before the second.
        shop.record(&server, json!({ "customerId": into.customer_id(), "placedAt": at("10:30") })).await;
        let merge = json!({ "fromId": from.customer_id(), "intoId": into.customer_id(), "reason": "the same person" });
        shop.done(&owner, "customerMerge", merge).await;
        assert_eq!(open(shop, &owner).await, ["new"]);
        let is_theirs = |(customer, _): &(Json, Json)| *customer == into.customer_id();
        assert!(customers(shop, &owner).await.iter().all(is_theirs));
        told(shop, &server, cart("new", json!({ "customerId": from.customer_id(), "touchedAt": at("11:30") }))).await;
        assert!(customers(shop, &owner).await.iter().all(is_theirs));
    }

    async fn staff_see_what_lies_untouched_page_by_page(shop: &TestApp) {
        let (server, analyst) = (shop.as_server().await, shop.as_staff(Role::Analyst).await);
        for minute in 10..15 {
            let whose = json!({ "email": "guest@example.org", "touchedAt": at(&format!("11:{minute}")) });
            told(shop, &server, cart(&format!("c-{minute}"), whose)).await;
        }
        shop.record(&server, json!({ "email": "guest@example.org", "placedAt": at("11:10") })).await;
        let cases = [
            (json!({}), vec!["c-14", "c-13", "c-12", "c-11", "c-10"]),
            (json!({ "state": "OPEN" }), vec!["c-14", "c-13", "c-12", "c-11"]),
            (json!({ "state": "CLOSED" }), vec!["c-10"]),
            (json!({ "state": "OPEN", "untouchedSince": at("11:12") }), vec!["c-12", "c-11"]),
            (json!({ "untouchedSince": "-262143-01-01T00:00:00Z" }), vec![]),
        ];
        for (filter, expected) in cases {
            assert_eq!(ids(shop, &analyst, filter.clone()).await, expected, "{filter}");
        }
        let first = shop.graphql(&analyst, CARTS, json!({ "first": 3 })).await;
        assert_eq!(first.at("/carts/pageInfo/hasNextPage"), true);
        let after = first.at("/carts/pageInfo/endCursor");
        let second = shop.graphql(&analyst, CARTS, json!({ "first": 3, "after": after })).await;
        assert_eq!(second.at("/carts/nodes"), &json!([{ "externalId": "c-11" }, { "externalId": "c-10" }]));
        let query = "{ auditEntries { nodes { act } } }";
        let joan = shop.as_customer().await;
        told(shop, &server, cart("joan", json!({ "customerId": joan.customer_id() }))).await;
        ids(shop, &analyst, json!({})).await;
        shop.run_jobs().await;
        let owner = shop.as_staff(Role::Owner).await;
        let told = shop.graphql(&owner, query, json!({})).await;
        let reads = told.at("/auditEntries/nodes").as_array().unwrap();
        assert!(reads.contains(&json!({ "act": "customer.read" })), "{reads:?}");
    }

    async fn an_order_and_its_cart_at_once_leave_no_open_cart(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let joan = shop.as_customer().await;
        let mut both = Vec::new();
        for number in 0..12 {
            let whose = match number % 3 {
                0 => json!({ "email": format!("guest-{number}@example.org") }),
                1 => json!({ "externalCustomerId": format!("shop-{number}") }),
                _ => json!({ "customerId": joan.customer_id() }),
            };
            let cart = cart(&format!("c-{number}"), whose.clone());
            let order = shop.order_input(whose);
            let shop = &shop;
            let server = &server;
            both.push(async move {
                join(shop.mutate(server, "cartUpsert", cart), shop.mutate(server, "orderRecord", order)).await
            });
        }
        for (cart, order) in join_all(both).await {
            cart.assert_done();
            order.assert_done();
        }
        assert!(open(shop, &owner).await.is_empty());
    }

    async fn calls_at_once_make_one_cart(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let whose = |number: u32| json!({ "externalCustomerId": "shop-1", "touchedAt": at(&format!("11:{number}")) });
        join_all((10..18).map(|number| told(shop, &server, cart("c-1", whose(number))))).await;
        assert_eq!(ids(shop, &owner, json!({})).await, ["c-1"]);
        let query = "{ carts { nodes { touchedAt } } }";
        let answer = shop.graphql(&owner, query, json!({})).await;
        assert_eq!(answer.at("/carts/nodes/0/touchedAt"), "2026-01-15T11:17:00+00:00");
    }

    async fn closed_carts_are_forgotten_after_ninety_days(shop: &TestApp) {
        let (server, guest) = (shop.as_server().await, json!({ "email": "guest@example.org" }));
        told(shop, &server, cart("bought", guest.clone())).await;
        shop.record(&server, guest.clone()).await;
        told(shop, &server, cart("left", json!({ "email": "other@example.org" }))).await;
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.clock.advance(TimeDelta::days(90));
        shop.run_jobs().await;
        let all = async || ids(shop, &shop.as_staff(Role::Owner).await, json!({})).await;
        assert_eq!(all().await.len(), 2);
        shop.clock.advance(TimeDelta::days(1));
        shop.run_jobs().await;
        assert_eq!(all().await, ["left"]);
    }

    async fn a_replayed_cart_is_told_of_once(shop: &TestApp) {
        let server = shop.as_server().await;
        let mut input = cart("c-1", json!({ "email": "guest@example.org" }));
        input["idempotencyKey"] = json!("k");
        let first = shop.done(&server, "cartUpsert", input.clone()).await;
        let again = shop.unchanged_by(async || shop.done(&server, "cartUpsert", input).await).await;
        assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
        assert_eq!(first["cart"], again["cart"]);
    }
}
