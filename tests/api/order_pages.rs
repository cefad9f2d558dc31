//! Orders are read page by page, those placed last first, at a cost that does not grow with what is on the page.

use regulars::app::App;
use regulars::clock::IdGen;
use serde_json::{Value as Json, json};

use crate::support::{Answer, Caller, CountingProxy, Engine, Serving, TestApp, both_engines, config};

const PAGE: &str = "query ($first: Int, $after: String, $last: Int, $before: String) {
    orders(first: $first, after: $after, last: $last, before: $before) {
        totalCount nodes { externalId } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}";

/// Orders 1 to `count`, each placed a minute after the one before, but the last two at the same instant.
async fn orders(shop: &TestApp, server: &Caller, count: u32) {
    for number in 1..=count {
        let minute = number.min(count - 1);
        let order = json!({
            "externalId": number.to_string(), "email": "guest@example.org",
            "placedAt": format!("2026-01-15T10:{minute:02}:00Z"),
        });
        shop.record(server, order).await;
    }
}

async fn page(shop: &TestApp, server: &Caller, arguments: Json) -> Answer {
    shop.graphql(server, PAGE, arguments).await
}

fn numbers(page: &Answer) -> Vec<u32> {
    let nodes = page.at("/orders/nodes").as_array().unwrap();
    nodes.iter().map(|order| order["externalId"].as_str().unwrap().parse().unwrap()).collect()
}

fn more(page: &Answer) -> [bool; 2] {
    ["hasPreviousPage", "hasNextPage"]
        .map(|name| page.at(&format!("/orders/pageInfo/{name}")).as_bool().unwrap())
}

