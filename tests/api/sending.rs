//! Messages on their way: sent once, only with the right to be sent, and never lost.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entity::consent::{ConsentState, Purpose};
use entity::id::{CouponId, MessageId, OrderId};
use entity::message::{Channel, MessageState, Reason};
use entity::{coupon, message};
use futures_util::future::join_all;
use regulars::graphql::global_id::NodeType;
use regulars::messages::facts::Facts;
use regulars::worker;
use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::{Caller, Fresh, Mail, TestApp, both_engines, local};

/// Mails to somebody that are messages, not codes.
fn messages(shop: &TestApp, who: &Caller) -> Vec<Mail> {
    let is_message = |mail: &Mail| mail.html().contains("<!doctype html>");
    shop.mail.to(&who.email).into_iter().filter(is_message).collect()
}

async fn became(shop: &TestApp, id: MessageId) -> (MessageState, Option<Reason>) {
    let row = shop.message(id).await;
    (row.state, row.reason)
}

/// As if a worker had begun to send it and ended.
async fn on_its_way(shop: &TestApp, id: MessageId) {
    let rows = "UPDATE messages SET state = 'SENDING', attempts = 1, started_at = queued_at";
    assert_eq!(shop.app.db.write.execute_unprepared(rows).await.unwrap().rows_affected(), 1);
    assert_eq!(became(shop, id).await.0, MessageState::Sending);
}

fn of_order(who: &Caller, order: &Json) -> Fresh {
    let order = Some(local::<OrderId>(order["id"].as_str().unwrap(), NodeType::Order));
    Fresh { facts: Facts { order, ..Facts::default() }, ..Fresh::to(who, "order_confirmation", None) }
}

/// The secret of the hook of these tests.
const KEY: [u8; 32] = [7; 32];

/// A server of the shop that takes one call with each of `statuses` in turn; answers what it was told.
async fn hook(statuses: &'static [u16]) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/messages", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            let mut bytes = [0; 4_096];
            while !is_whole(&text) {
                let count = stream.read(&mut bytes).await.unwrap();
                text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
            let answer = format!(
                "HTTP/1.1 {status} x\r\nlocation: /\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            heard.push(text);
        }
        heard
    });
    (url, heard)
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    header(head, "content-length").parse() == Ok(body.len())
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let value = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in {head}"))
}

