//! Staff and the shop look for customers: by how words begin, by orders, by what they are; page by page; and what staff
//! looked for is written down.

use chrono::TimeDelta;
use entity::staff::Role;
use entity::{customer, customer_word};
use regulars::worker;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

const SEARCH: &str =
    "query ($first: Int, $after: String, $last: Int, $before: String, $filter: CustomersFilter) {
    customers(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
        nodes { externalId } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

async fn names(shop: &TestApp, caller: &Caller, filter: Json) -> Vec<String> {
    let answer = shop.graphql(caller, SEARCH, json!({ "filter": filter })).await;
    ids(answer.at("/customers/nodes"))
}

fn ids(nodes: &Json) -> Vec<String> {
    nodes
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["externalId"].as_str().unwrap_or("-").to_owned())
        .collect()
}

/// Customers, a minute apart: their ids in the shop, names and addresses.
async fn people(shop: &TestApp, server: &Caller) {
    for (id, name, email) in [
        ("anna", "Anna de Wit", "anna.wit@example.com"),
        ("annabel", "Annabel Lee", "poe@example.org"),
        ("luc", "Jean-Luc O\u{2019}Neil", "jl@example.com"),
        ("elodie", "E\u{301}LODIE Müller", "m@example.net"),
        ("nameless", "", "zoe@zoo.example"),
    ] {
        let name = if name.is_empty() { Json::Null } else { json!(name) };
        shop.done(server, "customerRecord", json!({ "externalId": id, "name": name, "email": email })).await;
        shop.clock.advance(TimeDelta::minutes(1));
    }
}

