//! Mail that came back or was called spam, and the list of addresses that nothing is sent to.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use entity::consent::{ConsentSource, Purpose};
use entity::message::Channel;
use entity::staff::Role;
use entity::suppression::SuppressionReason;
use entity::{consent, customer, message, suppression};
use regulars::app::App;
use reqwest::Method;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value as Json, json};

use crate::support::{Answer, Caller, Serving, TestApp, both_engines};
use crate::unsubscribe::sent;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server that takes what whoever sends the shop's mail tells.
struct Told {
    app: App,
    serving: Serving,
}

impl Told {
    async fn begin(shop: &TestApp) -> Self {
        let app = shop.another_instance_with(&["--mail-webhook-secret", SECRET]).await;
        Self { serving: Serving::begin(app.clone()), app }
    }

    async fn end(self) {
        self.serving.end().await;
        self.app.db.clone().close().await.unwrap();
    }

    /// Tells something signed with `secret` at `seconds` from now.
    async fn signed(&self, kind: &str, body: &str, secret: &str, seconds: i64) -> Answer {
        let at = (self.app.clock.now().timestamp() + seconds).to_string();
        let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
        let tag =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), format!("msg_1.{at}.{body}").as_bytes());
        let request = self
            .serving
            .request(Method::POST, "/webhooks/mail")
            .header("content-type", kind)
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", at)
            .header("webhook-signature", format!("v1,AAAA v1,{}", STANDARD.encode(tag)));
        Answer::of(request.body(body.to_owned()).send().await.unwrap()).await
    }

    async fn tell(&self, kind: &str, body: &str) -> Answer {
        self.signed(kind, body, SECRET, 0).await
    }

    /// Tells events; answers what became of them: bounces, complaints, delayed, known and unknown.
    async fn events(&self, events: Json) -> [i64; 5] {
        counts(&self.tell("application/json", &json!({ "events": events }).to_string()).await)
    }
}

fn counts(answer: &Answer) -> [i64; 5] {
    assert_eq!(answer.status, 200, "{:#}", answer.body);
    ["bounces", "complaints", "delayed", "known", "unknown"].map(|name| answer.body[name].as_i64().unwrap())
}

/// What a mail server says when `to` is no mailbox of it; `id` is the `Message-ID` of the mail.
fn report(to: &str, id: &str, status: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
         Final-Recipient: rfc822; {to}\r\nAction: failed\r\nStatus: {status}\r\n\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {id}\r\nSubject: News\r\n\r\nNews\r\n--b--\r\n"
    )
}

async fn list(shop: &TestApp) -> Vec<(SuppressionReason, Option<String>)> {
    let rows = suppression::Entity::find().order_by_asc(suppression::Column::Id);
    let rows = rows.all(&shop.app.db.read).await.unwrap();
    rows.into_iter().map(|row| (row.reason, row.detail)).collect()
}

/// The reasons that staff see for an address.
async fn seen(shop: &TestApp, staff: &Caller, email: &str) -> Vec<Json> {
    let query =
        "query ($email: EmailAddress) { suppressions(email: $email) { totalCount nodes { reason detail } } }";
    let answer = shop.graphql(staff, query, json!({ "email": email })).await;
    answer.at("/suppressions/nodes").as_array().unwrap().clone()
}

