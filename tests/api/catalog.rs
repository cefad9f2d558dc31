//! Products: what the shop states of them, who sees which of them when, and how stock holds when many take from it.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use regulars::auth::viewer::Scope;
use serde_json::{Value as Json, json};

use crate::support::{Answer, Caller, TestApp, both_engines};

/// Makes or changes a product.
pub(crate) async fn product(shop: &TestApp, server: &Caller, input: Json) -> Json {
    shop.done(server, "productUpsert", input).await["product"].clone()
}

async fn seen(shop: &TestApp, caller: &Caller, sku: &str) -> Json {
    let query = "query ($sku: String!) { productBySku(sku: $sku) { name } product(sku: $sku) { name } }";
    let answer = shop.graphql(caller, query, json!({ "sku": sku })).await;
    assert_eq!(answer.at("/productBySku"), answer.at("/product"));
    answer.at("/productBySku").clone()
}

async fn listed(shop: &TestApp, caller: &Caller, filter: Json) -> Answer {
    let query = "query ($filter: ProductsFilter) { products(filter: $filter) { totalCount nodes { sku } } }";
    shop.graphql(caller, query, json!({ "filter": filter })).await
}

async fn skus(shop: &TestApp, caller: &Caller, filter: Json) -> Vec<String> {
    let answer = listed(shop, caller, filter).await;
    let nodes = answer.at("/products/nodes").as_array().unwrap();
    assert_eq!(answer.at("/products/totalCount"), nodes.len());
    nodes.iter().map(|node| node["sku"].as_str().unwrap().to_owned()).collect()
}

fn invalid(answer: &Answer) -> Vec<(&Json, &Json)> {
    answer.user_errors().iter().map(|error| (&error["field"], &error["message"])).collect()
}