both_engines! {
    async fn pages_go_forward_and_backward_over_the_same_orders(shop: &TestApp) {
        let server = shop.as_server().await;
        orders(shop, &server, 7).await;
        let first = page(shop, &server, json!({ "first": 3 })).await;
        assert_eq!((numbers(&first), more(&first)), (vec![7, 6, 5], [false, true]));
        assert_eq!(first.at("/orders/totalCount"), 7);
        let end = first.at("/orders/pageInfo/endCursor");
        let second = page(shop, &server, json!({ "first": 3, "after": end })).await;
        assert_eq!((numbers(&second), more(&second)), (vec![4, 3, 2], [true, true]));
        let end = second.at("/orders/pageInfo/endCursor");
        let third = page(shop, &server, json!({ "first": 3, "after": end })).await;
        assert_eq!((numbers(&third), more(&third)), (vec![1], [true, false]));
        let last = page(shop, &server, json!({ "last": 3 })).await;
        assert_eq!((numbers(&last), more(&last)), (vec![3, 2, 1], [true, false]));
        let start = last.at("/orders/pageInfo/startCursor");
        let before = page(shop, &server, json!({ "last": 3, "before": start })).await;
        assert_eq!((numbers(&before), more(&before)), (vec![6, 5, 4], [true, true]));
        // The cut between the two that were placed at the same instant.
        let one = page(shop, &server, json!({ "first": 1 })).await;
        let after = page(shop, &server, json!({ "first": 1, "after": one.at("/orders/pageInfo/endCursor") })).await;
        assert_eq!((numbers(&one), numbers(&after)), (vec![7], vec![6]));
    }

    async fn a_page_without_a_size_has_twenty_rows(shop: &TestApp) {
        let server = shop.as_server().await;
        orders(shop, &server, 21).await;
        let first = page(shop, &server, json!({})).await;
        assert_eq!((numbers(&first).len(), more(&first)), (20, [false, true]));
        assert_eq!(numbers(&page(shop, &server, json!({ "first": 100 })).await).len(), 21);
    }

    async fn a_page_out_of_its_bounds_is_an_error(shop: &TestApp) {
        let server = shop.as_server().await;
        let wrong = [
            json!({ "first": 101 }), json!({ "last": 101 }), json!({ "first": 0 }), json!({ "first": -1 }),
            json!({ "first": 1, "last": 1 }), json!({ "after": "x" }), json!({ "before": "" }),
        ];
        for arguments in wrong {
            page(shop, &server, arguments).await.assert_error("BAD_USER_INPUT");
        }
    }

    async fn a_cursor_that_was_tampered_with_breaks_nothing(shop: &TestApp) {
        use base64::Engine as _;
        let server = shop.as_server().await;
        let write = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let id = uuid::Uuid::nil();
        for text in [
            format!("[\"-262143-01-01T00:00:00Z\",\"{id}\"]"), format!("[\"+262142-12-31T23:59:59Z\",\"{id}\"]"),
            format!("[\"0000-01-01T00:00:00Z\",\"{id}\"]"),
        ] {
            let answer = page(shop, &server, json!({ "after": write(&text) })).await;
            assert!(!answer.error_codes().contains(&"INTERNAL"), "{text}: {:#}", answer.body);
        }
        let query = "query ($after: String) { products(after: $after) { nodes { sku } } }";
        let answer = shop.graphql(&server, query, json!({ "after": write("\"nul\\u0000\"") })).await;
        assert!(!answer.error_codes().contains(&"INTERNAL"), "{:#}", answer.body);
    }

    async fn a_filter_lets_through_what_matches_all_of_it(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        orders(shop, &server, 3).await;
        let own = shop.record(&server, json!({ "externalId": "9", "customerId": joan.customer_id() })).await;
        shop.step(&server, "orderPay", &own).await;
        let query = "query ($filter: OrdersFilter) { orders(filter: $filter) { totalCount nodes { externalId } } }";
        let cases = [
            (json!({}), vec![9, 3, 2, 1]),
            (json!({ "state": "PAID" }), vec![9]),
            (json!({ "state": "PLACED", "customerId": joan.customer_id() }), vec![]),
            (json!({ "customerId": joan.customer_id() }), vec![9]),
            (json!({ "placedFrom": "2026-01-15T10:02:00Z", "placedTo": "2026-01-15T12:00:00Z" }), vec![3, 2]),
            (json!({ "placedTo": "2026-01-15T10:02:00Z" }), vec![1]),
        ];
        for (filter, expected) in cases {
            let answer = shop.graphql(&server, query, json!({ "filter": filter })).await;
            assert_eq!(numbers(&answer), expected, "{filter}");
            assert_eq!(answer.at("/orders/totalCount"), expected.len());
        }
        for at in ["-262143-01-01T00:00:00Z", "+262142-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            let answer = shop.graphql(&server, query, json!({ "filter": { "placedFrom": at } })).await;
            assert!(!answer.error_codes().contains(&"INTERNAL"), "{at}: {:#}", answer.body);
        }
    }

    async fn a_page_of_fifty_takes_as_many_statements_as_one_of_two(shop: &TestApp) {
        // Only between us and a server can statements be counted.
        if shop.database.engine() == Engine::Sqlite {
            return;
        }
        let server = shop.as_server().await;
        orders(shop, &server, 50).await;
        let (proxy, url) = CountingProxy::before(shop.database.url()).await;
        let app = App::build_with(config(&url), shop.clock.clone(), IdGen::seeded(9)).await.unwrap();
        let serving = Serving::begin(app.clone());
        let query = "query ($first: Int) { orders(first: $first) { nodes { externalId lines { sku } returns { quantity } } } }";
        let mut least = Vec::new();
        for first in [2, 50] {
            let mut taken = Vec::new();
            // Several times: the server looks for newer settings meanwhile, and once notes the use of the key.
            for _ in 0..6 {
                let before = proxy.executed();
                let answer = serving.post(&server, query, json!({ "first": first })).await;
                assert_eq!(answer.at("/orders/nodes").as_array().unwrap().len(), first);
                taken.push(proxy.executed() - before);
                tokio::time::sleep(std::time::Duration::from_millis(70)).await;
            }
            least.push(taken.into_iter().min().unwrap());
        }
        // Who is asking, the page, its lines, its returns.
        assert_eq!(least, [4, 4]);
        serving.end().await;
        app.db.clone().close().await.unwrap();
        proxy.end();
    }
}