both_engines! {
    async fn a_mail_that_came_back_for_good_ends_mail_to_its_address(shop: &TestApp) {
        let told = Told::begin(shop).await;
        let manager = shop.as_staff(Role::Manager).await;
        let joan = shop.as_customer().await;
        let id = sent(shop, &joan, Some(Purpose::Care), Channel::Email).await;
        let bounce = json!([{ "type": "bounce", "permanent": true, "messageId": format!("<{}@localhost>", id.0), "status": "5.1.1", "email": joan.email }]);
        assert_eq!(told.events(bounce.clone()).await, [1, 0, 0, 0, 0]);
        assert_eq!(list(shop).await, [(SuppressionReason::Bounced, Some("5.1.1".to_owned()))]);
        let row = message::Entity::find_by_id(id).one(&shop.app.db.read).await.unwrap().unwrap();
        assert_eq!((row.bounced_at, row.complained_at), (Some(shop.clock.now()), None));
        assert_eq!(seen(shop, &manager, &joan.email.to_uppercase()).await, [json!({ "reason": "BOUNCED", "detail": "5.1.1" })]);
        assert_eq!(seen(shop, &manager, "other@example.org").await, Vec::<Json>::new());
        // Told again, and again once it was taken off the list.
        assert_eq!(shop.unchanged_by(async || told.events(bounce.clone()).await).await, [0, 0, 0, 1, 0]);
        // Nothing tells the address.
        let row = suppression::Entity::find().one(&shop.app.db.read).await.unwrap().unwrap();
        assert!(!format!("{row:?}").contains(&joan.email));
        told.end().await;
    }

    async fn a_complaint_says_no_to_what_the_message_was_for(shop: &TestApp) {
        let told = Told::begin(shop).await;
        let joan = shop.as_customer().await;
        let id = sent(shop, &joan, Some(Purpose::Offers), Channel::Email).await;
        let complaint = json!([{ "type": "complaint", "messageId": format!("{}@localhost", id.0) }]);
        assert_eq!(told.events(complaint.clone()).await, [0, 1, 0, 0, 0]);
        assert_eq!(list(shop).await, [(SuppressionReason::Complained, None)]);
        let said = consent::Entity::find().all(&shop.app.db.read).await.unwrap();
        assert_eq!(said.len(), 1);
        assert_eq!((said[0].purpose, said[0].source), (Purpose::Offers, ConsentSource::Complaint));
        assert_eq!(shop.unchanged_by(async || told.events(complaint).await).await, [0, 0, 0, 1, 0]);
        // A bounce is another reason.
        let bounce = json!([{ "type": "bounce", "permanent": true, "email": joan.email, "status": "5.1.1 gone" }]);
        assert_eq!(told.events(bounce).await, [1, 0, 0, 0, 0]);
        let both = [(SuppressionReason::Complained, None), (SuppressionReason::Bounced, Some("5.1.1".to_owned()))];
        assert_eq!(list(shop).await, both);
        let again = json!([{ "type": "complaint", "email": joan.email }]);
        assert_eq!(told.events(again).await, [0, 0, 0, 1, 0]);
        // The mailbox is there after all: what its reader said stays.
        let manager = shop.as_staff(Role::Manager).await;
        let query = "query ($email: EmailAddress) { suppressions(email: $email) { nodes { id reason } } }";
        let answer = shop.graphql(&manager, query, json!({ "email": joan.email })).await;
        let nodes = answer.at("/suppressions/nodes").as_array().unwrap().clone();
        let bounced = nodes.iter().find(|node| node["reason"] == "BOUNCED").unwrap();
        shop.done(&manager, "suppressionRemove", json!({ "id": bounced["id"], "reason": "it is back" })).await;
        assert_eq!(list(shop).await, [(SuppressionReason::Complained, None)]);
        told.end().await;
    }

    async fn reports_of_mail_servers_are_read(shop: &TestApp) {
        let told = Told::begin(shop).await;
        let (joan, piet) = (shop.as_customer().await, shop.as_customer().await);
        let id = sent(shop, &joan, Some(Purpose::Care), Channel::Email).await;
        let id = format!("<{}@localhost>", id.0);
        let tell = async |text: &str| counts(&told.tell("message/rfc822", text).await);
        // What may arrive another time, and what nobody here was sent, or was sent by others.
        let nothing = [
            (report(&joan.email, &id, "4.2.2"), [0, 0, 1, 0, 0]),
            (report(&joan.email, &id, "5.7.1"), [0, 0, 1, 0, 0]),
            (report(&joan.email, &id, "5.2.2"), [0, 0, 1, 0, 0]),
            (report(&joan.email, &id, "5.1.8"), [0, 0, 1, 0, 0]),
            // Anybody can write a report that names an address.
            (report(&joan.email, "<7@mx.example>", "5.1.1"), [0, 0, 0, 0, 1]),
            (report("nobody@example.org", "<7@evil.example>", "5.1.1"), [0, 0, 0, 0, 1]),
            (report("nobody@example.org", "<00000000-0000-0000-0000-000000000007@localhost>", "5.1.1"), [0, 0, 0, 0, 1]),
        ];
        for (text, expected) in nothing {
            assert_eq!(shop.unchanged_by(async || tell(&text).await).await, expected, "{text}");
        }
        // By the message, wherever it was forwarded to.
        assert_eq!(tell(&report("elsewhere@example.org", &id, "5.1.1")).await, [1, 0, 0, 0, 0]);
        let manager = shop.as_staff(Role::Manager).await;
        assert_eq!(seen(shop, &manager, &joan.email).await.len(), 1);
        assert_eq!(seen(shop, &manager, "elsewhere@example.org").await.len(), 0);
        // Where the message went, though its reader has another mailbox by now.
        let id = sent(shop, &piet, Some(Purpose::Care), Channel::Email).await;
        let moved = customer::Entity::update_many()
            .col_expr(customer::Column::Email, Expr::val("moved@example.org"))
            .col_expr(customer::Column::EmailKey, Expr::val("moved@example.org"))
            .filter(customer::Column::EmailKey.eq(&piet.email));
        assert_eq!(moved.exec(&shop.app.db.write).await.unwrap().rows_affected, 1);
        let id = format!("<{}@localhost>", id.0);
        assert_eq!(tell(&report(&piet.email, &id, "5.1.10")).await, [1, 0, 0, 0, 0]);
        assert_eq!(seen(shop, &manager, &piet.email).await, [json!({ "reason": "BOUNCED", "detail": "5.1.10" })]);
        assert_eq!(seen(shop, &manager, "moved@example.org").await.len(), 0);
        told.end().await;
    }

    async fn what_is_not_signed_or_not_to_be_read_is_turned_away(shop: &TestApp) {
        let told = Told::begin(shop).await;
        let joan = shop.as_customer().await;
        let event = json!({ "type": "bounce", "permanent": true, "email": joan.email });
        let body = json!({ "events": [event] }).to_string();
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let many = json!({ "events": vec![event.clone(); 1_001] }).to_string();
        let parts = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".repeat(10_000));
        let long = "x".repeat((1 << 20) + 1);
        let tried = shop.unchanged_by(async || {
            let json = "application/json";
            [
                told.signed(json, &body, other, 0).await.status,
                told.signed(json, &body, SECRET, -301).await.status,
                told.signed(json, &body, SECRET, 301).await.status,
                told.tell(json, "{}").await.status,
                told.tell(json, &nested).await.status,
                told.tell(json, &many).await.status,
                told.tell(json, &long).await.status,
                told.tell("text/plain", &body).await.status,
                told.tell("message/rfc822", "Subject: Hello\r\n\r\nHello").await.status,
                told.tell("message/rfc822", &parts).await.status,
                Answer::of(told.serving.request(Method::GET, "/webhooks/mail").send().await.unwrap()).await.status,
                // Without a secret there is nobody to tell.
                Answer::of(shop.serving.request(Method::POST, "/webhooks/mail").send().await.unwrap()).await.status,
            ]
        })
        .await;
        assert_eq!(tried, [401, 401, 401, 400, 400, 400, 413, 415, 400, 400, 405, 404]);
        let others = json!([{ "type": "delivered", "email": joan.email }, { "type": "bounce", "email": joan.email }, { "type": "bounce", "permanent": true, "email": "no address" }]);
        assert_eq!(shop.unchanged_by(async || told.events(others).await).await, [0, 0, 1, 0, 1]);
        told.end().await;
    }

    async fn a_code_that_came_back_ends_mail_to_an_address_that_nobody_is_known_by(shop: &TestApp) {
        let told = Told::begin(shop).await;
        shop.register("typo@example.org", None).await;
        shop.run_jobs().await;
        let id = shop.mail.to("typo@example.org")[0].id();
        // Whoever asked for the code may know its id, and anybody can write a report.
        let text = report("typo@example.org", &format!("<{id}>"), "5.1.1");
        let nobody = shop.unchanged_by(async || counts(&told.tell("message/rfc822", &text).await)).await;
        assert_eq!(nobody, [0, 0, 0, 0, 1]);
        let bounce = json!([{ "type": "bounce", "permanent": true, "messageId": format!("<{id}>"), "status": "5.1.1" }]);
        assert_eq!(told.events(bounce).await, [1, 0, 0, 0, 0]);
        let manager = shop.as_staff(Role::Manager).await;
        assert_eq!(seen(shop, &manager, "typo@example.org").await.len(), 1);
        told.end().await;
    }

    async fn staff_put_addresses_on_the_list_and_take_them_off(shop: &TestApp) {
        let manager = shop.as_staff(Role::Manager).await;
        let mutation = "mutation { consentRequest(input: { email: \"gone@example.org\", purposes: [NEWSLETTER] }) { status } }";
        let create = json!({ "email": "Gone@example.org", "reason": "asked by letter", "idempotencyKey": "one" });
        let made = shop.done(&manager, "suppressionCreate", create.clone()).await["suppression"].clone();
        assert_eq!((&made["reason"], &made["channel"]), (&json!("STAFF"), &json!("EMAIL")));
        let replay = shop.unchanged_by(async || shop.done(&manager, "suppressionCreate", create).await).await;
        assert_eq!((&replay["suppression"], &replay["replayed"]), (&made, &json!(true)));
        let again = json!({ "email": "gone@example.org", "reason": "once more" });
        assert_eq!(shop.done(&manager, "suppressionCreate", again).await["suppression"], made);
        assert_eq!(list(shop).await.len(), 1);
        // Whoever asks for mail there is answered like everybody, and nothing is mailed.
        let answer = shop.graphql(&Caller::anonymous(), mutation, json!({})).await;
        assert_eq!(answer.text("/consentRequest/status"), "CHECK_MAILBOX");
        shop.run_jobs().await;
        assert_eq!(shop.mail.count(), 0);
        let remove = json!({ "id": made["id"], "reason": "asked by telephone" });
        assert_eq!(shop.done(&manager, "suppressionRemove", remove.clone()).await["removedId"], made["id"]);
        assert_eq!(list(shop).await, []);
        shop.refused(&manager, "suppressionRemove", remove, "NOT_FOUND").await;
        shop.clock.advance(TimeDelta::minutes(11));
        shop.graphql(&Caller::anonymous(), mutation, json!({})).await.data();
        shop.run_jobs().await;
        assert_eq!(shop.mail.count(), 1);
        let owner = shop.as_staff(Role::Owner).await;
        let acts = shop.graphql(&owner, "{ auditEntries(first: 20) { nodes { act actorKind detail } } }", json!({})).await;
        let acts: Vec<&Json> = acts.at("/auditEntries/nodes").as_array().unwrap().iter()
            .filter(|entry| entry["act"].as_str().unwrap().starts_with("suppression.")).collect();
        let told: Vec<_> = acts.iter().map(|entry| (&entry["act"], &entry["detail"]["reason"])).collect();
        let expected = [(&json!("suppression.remove"), &json!("asked by telephone")), (&json!("suppression.create"), &json!("asked by letter"))];
        assert_eq!(told, expected);
        assert!(!format!("{acts:?}").to_lowercase().contains("gone@"));
    }

    async fn only_who_may_sees_the_list(shop: &TestApp) {
        for role in [Role::Support, Role::Analyst] {
            let staff = shop.as_staff(role).await;
            shop.graphql(&staff, "{ suppressions { totalCount } }", json!({})).await.assert_error("FORBIDDEN");
            let input = json!({ "email": "gone@example.org", "reason": "no reason" });
            shop.unchanged_by(async || shop.mutate(&staff, "suppressionCreate", input).await).await.assert_error("FORBIDDEN");
        }
    }
}