/// Checks the signature as Standard Webhooks has it; answers the id and what is told.
fn signed(heard: &str) -> (String, Json) {
    let (headers, body) = heard.split_once("\r\n\r\n").unwrap();
    let (id, at) = (header(headers, "webhook-id"), header(headers, "webhook-timestamp"));
    let tag = STANDARD.decode(header(headers, "webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &KEY);
    hmac::verify(&key, format!("{id}.{at}.{body}").as_bytes(), &tag).unwrap();
    assert_eq!(at, "1768478400");
    (id.to_owned(), serde_json::from_str(body).unwrap())
}

/// Runs what is due on an instance that calls the hook at `url`, `times` times with an hour between.
async fn run_with_hook(shop: &TestApp, url: &str, times: usize) {
    let secret = format!("whsec_{}", STANDARD.encode(KEY));
    let app =
        shop.another_instance_with(&["--message-hook-url", url, "--message-hook-secret", &secret]).await;
    for _ in 0..times {
        worker::run_due(&app).await.unwrap();
        shop.app
            .db
            .write
            .execute_unprepared("UPDATE jobs SET due_ms = 0 WHERE kind = 'message'")
            .await
            .unwrap();
    }
    app.db.clone().close().await.unwrap();
}

async fn texted(shop: &TestApp) -> (Caller, MessageId) {
    let owner = shop.as_staff(entity::staff::Role::Owner).await;
    let content = json!([{ "locale": "en", "title": "Your order", "short": "{{ person.name | default('You') }}: {{ order.number }}" }]);
    let body = json!({ "channels": ["SMS"], "content": content });
    shop.done(&owner, "messageTemplateDraft", json!({ "code": "text", "name": "A text", "body": body }))
        .await;
    shop.done(&owner, "messageTemplatePublish", json!({ "code": "text" })).await;
    let server = shop.as_server().await;
    let joan = shop.as_customer().await;
    shop.done(
        &joan,
        "customerUpdate",
        json!({ "customerId": joan.customer_id(), "phone": "+31 6 12345678" }),
    )
    .await;
    let order = json!({ "customerId": joan.customer_id(), "externalId": "1001" });
    let order = shop.record(&server, order).await;
    shop.run_jobs().await;
    let text = Fresh { template: "text", channel: Channel::Sms, ..of_order(&joan, &order) };
    let id = shop.queue(text).await;
    (joan, id)
}

/// A promotion with a coupon.
async fn offer(shop: &TestApp, to: &Caller) -> Fresh {
    let row = coupon::Model {
        id: CouponId(uuid::Uuid::from_u128(7)),
        code: "COME-BACK".to_owned(),
        name: "Ten off".to_owned(),
        terms: json!({}),
        customer_id: None,
        starts_at: None,
        ends_at: None,
        total_limit: None,
        customer_limit: None,
        used: 0,
        disabled_at: None,
        created_at: shop.clock.now(),
    };
    coupon::Entity::insert(coupon::ActiveModel::from(row)).exec(&shop.app.db.write).await.unwrap();
    let facts = Facts { coupon: Some("COME-BACK".to_owned()), ..Facts::default() };
    Fresh { facts, ..Fresh::to(to, "we_miss_you", Some(Purpose::Offers)) }
}

both_engines! {
    async fn a_transactional_mail_says_what_it_is_about_and_cannot_be_ended(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        for purpose in [Purpose::Offers, Purpose::Care, Purpose::Programme] {
            shop.said(&joan, purpose, Channel::Email, ConsentState::Withdrawn).await;
        }
        let order = json!({ "customerId": joan.customer_id(), "externalId": "1001" });
        let order = shop.record(&server, order).await;
        let id = shop.queue(of_order(&joan, &order)).await;
        shop.run_jobs().await;
        assert_eq!(became(shop, id).await, (MessageState::Sent, None));
        let mails = messages(shop, &joan);
        assert_eq!(mails.len(), 1);
        let mail = &mails[0];
        assert_eq!(mail.subject(), "We have received your order 1001");
        assert_eq!(mail.id(), format!("{}@localhost", id.0));
        assert_eq!(mail.header("Content-Language").as_deref(), Some("en"));
        assert_eq!((mail.header("List-Unsubscribe"), mail.header("List-Unsubscribe-Post")), (None, None));
        for said in ["Thing A-1", "15 January 2026", "Hello Joan,"] {
            assert!(mail.text().contains(said) && mail.html().contains(said), "{said}: {}", mail.text());
        }
        assert!(!mail.html().contains("10.00") && !mail.html().contains("unsubscribe"), "{}", mail.html());
    }

    async fn a_promotion_without_consent_is_not_sent(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let id = shop.queue(offer(shop, &joan).await).await;
        shop.run_jobs().await;
        assert_eq!(became(shop, id).await, (MessageState::Dropped, Some(Reason::NoConsent)));
        assert!(messages(shop, &joan).is_empty());
    }

    async fn a_consent_that_is_withdrawn_after_a_message_was_queued_counts(shop: &TestApp) {
        let joan = shop.as_customer().await;
        shop.said(&joan, Purpose::Offers, Channel::Email, ConsentState::Granted).await;
        let id = shop.queue(offer(shop, &joan).await).await;
        shop.said(&joan, Purpose::Offers, Channel::Email, ConsentState::Withdrawn).await;
        shop.run_jobs().await;
        assert_eq!(became(shop, id).await, (MessageState::Dropped, Some(Reason::Withdrawn)));
        assert!(messages(shop, &joan).is_empty());
    }

    async fn a_promotion_can_be_ended_at_once(shop: &TestApp) {
        let joan = shop.as_customer().await;
        shop.said(&joan, Purpose::Offers, Channel::Email, ConsentState::Granted).await;
        let id = shop.queue(offer(shop, &joan).await).await;
        shop.run_jobs().await;
        assert_eq!(became(shop, id).await, (MessageState::Sent, None));
        let mail = &messages(shop, &joan)[0];
        let link = mail.header("List-Unsubscribe").unwrap();
        assert!(link.starts_with("<http://127.0.0.1:8080/unsubscribe/") && link.ends_with('>'), "{link}");
        assert_eq!(mail.header("List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
        let link = link.trim_matches(['<', '>']);
        assert!(mail.text().contains(link) && mail.text().contains("COME-BACK"), "{}", mail.text());
    }

    async fn of_two_workers_one_sends_a_message(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        shop.run_jobs().await;
        for _ in 0..24 {
            shop.queue(of_order(&joan, &order)).await;
        }
        let others = [shop.another_instance_with(&["--smtp-url", shop.mail.url()]).await,
            shop.another_instance_with(&["--smtp-url", shop.mail.url()]).await];
        while join_all(others.iter().map(worker::run_due)).await.into_iter().map(Result::unwrap).sum::<usize>() > 0 {}
        for other in others {
            other.db.clone().close().await.unwrap();
        }
        let mut ids: Vec<String> = messages(shop, &joan).iter().map(Mail::id).collect();
        assert_eq!(ids.len(), 24);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 24);
        let rows = message::Entity::find().all(&shop.app.db.read).await.unwrap();
        assert!(rows.iter().all(|row| row.state == MessageState::Sent && row.attempts == 1));
    }

    async fn what_was_on_its_way_is_sent_again_if_it_is_transactional(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        let id = shop.queue(of_order(&joan, &order)).await;
        on_its_way(shop, id).await;
        shop.run_jobs().await;
        let row = shop.message(id).await;
        assert_eq!((row.state, row.attempts), (MessageState::Sent, 2));
        assert_eq!(messages(shop, &joan)[0].id(), format!("{}@localhost", id.0));
    }

    async fn what_was_on_its_way_is_never_sent_again_if_it_is_not_transactional(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let id = shop.queue(Fresh::to(&joan, "points_expiring", Some(Purpose::Programme))).await;
        on_its_way(shop, id).await;
        shop.run_jobs().await;
        let row = shop.message(id).await;
        assert_eq!((row.state, row.reason, row.attempts), (MessageState::Unknown, Some(Reason::UnknownOutcome), 1));
        assert!(messages(shop, &joan).is_empty());
    }

    async fn a_message_about_what_is_gone_or_of_no_template_is_dropped(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let gone = Facts { order: Some(OrderId(uuid::Uuid::from_u128(7))), ..Facts::default() };
        let confirmation = Fresh::to(&joan, "order_confirmation", None);
        for (fresh, reason) in [
            (Fresh { facts: gone, ..confirmation.clone() }, Reason::TemplateFailed),
            (confirmation.clone(), Reason::TemplateFailed),
            (Fresh { template: "nothing", ..confirmation.clone() }, Reason::NoTemplate),
            (Fresh { channel: Channel::Sms, ..confirmation.clone() }, Reason::NoTemplate),
            // What it was queued as is not what the template is.
            (Fresh { purpose: Some(Purpose::Care), ..confirmation.clone() }, Reason::NoTemplate),
            (Fresh { person: uuid::Uuid::from_u128(7).into(), ..confirmation }, Reason::AccountClosed),
        ] {
            let id = shop.queue(fresh.clone()).await;
            shop.run_jobs().await;
            assert_eq!(became(shop, id).await, (MessageState::Dropped, Some(reason)), "{fresh:?}");
        }
        assert!(messages(shop, &joan).is_empty());
    }

    async fn a_disabled_account_gets_what_is_transactional_only(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(entity::staff::Role::Owner).await);
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        let disable = json!({ "customerId": joan.customer_id(), "reason": "asked for it" });
        shop.done(&owner, "customerDisable", disable).await;
        let confirmation = shop.queue(of_order(&joan, &order)).await;
        let service = shop.queue(Fresh::to(&joan, "points_expiring", Some(Purpose::Programme))).await;
        shop.run_jobs().await;
        assert_eq!(became(shop, confirmation).await, (MessageState::Sent, None));
        assert_eq!(became(shop, service).await, (MessageState::Dropped, Some(Reason::AccountClosed)));
    }

    async fn a_text_message_is_told_to_the_shop_signed_until_it_takes_it(shop: &TestApp) {
        let (_, id) = texted(shop).await;
        let (url, heard) = hook(&[500, 302, 204]).await;
        run_with_hook(shop, &url, 3).await;
        let row = shop.message(id).await;
        assert_eq!((row.state, row.attempts), (MessageState::Sent, 3));
        let expected = json!({ "channel": "SMS", "to": "+31 6 12345678", "title": "Your order", "body": "Joan: 1001",
            "link": null, "locale": "en", "purpose": null, "unsubscribeUrl": null });
        for heard in heard.await.unwrap() {
            assert_eq!(signed(&heard), (id.0.to_string(), expected.clone()));
        }
    }

    async fn what_a_shop_may_have_taken_is_not_told_again_if_it_is_not_transactional(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let phone = json!({ "customerId": joan.customer_id(), "phone": "+31 6 12345678" });
        shop.done(&joan, "customerUpdate", phone).await;
        let owner = shop.as_staff(entity::staff::Role::Owner).await;
        let content = json!([{ "locale": "en", "title": "News", "short": "It begins on Monday." }]);
        let body = json!({ "channels": ["SMS"], "purpose": "PROGRAMME", "content": content });
        shop.done(&owner, "messageTemplateDraft", json!({ "code": "news", "name": "News", "body": body })).await;
        shop.done(&owner, "messageTemplatePublish", json!({ "code": "news" })).await;
        let news = Fresh { channel: Channel::Sms, ..Fresh::to(&joan, "news", Some(Purpose::Programme)) };
        let id = shop.queue(news).await;
        let (url, heard) = hook(&[429, 500]).await;
        run_with_hook(shop, &url, 3).await;
        assert_eq!(became(shop, id).await, (MessageState::Unknown, Some(Reason::UnknownOutcome)));
        let heard = heard.await.unwrap();
        assert_eq!(heard.len(), 2);
        let (_, told) = signed(&heard[1]);
        assert_eq!(told["purpose"], "PROGRAMME");
        assert!(told["unsubscribeUrl"].as_str().unwrap().contains("/unsubscribe/"), "{told}");
    }

    async fn what_never_ends_in_an_answer_is_not_told_for_ever(shop: &TestApp) {
        let (_, id) = texted(shop).await;
        let (url, heard) = hook(&[500; 5]).await;
        run_with_hook(shop, &url, 6).await;
        assert_eq!(became(shop, id).await, (MessageState::Unknown, Some(Reason::UnknownOutcome)));
        assert_eq!(heard.await.unwrap().len(), 5);
    }

    async fn what_is_not_transactional_is_of_no_use_a_day_later(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        let needed = shop.queue(of_order(&joan, &order)).await;
        let nice = shop.queue(Fresh::to(&joan, "points_expiring", Some(Purpose::Programme))).await;
        shop.clock.advance(chrono::TimeDelta::hours(25));
        shop.run_jobs().await;
        assert_eq!(became(shop, needed).await, (MessageState::Sent, None));
        assert_eq!(became(shop, nice).await, (MessageState::Dropped, Some(Reason::TooLate)));
    }

    async fn what_is_queued_waits_while_its_journey_is_paused_and_ends_when_it_is_retired(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let owner = shop.publish(&["points_expiring"]).await;
        let id = shop.queue(Fresh::to(&joan, "points_expiring", Some(Purpose::Programme))).await;
        let of_journey = "UPDATE messages SET journey_id = (SELECT id FROM journeys)";
        shop.app.db.write.execute_unprepared(of_journey).await.unwrap();
        shop.done(&owner, "journeyPause", json!({ "code": "points_expiring" })).await;
        shop.run_jobs().await;
        assert_eq!(became(shop, id).await, (MessageState::Queued, None));
        shop.done(&owner, "journeyRetire", json!({ "code": "points_expiring" })).await;
        shop.clock.advance(chrono::TimeDelta::minutes(6));
        shop.run_jobs().await;
        assert_eq!(became(shop, id).await, (MessageState::Dropped, Some(Reason::JourneyRetired)));
    }

    async fn who_waits_for_a_product_no_more_is_not_told_that_it_is_back(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let kettle = json!({ "sku": "A-1", "name": "Kettle", "stock": 0 });
        let id = shop.done(&server, "productUpsert", kettle).await["product"]["id"].clone();
        let product = Some(local(id.as_str().unwrap(), NodeType::Product));
        let facts = Facts { product, since: Some(shop.clock.now()), ..Facts::default() };
        let back = Fresh { facts, ..Fresh::to(&joan, "back_in_stock", Some(Purpose::BackInStock)) };
        shop.done(&joan, "waitlistJoin", json!({ "productId": id })).await;
        let told = shop.queue(back.clone()).await;
        shop.run_jobs().await;
        assert_eq!(became(shop, told).await, (MessageState::Sent, None));
        let untold = shop.queue(back).await;
        shop.done(&joan, "waitlistLeave", json!({ "productId": id })).await;
        shop.run_jobs().await;
        assert_eq!(became(shop, untold).await, (MessageState::Dropped, Some(Reason::NoConsent)));
    }

    async fn a_guest_is_written_to_in_the_language_of_the_order(shop: &TestApp) {
        let server = shop.as_server().await;
        shop.publish(&["order_confirmation"]).await;
        for (email, locale) in [("dafna@example.org", "he"), ("piet@example.org", "nl-BE"), ("joan@example.org", "fr")] {
            shop.record(&server, json!({ "email": email, "locale": locale, "state": "PAID" })).await;
        }
        shop.run_jobs().await;
        let language = |email: &str| shop.mail.to(email)[0].header("Content-Language");
        assert_eq!(language("dafna@example.org").as_deref(), Some("he"));
        assert_eq!(language("piet@example.org").as_deref(), Some("nl"));
        // The shop's own, where there are no words in that of the reader.
        assert_eq!(language("joan@example.org").as_deref(), Some("en"));
    }

    async fn a_mailbox_that_there_is_not_is_not_written_to_again(shop: &TestApp) {
        let server = shop.as_server().await;
        let record = json!({ "externalId": "c-1", "email": "no-such-mailbox@example.org" });
        let gone = shop.done(&server, "customerRecord", record).await["customer"]["id"].clone();
        let person = local::<entity::id::CustomerId>(gone.as_str().unwrap(), NodeType::Customer).into();
        let joan = shop.as_customer().await;
        let fresh = Fresh { person, ..Fresh::to(&joan, "points_expiring", Some(Purpose::Programme)) };
        let first = shop.queue(fresh.clone()).await;
        shop.run_jobs().await;
        assert_eq!(became(shop, first).await, (MessageState::Failed, Some(Reason::Refused)));
        let second = shop.queue(fresh).await;
        shop.run_jobs().await;
        assert_eq!(became(shop, second).await, (MessageState::Dropped, Some(Reason::Suppressed)));
    }

    async fn a_text_message_that_the_shop_refuses_has_failed(shop: &TestApp) {
        let (_, id) = texted(shop).await;
        let (url, heard) = hook(&[422]).await;
        run_with_hook(shop, &url, 1).await;
        assert_eq!(became(shop, id).await, (MessageState::Failed, Some(Reason::Refused)));
        assert_eq!(heard.await.unwrap().len(), 1);
    }

    async fn without_a_hook_there_is_no_way_to_a_phone(shop: &TestApp) {
        let (_, id) = texted(shop).await;
        shop.run_jobs().await;
        assert_eq!(became(shop, id).await, (MessageState::Dropped, Some(Reason::NoAddress)));
    }
}
