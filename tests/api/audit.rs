//! The audit log: who read and did what, kept with the change, sealed in order, and no longer to be changed unseen.

use entity::audit_entry::{Column, Entity, Model};
use entity::customer_key;
use entity::staff::Role;
use futures_util::future::join_all;
use regulars::audit::verify::{Broken, Head, verify};
use regulars::worker;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

const ENTRIES: &str =
    "query ($filter: AuditFilter) { auditEntries(first: 100, filter: $filter) { totalCount nodes {
    actorKind actorId act subjectKind subjectId customerId requestId detail position } } }";

async fn entries(shop: &TestApp, owner: &Caller, filter: Json) -> Vec<Json> {
    let answer = shop.graphql(owner, ENTRIES, json!({ "filter": filter })).await;
    answer.at("/auditEntries/nodes").as_array().unwrap().clone()
}

async fn rows(shop: &TestApp) -> Vec<Model> {
    Entity::find().order_by_asc(Column::Position).all(&shop.app.db.read).await.unwrap()
}

/// Changes rows behind the application's back.
async fn by_hand(shop: &TestApp, position: i64, column: Column, value: &str) {
    let update =
        Entity::update_many().col_expr(column, Expr::val(value)).filter(Column::Position.eq(position));
    assert_eq!(update.exec(&shop.app.db.write).await.unwrap().rows_affected, 1);
}

/// Some entries, sealed: of a member of staff who was added, and of what they read.
async fn sealed(shop: &TestApp) -> Caller {
    worker::arm_recurring(&shop.app).await.unwrap();
    let owner = shop.as_staff(Role::Owner).await;
    for _ in 0..3 {
        let joan = shop.as_customer().await;
        let query = "query ($id: ID!) { customer(id: $id) { name } }";
        shop.graphql(&owner, query, json!({ "id": joan.customer_id() })).await.data();
    }
    shop.clock.advance(chrono::TimeDelta::seconds(10));
    shop.run_jobs().await;
    owner
}

both_engines! {
    async fn what_staff_read_of_a_customer_is_written_down(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let owner = shop.as_staff(Role::Owner).await;
        let query = "query ($id: ID!) { a: customer(id: $id) { name } b: customer(id: $id) { email } node(id: $id) { id } }";
        let answer = shop.graphql(&owner, query, json!({ "id": joan.customer_id() })).await;
        assert_eq!(answer.text("/b/email"), joan.email);
        let written = entries(shop, &owner, json!({ "customerId": joan.customer_id() })).await;
        let [entry] = written.as_slice() else { panic!("{written:#?}") };
        let told = json!({ "act": entry["act"], "actorKind": entry["actorKind"], "subjectKind": entry["subjectKind"],
            "subjectId": entry["subjectId"], "customerId": entry["customerId"], "requestId": entry["requestId"] });
        let expected = json!({ "act": "customer.read", "actorKind": "STAFF", "subjectKind": "Customer",
            "subjectId": joan.customer_id(), "customerId": joan.customer_id(),
            "requestId": answer.header("x-request-id") });
        assert_eq!(told, expected);
        let own = entries(shop, &owner, json!({ "staffId": entry["actorId"] })).await;
        assert_eq!(own, written);
    }

    async fn what_others_read_and_what_is_not_there_is_not_written_down(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let server = shop.as_server().await;
        let owner = shop.as_staff(Role::Owner).await;
        let query = "query ($id: ID!) { customer(id: $id) { name } }";
        shop.unchanged_by(async || {
            shop.graphql(&joan, "{ me { name } }", json!({})).await.data();
            shop.graphql(&server, query, json!({ "id": joan.customer_id() })).await.data();
            shop.graphql(&owner, query, json!({ "id": "x" })).await.data();
        }).await;
    }

    async fn what_is_personal_is_unreadable_without_the_customers_key(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let owner = sealed(shop).await;
        let query = "query ($id: ID!) { customer(id: $id) { name } }";
        shop.graphql(&owner, query, json!({ "id": joan.customer_id() })).await.data();
        let filter = json!({ "customerId": joan.customer_id() });
        assert_eq!(entries(shop, &owner, filter.clone()).await[0]["detail"], json!({}));
        let everything = shop.snapshot().await;
        customer_key::Entity::delete_many().exec(&shop.app.db.write).await.unwrap();
        assert_eq!(entries(shop, &owner, filter).await[0]["detail"], Json::Null);
        assert_eq!(everything.count("audit_entries"), shop.snapshot().await.count("audit_entries"));
        assert_eq!(verify(&shop.app, None).await.unwrap().broken, None);
    }

    async fn entries_are_sealed_once_in_order_by_however_many_workers(shop: &TestApp) {
        sealed(shop).await;
        let others = join_all((0..2).map(|_| shop.another_instance())).await;
        shop.clock.advance(chrono::TimeDelta::seconds(10));
        join_all(others.iter().map(|app| async { worker::run_due(app).await.unwrap() })).await;
        let positions: Vec<Option<i64>> = rows(shop).await.iter().map(|row| row.position).collect();
        assert_eq!(positions, [Some(1), Some(2), Some(3), Some(4)]);
        let report = verify(&shop.app, None).await.unwrap();
        assert_eq!((report.head.position, report.unsealed, report.broken), (4, 0, None));
    }

    async fn a_row_that_was_changed_by_hand_shows(shop: &TestApp) {
        sealed(shop).await;
        by_hand(shop, 2, Column::Act, "customer.praise").await;
        let report = verify(&shop.app, None).await.unwrap();
        assert_eq!((report.head.position, report.broken), (1, Some(Broken::Changed { position: 2 })));
        by_hand(shop, 2, Column::Act, "customer.read").await;
        assert_eq!(verify(&shop.app, None).await.unwrap().broken, None);
        by_hand(shop, 3, Column::RequestId, "another").await;
        assert_eq!(verify(&shop.app, None).await.unwrap().broken, Some(Broken::Changed { position: 3 }));
    }

    async fn a_row_that_was_taken_out_shows(shop: &TestApp) {
        sealed(shop).await;
        let head = verify(&shop.app, None).await.unwrap().head;
        let take_out = async |position: i64| {
            Entity::delete_many().filter(Column::Position.eq(position)).exec(&shop.app.db.write).await.unwrap();
        };
        take_out(4).await;
        // The end of the chain is missed by whoever kept its head.
        assert_eq!(verify(&shop.app, None).await.unwrap().broken, None);
        let expected = verify(&shop.app, Some(head)).await.unwrap();
        assert_eq!(expected.broken, Some(Broken::NotExpected { position: 4 }));
        take_out(1).await;
        assert_eq!(verify(&shop.app, None).await.unwrap().broken, Some(Broken::Missing { position: 1 }));
    }

    async fn an_empty_chain_is_whole(shop: &TestApp) {
        let report = verify(&shop.app, None).await.unwrap();
        assert_eq!((report.head, report.broken), (Head { position: 0, hash: vec![0; 32] }, None));
    }

    async fn a_change_of_settings_is_written_down(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let update = json!({ "expectedVersion": 0, "name": "Tea & Co", "registration": "CLOSED" });
        shop.done(&owner, "shopSettingsUpdate", update).await;
        let written = entries(shop, &owner, json!({ "act": "settings.update" })).await;
        assert_eq!(written[0]["detail"]["after"]["registration"], "CLOSED");
    }
}