both_engines! {
    async fn every_word_is_the_beginning_of_one_of_theirs(shop: &TestApp) {
        let server = shop.as_server().await;
        people(shop, &server).await;
        for (query, found) in [
            ("ann", vec!["annabel", "anna"]),
            (" ANNA ", vec!["annabel", "anna"]),
            ("annabel", vec!["annabel"]),
            ("wit anna", vec!["anna"]),
            ("anna lee", vec!["annabel"]),
            ("anna anna.wit@example.com", vec!["anna"]),
            ("nna", vec![]),
            ("luc neil", vec!["luc"]),
            ("jean-l", vec!["luc"]),
            ("élo mül", vec!["elodie"]),
            ("example.com", vec!["luc", "anna"]),
            ("zoe@zoo", vec!["nameless"]),
            ("%", vec![]),
            ("a_na", vec![]),
            ("anna x", vec![]),
        ] {
            assert_eq!(names(shop, &server, json!({ "query": query })).await, found, "{query:?}");
        }
    }

    async fn who_changes_name_is_found_by_the_new_one_only(shop: &TestApp) {
        let server = shop.as_server().await;
        people(shop, &server).await;
        let change = json!({ "externalId": "anna", "name": "Wilma Bos", "email": "wilma@example.com" });
        shop.done(&server, "customerRecord", change).await;
        assert_eq!(names(shop, &server, json!({ "query": "anna" })).await, ["annabel"]);
        assert_eq!(names(shop, &server, json!({ "query": "wilma bos" })).await, ["anna"]);
    }

    async fn whoever_registers_or_orders_is_found_by_the_address(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer_at("joan.darc@example.org").await;
        shop.record(&server, json!({ "externalCustomerId": "by-order", "email": "order@example.org" })).await;
        assert_eq!(names(shop, &server, json!({ "query": "joan.darc" })).await, ["-"]);
        assert_eq!(names(shop, &server, json!({ "query": "joan" })).await, ["-"], "the name she registered with");
        assert_eq!(names(shop, &server, json!({ "query": "order@example" })).await, ["by-order"]);
        shop.done(&joan, "customerUpdate", json!({ "name": null })).await;
        assert_eq!(names(shop, &server, json!({ "query": "joan.darc@example.org" })).await, ["-"]);
    }

    async fn an_order_leads_to_its_buyer(shop: &TestApp) {
        let server = shop.as_server().await;
        people(shop, &server).await;
        shop.record(&server, json!({ "externalId": "ZW-7", "externalCustomerId": "anna" })).await;
        shop.record(&server, json!({ "externalId": "ZW-8", "email": "guest@example.org" })).await;
        for filter in [json!({ "query": "ZW-7" }), json!({ "orderExternalId": "ZW-7" })] {
            assert_eq!(names(shop, &server, filter).await, ["anna"]);
        }
        for filter in [json!({ "query": "ZW-8" }), json!({ "orderExternalId": "zw-7" }), json!({ "query": "ZW-" })] {
            assert_eq!(names(shop, &server, filter).await, Vec::<String>::new());
        }
    }

    async fn filters_are_met_all_at_once(shop: &TestApp) {
        let server = shop.as_server().await;
        people(shop, &server).await;
        let owner = shop.as_staff(Role::Owner).await;
        let more = json!({ "externalId": "luc", "locale": "fr", "acquisitionReason": "OFFER" });
        let luc = shop.done(&server, "customerRecord", more).await["customer"]["id"].clone();
        let placed = json!({ "externalCustomerId": "luc", "placedAt": "2026-01-10T00:00:00Z" });
        shop.record(&server, placed).await;
        shop.done(&owner, "customerDisable", json!({ "customerId": luc, "reason": "a test" })).await;
        shop.as_customer_at("joan@example.org").await;
        for (filter, found) in [
            (json!({ "disabled": true }), vec!["luc"]),
            (json!({ "registered": true }), vec!["-"]),
            (json!({ "registered": false, "disabled": false, "query": "example.com" }), vec!["anna"]),
            (json!({ "enrolled": false }), vec![]),
            (json!({ "merged": true }), vec![]),
            (json!({ "locale": "fr" }), vec!["luc"]),
            (json!({ "locale": "fr-FR" }), vec![]),
            (json!({ "acquisitionReason": "OFFER" }), vec!["luc"]),
            (json!({ "acquisitionReason": "OTHER" }), vec![]),
            (json!({ "externalId": "elodie" }), vec!["elodie"]),
            (json!({ "orderedFrom": "2026-01-10T00:00:00Z", "orderedTo": "2026-01-10T00:00:01Z" }), vec!["luc"]),
            (json!({ "orderedTo": "2026-01-10T00:00:00Z" }), vec![]),
            (json!({ "createdFrom": "2026-01-15T12:01:00Z", "createdTo": "2026-01-15T12:02:00Z" }), vec!["annabel"]),
            (json!({ "createdTo": "2026-01-15T12:01:00Z", "registered": false }), vec!["anna"]),
        ] {
            assert_eq!(names(shop, &server, filter.clone()).await, found, "{filter}");
        }
    }

    async fn pages_meet_each_customer_once_in_either_direction(shop: &TestApp) {
        let server = shop.as_server().await;
        for number in 0..7 {
            // Some at the same instant.
            shop.done(&server, "customerRecord", json!({ "externalId": number.to_string(), "name": "Same" })).await;
            shop.clock.advance(TimeDelta::minutes(number % 2));
        }
        let mut seen = Vec::new();
        let mut after = Json::Null;
        loop {
            let asked = json!({ "first": 3, "after": after, "filter": { "query": "same" } });
            let answer = shop.graphql(&server, SEARCH, asked).await;
            seen.extend(ids(answer.at("/customers/nodes")));
            if answer.at("/customers/pageInfo/hasNextPage") == &json!(false) {
                break;
            }
            after = answer.at("/customers/pageInfo/endCursor").clone();
        }
        assert_eq!(seen, ["6", "5", "4", "3", "2", "1", "0"]);
        let asked = json!({ "last": 2, "before": after, "filter": { "query": "same" } });
        let answer = shop.graphql(&server, SEARCH, asked).await;
        assert_eq!(ids(answer.at("/customers/nodes")), ["3", "2"]);
        let total = "{ customers(first: 1, filter: { query: \"sa\" }) { totalCount nodes { id } } }";
        let answer = shop.graphql(&server, total, json!({})).await;
        assert_eq!(answer.at("/customers/totalCount"), 7);
    }

    async fn what_staff_look_for_is_written_down_with_whom_they_were_shown(shop: &TestApp) {
        let server = shop.as_server().await;
        people(shop, &server).await;
        let owner = shop.as_staff(Role::Owner).await;
        shop.graphql(&owner, SEARCH, json!({ "first": 1, "filter": { "query": "ann" } })).await.data();
        shop.unchanged_by(async || names(shop, &server, json!({ "query": "ann" })).await).await;
        let query = "{ auditEntries { nodes { act customerId detail } } }";
        let answer = shop.graphql(&owner, query, json!({})).await;
        let entries = answer.at("/auditEntries/nodes").as_array().unwrap();
        let acts: Vec<_> = entries.iter().map(|entry| entry["act"].as_str().unwrap()).collect();
        // What came before is how the shop of the test was made.
        assert_eq!(acts[..2], ["customer.read", "customers.search"], "one was shown, though there is a second");
        assert_eq!(acts.iter().filter(|act| **act == "customer.read").count(), 1);
        // Not what was looked for: that may be somebody's name, which no erasure would reach here.
        let search = (&entries[1]["customerId"], &entries[1]["detail"]);
        assert_eq!(search, (&Json::Null, &json!({ "query": true })));
    }

    async fn what_cannot_be_looked_for_is_bad_input(shop: &TestApp) {
        let server = shop.as_server().await;
        for filter in [
            json!({ "query": " " }), json!({ "query": "x".repeat(201) }), json!({ "query": "a\u{0}" }),
            json!({ "externalId": "" }), json!({ "orderExternalId": "a\nb" }), json!({ "locale": "\u{1}" }),
        ] {
            let answer = shop.graphql(&server, SEARCH, json!({ "filter": filter })).await;
            assert_eq!(answer.error_codes(), ["BAD_USER_INPUT"], "{filter}");
        }
    }

    async fn customers_from_before_there_were_words_get_theirs(shop: &TestApp) {
        let server = shop.as_server().await;
        people(shop, &server).await;
        customer_word::Entity::delete_many().exec(&shop.app.db.write).await.unwrap();
        assert_eq!(names(shop, &server, json!({ "query": "anna" })).await, Vec::<String>::new());
        worker::arm_recurring(&shop.app).await.unwrap();
        shop.run_jobs().await;
        assert_eq!(names(shop, &server, json!({ "query": "anna" })).await, ["annabel", "anna"]);
        let nobody = customer::Entity::find().filter(customer::Column::EmailKey.is_not_null());
        assert!(nobody.one(&shop.app.db.read).await.unwrap().is_none(), "these are known by the shop's id only");
    }
}