both_engines! {
    async fn what_is_left_out_stays_and_null_means_none(shop: &TestApp) {
        let server = shop.as_server().await;
        let whole = json!({
            "sku": "tea", "name": "Tea", "categories": ["drinks"], "publicFrom": "2026-01-01T00:00:00Z",
            "earlyAccessFrom": "2025-12-25T00:00:00Z", "replenishAfterDays": 30, "careWindowDays": 120, "stock": 7,
            "weightGrams": 250, "companions": ["pot", "cup"], "archived": false,
        });
        let made = product(shop, &server, whole).await;
        let expected = json!({
            "id": made["id"], "sku": "tea", "name": "Tea", "categories": ["drinks"],
            "publicFrom": "2026-01-01T00:00:00+00:00", "earlyAccessFrom": "2025-12-25T00:00:00+00:00",
            "visibility": "PUBLIC", "replenishAfterDays": 30, "careWindowDays": 120, "stock": 7, "inStock": true,
            "weightGrams": 250, "companionSkus": ["pot", "cup"], "archived": false,
            "createdAt": "2026-01-15T12:00:00+00:00", "updatedAt": "2026-01-15T12:00:00+00:00",
        });
        assert_eq!(made, expected);
        shop.clock.advance(TimeDelta::minutes(1));
        // The same again is no change.
        assert_eq!(product(shop, &server, json!({ "sku": "tea", "stock": 7 })).await, expected);
        let mut renamed = expected.clone();
        renamed["name"] = json!("Green tea");
        renamed["updatedAt"] = json!("2026-01-15T12:01:00+00:00");
        assert_eq!(product(shop, &server, json!({ "sku": "tea", "name": "Green tea" })).await, renamed);
        let cleared = json!({
            "sku": "tea", "categories": null, "publicFrom": null, "earlyAccessFrom": null, "replenishAfterDays": null,
            "careWindowDays": null, "stock": null, "weightGrams": null, "companions": null,
        });
        let cleared = product(shop, &server, cleared).await;
        for field in ["publicFrom", "earlyAccessFrom", "replenishAfterDays", "careWindowDays", "stock", "weightGrams"] {
            assert_eq!(cleared[field], Json::Null, "{field}");
        }
        assert_eq!((&cleared["categories"], &cleared["companionSkus"]), (&json!([]), &json!([])));
        assert_eq!((&cleared["name"], &cleared["inStock"]), (&json!("Green tea"), &json!(true)));
    }

    async fn what_a_product_cannot_be_is_refused(shop: &TestApp) {
        let server = shop.as_server().await;
        product(shop, &server, json!({ "sku": "tea", "name": "Tea", "publicFrom": "2026-02-01T00:00:00Z" })).await;
        let cases = [
            (json!({ "sku": "new" }), "name"),
            (json!({ "sku": "", "name": "x" }), "sku"),
            (json!({ "sku": "tea", "name": " " }), "name"),
            (json!({ "sku": "tea", "replenishAfterDays": 3651 }), "replenishAfterDays"),
            (json!({ "sku": "tea", "careWindowDays": 89 }), "careWindowDays"),
            (json!({ "sku": "tea", "stock": -1 }), "stock"),
            (json!({ "sku": "tea", "companions": ["tea"] }), "companions"),
            (json!({ "sku": "tea", "earlyAccessFrom": "2026-02-01T00:00:01Z" }), "earlyAccessFrom"),
            (json!({ "sku": "tea", "publicFrom": "+262142-12-31T23:59:59Z" }), "publicFrom"),
        ];
        for (input, field) in cases {
            let answer = shop.refused(&server, "productUpsert", input, "INVALID").await;
            assert_eq!(answer.user_errors()[0]["field"], json!(["input", field]));
        }
    }

    async fn a_product_is_seen_by_others_than_the_shop_from_its_instant_on(shop: &TestApp) {
        let server = shop.as_shop_key(&[Scope::CatalogWrite]).await;
        let reader = shop.as_shop_key(&[Scope::CatalogRead]).await;
        let (analyst, joan) = (shop.as_staff(Role::Analyst).await, shop.as_customer().await);
        let soon = json!({
            "sku": "tea", "name": "Tea", "earlyAccessFrom": "2026-01-15T12:00:00Z", "publicFrom": "2026-01-15T12:10:00Z",
        });
        let made = product(shop, &server, soon).await;
        assert_eq!(made["visibility"], "EARLY");
        product(shop, &server, json!({ "sku": "old", "name": "Old", "archived": true })).await;
        let others = [Caller::anonymous(), joan, server];
        for caller in &others {
            assert_eq!(seen(shop, caller, "tea").await, Json::Null);
            assert!(skus(shop, caller, json!({})).await.is_empty());
            listed(shop, caller, json!({ "includeHidden": true })).await.assert_error("BAD_USER_INPUT");
        }
        for caller in [&reader, &analyst] {
            assert_eq!(seen(shop, caller, "tea").await, json!({ "name": "Tea" }));
            assert!(skus(shop, caller, json!({})).await.is_empty());
            assert_eq!(skus(shop, caller, json!({ "includeHidden": true })).await, ["old", "tea"]);
        }
        shop.clock.advance(TimeDelta::minutes(10));
        for caller in &others {
            assert_eq!(seen(shop, caller, "tea").await, json!({ "name": "Tea" }));
            assert_eq!(seen(shop, caller, "old").await, Json::Null);
            assert_eq!(skus(shop, caller, json!({})).await, ["tea"]);
        }
    }

    async fn products_are_found_by_words_category_and_stock(shop: &TestApp) {
        let server = shop.as_server().await;
        for (sku, name, categories, stock) in [
            ("A-1", "Green Tea", json!(["drinks", "Tea"]), json!(3)),
            ("A-2", "Black Tea", json!(["drinks"]), json!(0)),
            ("B-1", "Tea pot, green", json!(["kitchen"]), Json::Null),
        ] {
            let input = json!({ "sku": sku, "name": name, "categories": categories, "stock": stock });
            product(shop, &server, input).await;
        }
        let nobody = Caller::anonymous();
        for (filter, expected) in [
            (json!({ "search": "TEA" }), vec!["A-1", "A-2", "B-1"]),
            (json!({ "search": "gre te" }), vec!["A-1", "B-1"]),
            (json!({ "search": "a-" }), vec!["A-1", "A-2"]),
            (json!({ "search": "een" }), vec![]),
            (json!({ "category": "drinks" }), vec!["A-1", "A-2"]),
            (json!({ "category": "tea" }), vec![]),
            (json!({ "category": "drinks", "search": "green" }), vec!["A-1"]),
            (json!({ "inStock": true }), vec!["A-1", "B-1"]),
            (json!({ "inStock": false }), vec!["A-2"]),
            (json!({ "inStock": false, "category": "kitchen" }), vec![]),
        ] {
            assert_eq!(skus(shop, &nobody, filter.clone()).await, expected, "{filter}");
        }
        for filter in [json!({ "search": "" }), json!({ "search": "nul\u{0}" }), json!({ "category": "x".repeat(256) })] {
            listed(shop, &nobody, filter).await.assert_error("BAD_USER_INPUT");
        }
        // What it is found by changes with it.
        product(shop, &server, json!({ "sku": "A-1", "name": "White leaf", "categories": ["sale"] })).await;
        assert_eq!(skus(shop, &nobody, json!({ "search": "tea" })).await, ["A-2", "B-1"]);
        assert_eq!(skus(shop, &nobody, json!({ "category": "sale" })).await, ["A-1"]);
    }

    async fn products_older_than_the_words_are_found_once_the_worker_ran(shop: &TestApp) {
        use sea_orm::ConnectionTrait;
        let server = shop.as_server().await;
        product(shop, &server, json!({ "sku": "tea", "name": "Tea" })).await;
        shop.app.db.write.execute_unprepared("DELETE FROM product_terms").await.unwrap();
        assert!(skus(shop, &server, json!({ "search": "tea" })).await.is_empty());
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.run_jobs().await;
        assert_eq!(skus(shop, &server, json!({ "search": "tea" })).await, ["tea"]);
    }

    async fn companions_are_shown_once_they_exist_to_those_who_may_see_them(shop: &TestApp) {
        let server = shop.as_server().await;
        product(shop, &server, json!({ "sku": "tea", "name": "Tea", "companions": ["pot", "cup", "tray"] })).await;
        let shown = async |caller: &Caller| {
            let query = "{ productBySku(sku: \"tea\") { companions { sku } companionSkus } }";
            shop.graphql(caller, query, json!({})).await.at("/productBySku").clone()
        };
        let all = json!(["pot", "cup", "tray"]);
        assert_eq!(shown(&server).await, json!({ "companions": [], "companionSkus": all }));
        product(shop, &server, json!({ "sku": "tray", "name": "Tray" })).await;
        product(shop, &server, json!({ "sku": "pot", "name": "Pot", "archived": true })).await;
        let both = json!([{ "sku": "pot" }, { "sku": "tray" }]);
        assert_eq!(shown(&server).await, json!({ "companions": both, "companionSkus": all }));
        let one = json!({ "companions": [{ "sku": "tray" }], "companionSkus": ["tray"] });
        assert_eq!(shown(&Caller::anonymous()).await, one);
        // 1 + (1 + 20 * (1 + 20 * (1 + 20 * 1))) = 8,422.
        let deep = "{ productBySku(sku: \"tea\") { companions { companions { companions { companions { sku } } } } } }";
        let answer = shop.graphql(&server, deep, json!({})).await;
        answer.assert_error("OPERATION_TOO_COMPLEX");
        assert!(answer.body["errors"][0]["message"].as_str().unwrap().contains("8422"), "{:#}", answer.body);
    }

    async fn many_products_are_made_and_changed_at_once_or_none(shop: &TestApp) {
        let server = shop.as_server().await;
        product(shop, &server, json!({ "sku": "s000", "name": "First" })).await;
        let rows = |count: usize| -> Vec<Json> {
            (0..count).map(|number| json!({ "sku": format!("s{number:03}"), "name": "Thing", "stock": number })).collect()
        };
        let done = shop.done(&server, "productsUpsert", json!({ "products": rows(250) })).await;
        let products = done["products"].as_array().unwrap();
        assert_eq!(products.len(), 250);
        assert_eq!((&products[0]["name"], &products[249]["stock"]), (&json!("Thing"), &json!(249)));
        for count in [0, 251] {
            let input = json!({ "products": rows(count) });
            shop.refused(&server, "productsUpsert", input, "INVALID").await;
        }
        let mixed = json!({ "products": [
            { "sku": "s000", "name": "Changed" },
            { "sku": "new" },
            { "sku": "s001", "stock": -1 },
            { "sku": "s000", "stock": 1 },
        ] });
        let answer = shop.unchanged_by(async || shop.mutate(&server, "productsUpsert", mixed).await).await;
        let expected = [
            (json!(["input", "products", "1", "name"]), json!("name is needed for a new product.")),
            (json!(["input", "products", "2", "stock"]), json!("stock is negative.")),
            (json!(["input", "products", "3", "sku"]), json!("sku came before.")),
        ];
        let told = invalid(&answer);
        assert_eq!(told, expected.iter().map(|(field, message)| (field, message)).collect::<Vec<_>>());
        assert_eq!(answer.payload()["products"], json!([]));
    }

    async fn a_replay_of_many_answers_the_same_products(shop: &TestApp) {
        let server = shop.as_server().await;
        let input = json!({ "idempotencyKey": "k", "products": [
            { "sku": "b", "name": "B" }, { "sku": "a", "name": "A" },
        ] });
        let first = shop.done(&server, "productsUpsert", input.clone()).await;
        let again = shop.done(&server, "productsUpsert", input).await;
        assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
        assert_eq!(first["products"], again["products"]);
        let skus: Vec<_> = again["products"].as_array().unwrap().iter().map(|product| &product["sku"]).collect();
        assert_eq!(skus, ["b", "a"]);
    }

    async fn calls_at_once_that_make_the_same_products_make_each_once(shop: &TestApp) {
        let server = shop.as_server().await;
        let calls = (0..8).map(|call| {
            let mut products: Vec<Json> =
                (0..20).map(|number| json!({ "sku": format!("s{number}"), "name": format!("By {call}") })).collect();
            products.rotate_left(call * 2);
            shop.done(&server, "productsUpsert", json!({ "products": products }))
        });
        let ids: Vec<Vec<Json>> = join_all(calls)
            .await
            .iter()
            .map(|done| {
                let mut products = done["products"].as_array().unwrap().clone();
                products.sort_by_key(|product| product["sku"].to_string());
                products.iter().map(|product| product["id"].clone()).collect()
            })
            .collect();
        assert!(ids.iter().all(|list| list.len() == 20 && *list == ids[0]));
        assert_eq!(skus(shop, &server, json!({})).await.len(), 20);
    }

    async fn fifty_who_take_the_last_seven_pieces_get_seven(shop: &TestApp) {
        let server = shop.as_server().await;
        product(shop, &server, json!({ "sku": "tea", "name": "Tea", "stock": 7 })).await;
        let take = json!({ "sku": "tea", "delta": -1 });
        let answers = join_all((0..50).map(|_| shop.mutate(&server, "productStockAdjust", take.clone()))).await;
        let refused: Vec<_> = answers.iter().filter(|answer| !answer.user_errors().is_empty()).collect();
        assert_eq!((answers.len() - refused.len(), refused.len()), (7, 43));
        for answer in refused {
            answer.assert_user_error("STOCK_TOO_LOW");
            assert_eq!(answer.user_errors()[0]["message"], "Only 0 are left.");
        }
        let query = "{ productBySku(sku: \"tea\") { stock inStock } }";
        let answer = shop.graphql(&Caller::anonymous(), query, json!({})).await;
        assert_eq!(answer.at("/productBySku"), &json!({ "stock": 0, "inStock": false }));
    }

    async fn a_stock_that_cannot_be_is_refused(shop: &TestApp) {
        let server = shop.as_server().await;
        product(shop, &server, json!({ "sku": "tea", "name": "Tea", "stock": 5 })).await;
        product(shop, &server, json!({ "sku": "gift", "name": "Gift card" })).await;
        for (sku, delta, code) in [
            ("tea", -6, "STOCK_TOO_LOW"), ("tea", i32::MAX - 4, "STOCK_TOO_HIGH"), ("tea", 0, "INVALID"),
            ("tea", i32::MIN, "INVALID"), ("gift", 1, "STOCK_NOT_KEPT"), ("none", 1, "NOT_FOUND"), ("nul\u{0}", 1, "NOT_FOUND"),
        ] {
            shop.refused(&server, "productStockAdjust", json!({ "sku": sku, "delta": delta }), code).await;
        }
        let all = json!({ "sku": "tea", "delta": i32::MAX - 5, "idempotencyKey": "k" });
        let done = shop.done(&server, "productStockAdjust", all.clone()).await;
        assert_eq!(done["product"]["stock"], i32::MAX);
        let again = shop.unchanged_by(async || shop.done(&server, "productStockAdjust", all).await).await;
        assert_eq!((&again["product"]["stock"], &again["replayed"]), (&json!(i32::MAX), &json!(true)));
    }

    async fn what_staff_change_is_in_the_audit_log(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        product(shop, &owner, json!({ "sku": "tea", "name": "Tea", "stock": 5 })).await;
        product(shop, &owner, json!({ "sku": "tea", "name": "Green tea" })).await;
        shop.done(&owner, "productStockAdjust", json!({ "sku": "tea", "delta": -2 })).await;
        shop.run_jobs().await;
        let query = "{ auditEntries { nodes { act detail } } }";
        let answer = shop.graphql(&owner, query, json!({})).await;
        let told: Vec<(&str, &Json)> = answer.at("/auditEntries/nodes").as_array().unwrap().iter()
            .map(|entry| (entry["act"].as_str().unwrap(), &entry["detail"]))
            .filter(|(act, _)| act.starts_with("product"))
            .collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.contains(&("product.stock_adjust", &json!({ "before": { "stock": 5 }, "after": { "stock": 3 } }))), "{told:?}");
        assert!(told.contains(&("product.upsert", &json!({ "before": { "name": "Tea" }, "after": { "name": "Green tea" } }))), "{told:?}");
    }
}
