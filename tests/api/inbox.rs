//! The inbox in the member's app, and what was sent to whom.

use chrono::TimeDelta;
use entity::consent::{ConsentState, Purpose};
use entity::id::GuestId;
use entity::message::{Channel, MessageState, Reason};
use entity::staff::Role;
use entity::{inbox_message, message};
use futures_util::future::join_all;
use regulars::graphql::global_id::NodeType;
use regulars::jobs::{self, Job};
use regulars::messages::facts::Facts;
use regulars::tx::Tx;
use regulars::worker;
use sea_orm::EntityTrait;
use serde_json::{Value as Json, json};

use crate::support::{Caller, Fresh, TestApp, both_engines, local};

const INBOX: &str =
    "{ me { inboxUnread inbox { totalCount nodes { id title body link purpose sentAt readAt } } } }";

async fn inbox(shop: &TestApp, who: &Caller) -> Json {
    shop.graphql(who, INBOX, json!({})).await.at("/me").clone()
}

fn expiring(who: &Caller, points: i64) -> Fresh {
    let facts = Facts { points: Some(points), ..Facts::default() };
    let told = Fresh::to(who, "points_expiring", Some(Purpose::Programme));
    Fresh { channel: Channel::Inbox, facts, ..told }
}

both_engines! {
    async fn a_message_is_in_the_inbox_of_its_reader_once(shop: &TestApp) {
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let id = shop.queue(expiring(&joan, 1_250)).await;
        // A second job of the same message, on another instance at the same time.
        shop.change(async |tx: &Tx| {
            let payload = json!({ "message": id });
            jobs::enqueue(tx, Job { kind: "message", payload, due: None, dedup_key: None, max_attempts: 3 }).await
        })
        .await;
        let other = shop.another_instance().await;
        for ran in join_all([worker::run_due(&shop.app), worker::run_due(&other)]).await {
            ran.unwrap();
        }
        shop.run_jobs().await;
        other.db.clone().close().await.unwrap();
        let seen = inbox(shop, &joan).await;
        let message = json!({
            "id": seen["inbox"]["nodes"][0]["id"], "title": "Your points end soon", "link": null,
            "body": "1,250 of your points end soon.", "purpose": "PROGRAMME",
            "sentAt": "2026-01-15T12:00:00+00:00", "readAt": null,
        });
        assert_eq!(seen, json!({ "inboxUnread": 1, "inbox": { "totalCount": 1, "nodes": [message] } }));
        let row = shop.message(id).await;
        assert_eq!((row.state, row.attempts, row.template_version), (MessageState::Sent, 1, Some(0)));
        assert_eq!(inbox_message::Entity::find().all(&shop.app.db.read).await.unwrap().len(), 1);
        assert_eq!(inbox(shop, &eve).await, json!({ "inboxUnread": 0, "inbox": { "totalCount": 0, "nodes": [] } }));
    }

    async fn messages_are_marked_as_read_by_their_reader_once(shop: &TestApp) {
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        for points in 1..=3 {
            shop.queue(expiring(&joan, points)).await;
        }
        shop.run_jobs().await;
        let first = inbox(shop, &joan).await["inbox"]["nodes"][0]["id"].clone();
        let mark = json!({ "ids": [first, first], "idempotencyKey": "once" });
        let marked = shop.done(&joan, "inboxMarkRead", mark.clone()).await;
        assert_eq!((&marked["marked"], &marked["unread"]), (&json!(1), &json!(2)));
        let again = shop.unchanged_by(async || shop.done(&joan, "inboxMarkRead", mark).await).await;
        assert_eq!(again["replayed"], true);
        shop.refused(&eve, "inboxMarkRead", json!({ "ids": [first] }), "NOT_FOUND").await;
        for invalid in [json!({}), json!({ "ids": [] }), json!({ "ids": [first], "all": true })] {
            shop.refused(&joan, "inboxMarkRead", invalid, "INVALID").await;
        }
        let all = shop.done(&joan, "inboxMarkRead", json!({ "all": true })).await;
        assert_eq!((&all["marked"], &all["unread"]), (&json!(2), &json!(0)));
        assert!(inbox(shop, &joan).await["inbox"]["nodes"].as_array().unwrap().iter().all(|one| one["readAt"].is_string()));
    }

    async fn a_guest_has_no_inbox(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let order = shop.record(&server, json!({ "email": "guest@example.org" })).await;
        let guest = local::<GuestId>(order["guestId"].as_str().unwrap(), NodeType::Guest);
        let id = shop.queue(Fresh { person: guest.into(), ..expiring(&joan, 1) }).await;
        shop.run_jobs().await;
        let row = shop.message(id).await;
        assert_eq!((row.state, row.reason), (MessageState::Dropped, Some(Reason::NoAddress)));
    }

    async fn messages_follow_whoever_their_reader_turned_out_to_be(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let (came, to_come) = (shop.queue(expiring(&joan, 1)).await, {
            shop.run_jobs().await;
            shop.queue(expiring(&joan, 2)).await
        });
        let merge = json!({ "fromId": joan.customer_id(), "intoId": eve.customer_id(), "reason": "one person" });
        shop.done(&owner, "customerMerge", merge).await;
        shop.run_jobs().await;
        assert_eq!(inbox(shop, &eve).await["inboxUnread"], 2);
        for id in [came, to_come] {
            assert_eq!(shop.message(id).await.person_id, Fresh::to(&eve, "", None).person);
        }
    }

    async fn the_shop_sees_what_was_sent_and_what_not_and_why(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        shop.said(&joan, Purpose::Programme, Channel::Email, ConsentState::Withdrawn).await;
        shop.queue(Fresh { channel: Channel::Email, ..expiring(&joan, 1) }).await;
        shop.run_jobs().await;
        shop.clock.advance(TimeDelta::seconds(1));
        shop.queue(expiring(&joan, 1)).await;
        shop.run_jobs().await;
        let query = "query ($id: ID!) { customer(id: $id) { messages { totalCount nodes {
            template templateVersion purpose channel state reason attempts queuedAt endedAt bouncedAt } } } }";
        let answer = shop.graphql(&server, query, json!({ "id": joan.customer_id() })).await;
        let row = |channel, state, reason: Json, version: Json, attempts, at| json!({
            "template": "points_expiring", "templateVersion": version, "purpose": "PROGRAMME", "channel": channel,
            "state": state, "reason": reason, "attempts": attempts, "queuedAt": at, "endedAt": at, "bouncedAt": null,
        });
        let expected = json!({ "totalCount": 2, "nodes": [
            row("INBOX", "SENT", Json::Null, json!(0), 1, "2026-01-15T12:00:01+00:00"),
            row("EMAIL", "DROPPED", json!("WITHDRAWN"), Json::Null, 0, "2026-01-15T12:00:00+00:00"),
        ] });
        assert_eq!(answer.at("/customer/messages"), &expected);
        let inbox = "query ($id: ID!) { customer(id: $id) { inboxUnread } }";
        shop.graphql(&server, inbox, json!({ "id": joan.customer_id() })).await.assert_error("FORBIDDEN");
        assert_eq!(message::Entity::find().all(&shop.app.db.read).await.unwrap().len(), 2);
    }
}
