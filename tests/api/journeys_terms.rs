//! On what terms journeys send: by which right, how late, by which way, to how many of one person's.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::consent::Purpose;
use entity::id::{CustomerId, MessageId, PersonId};
use entity::message::{self, Channel, MessageState};
use entity::staff::Role;
use entity::{Instant, journey, journey_run, journey_version};
use futures_util::future::join;
use regulars::graphql::global_id::NodeType;
use regulars::jobs::{self, Job};
use regulars::outbox::{self, Event};
use regulars::tx::Tx;
use regulars::worker;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, Set};
use serde_json::{Value as Json, json};

use crate::journeys::{arrives, buys, definition, drafts, id, marketing};
use crate::support::{Caller, TestApp, both_engines, line, local};

fn person(caller: &Caller) -> PersonId {
    local::<CustomerId>(caller.customer_id(), NodeType::Customer).into()
}

/// What another part of the shop tells of a customer.
async fn tell(shop: &TestApp, topic: &'static str, whose: &Caller, payload: Json) {
    let (aggregate_id, occurred_at) = (person(whose).0, shop.clock.now());
    let event = Event { topic, aggregate_id, payload, imported: false, occurred_at };
    shop.change(async |tx: &Tx| outbox::emit(tx, [event.clone()]).await).await;
}

/// How often a journey began for a customer.
async fn begun(shop: &TestApp, who: &Caller, code: &str) -> usize {
    let journey = journey::Entity::find().filter(journey::Column::Code.eq(code)).one(&shop.app.db.read);
    let journey = journey.await.unwrap().unwrap().id;
    let runs = journey_run::Entity::find().filter(journey_run::Column::JourneyId.eq(journey));
    let theirs = runs.filter(journey_run::Column::PersonId.eq(person(who)));
    theirs.all(&shop.app.db.read).await.unwrap().len()
}

/// Statistics of all journeys by their codes, asked for at once.
async fn statistics(shop: &TestApp) -> BTreeMap<String, Json> {
    let owner = shop.as_staff(Role::Owner).await;
    let query = r#"{ journeys { code statistics(from: "2026-01-01T00:00:00Z", until: "2027-01-01T00:00:00Z") {
        entered waiting reached heldOut deferred { reason count } dropped { reason count } } } }"#;
    let answer = shop.graphql(&owner, query, json!({})).await;
    let journeys = answer.at("/journeys").as_array().unwrap();
    journeys.iter().map(|one| (one["code"].as_str().unwrap().to_owned(), one["statistics"].clone())).collect()
}

/// An offer after a paid order, at ten on the next day.
fn offer(priority: u32, holdout_percent: u32) -> Json {
    let mut written = definition("ORDER_PAID", &json!("OFFERS"), "second_purchase");
    written["priority"] = json!(priority);
    written["holdoutPercent"] = json!(holdout_percent);
    written
}

/// So many who said yes to offers, and bought.
async fn buyers(shop: &TestApp, count: usize) {
    let server = shop.as_server().await;
    for number in 0..count {
        let email = format!("c-{number}@example.org");
        let made = shop.done(&server, "customerRecord", json!({ "externalId": email, "email": email })).await;
        let customer = json!({ "customerId": made["customer"]["id"] });
        shop.consent(&server, customer.clone(), &["OFFERS"]).await;
        let mut order = customer;
        order["state"] = json!("PAID");
        shop.record(&server, order).await;
    }
    shop.run_jobs().await;
}

/// When each person's messages left.
async fn sent(shop: &TestApp) -> BTreeMap<PersonId, Vec<Instant>> {
    let mut sent: BTreeMap<PersonId, Vec<Instant>> = BTreeMap::new();
    for row in message::Entity::find().all(&shop.app.db.read).await.unwrap() {
        assert_eq!(row.state, MessageState::Sent, "{row:?}");
        sent.entry(row.person_id).or_default().push(row.ended_at.unwrap());
    }
    sent
}

both_engines! {
    async fn what_was_told_before_two_turned_out_to_be_one_is_for_the_one_who_stays(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, sam) = (shop.as_customer().await, shop.as_customer().await);
        let owner = shop.publish(&["points_expiring", "we_miss_you"]).await;
        for customer in [&joan, &sam] {
            shop.clock.advance(TimeDelta::seconds(1));
            buys(shop, &server, customer, "A-1").await;
        }
        shop.run_jobs().await;
        let ends = json!({ "points": 100, "at": shop.clock.now() + TimeDelta::days(30) });
        tell(shop, "points.expiring", &sam, ends).await;
        let one = json!({ "fromId": sam.customer_id(), "intoId": joan.customer_id(), "reason": "the same person" });
        shop.done(&owner, "customerMerge", one).await;
        shop.run_jobs().await;
        assert_eq!((begun(shop, &joan, "points_expiring").await, begun(shop, &sam, "points_expiring").await), (1, 0));
        shop.pass_to("2026-01-16T09:00:00Z").await;
        assert_eq!(shop.messages().await, ["points_expiring"]);
        assert_eq!((marketing(shop, &joan.email), marketing(shop, &sam.email)), (1, 0));
        // Of the two that waited in one lane, the one that gave way never sent anything.
        let missed = &statistics(shop).await["we_miss_you"];
        assert_eq!(*missed, json!({ "entered": 2, "waiting": 1, "reached": 0, "heldOut": 0, "deferred": [],
            "dropped": [{ "reason": "SUPERSEDED", "count": 1 }] }));
    }

    async fn a_message_that_left_late_counts_from_when_it_left(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let owner = shop.publish(&[]).await;
        drafts(shop, &owner, "offer", offer(10, 0)).await;
        shop.consent(&server, id(&joan), &["OFFERS"]).await;
        buys(shop, &server, &joan, "A-1").await;
        shop.run_jobs().await;
        let journey = journey::Entity::find().one(&shop.app.db.read).await.unwrap().unwrap();
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let late = message::ActiveModel {
            id: Set(MessageId(uuid::Uuid::from_u128(1))),
            person_id: Set(person(&joan)),
            journey_id: Set(Some(journey.id)),
            template: Set("second_purchase".to_owned()),
            purpose: Set(Some(Purpose::Offers)),
            channel: Set(Channel::Email),
            state: Set(MessageState::Sent),
            facts: Set(json!({})),
            attempts: Set(9),
            queued_at: Set(at("2026-01-14T09:00:00Z")),
            ended_at: Set(Some(at("2026-01-16T08:00:00Z"))),
            ..Default::default()
        };
        late.insert(&shop.app.db.write).await.unwrap();
        shop.pass_to("2026-01-16T09:00:00Z").await;
        let put_off = shop.explained(&server, joan.customer_id(), "offer").await;
        assert_eq!((&put_off["reason"], &put_off["dueAt"]), (&json!("BUDGET"), &json!("2026-01-17T08:00:00+00:00")));
        assert_eq!(shop.messages().await.len(), 1);
        shop.pass_to("2026-01-17T08:00:00Z").await;
        assert_eq!(shop.messages().await.len(), 2);
    }

    async fn a_right_that_needs_no_consent_is_for_what_it_is_about_and_nothing_else(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let draft = |definition: Json| json!({ "code": "mine", "definition": definition });
        let field = json!(["input", "definition", "purpose"]);
        for (trigger, purpose) in [
            ("CART_TOUCHED", json!("PROGRAMME")),
            ("PRODUCT_USED_UP", json!("PROGRAMME")),
            ("PRODUCT_USED_UP", json!("CARE")),
            ("BACK_IN_STOCK", json!("PROGRAMME")),
            ("BIRTHDAY", json!("PROGRAMME")),
            ("ORDER_PAID", json!("PROGRAMME")),
            ("ORDER_PAID", json!("PRODUCT_UPDATES")),
            ("CUSTOMER_REGISTERED", Json::Null),
            ("PRODUCT_USED_UP", Json::Null),
        ] {
            let written = draft(definition(trigger, &purpose, "points_expiring"));
            let answer = shop.refused(&owner, "journeyDraft", written, "INVALID").await;
            assert_eq!(answer.payload()["userErrors"][0]["field"], field, "{trigger} {purpose}");
        }
        let mut silence = definition("ORDER_PAID", &json!("PROGRAMME"), "inactive_notice");
        silence["conditions"] = json!([{ "kind": "NOTHING_BOUGHT_SINCE" }]);
        drafts(shop, &owner, "silence", silence).await;
        drafts(shop, &owner, "welcome", definition("CUSTOMER_REGISTERED", &json!("PROGRAMME"), "points_expiring")).await;
        // A draft from before it was refused.
        shop.done(&owner, "journeyDraft", draft(definition("CART_TOUCHED", &json!("REMINDERS"), "abandoned_cart"))).await;
        let mine = journey::Column::Code.eq("mine");
        let kept = journey::Entity::find().filter(mine.clone()).one(&shop.app.db.read).await.unwrap().unwrap();
        let mut old = kept.draft.unwrap();
        old["purpose"] = json!("PROGRAMME");
        let update = journey::Entity::update_many().col_expr(journey::Column::Draft, Expr::val(old)).filter(mine);
        assert_eq!(update.exec(&shop.app.db.write).await.unwrap().rows_affected, 1);
        let answer = shop.refused(&owner, "journeyPublish", json!({ "code": "mine" }), "INVALID").await;
        assert_eq!(answer.payload()["userErrors"][0]["field"], field);
    }

    async fn care_ends_with_the_window_of_the_product_that_it_speaks_of(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let owner = shop.publish(&[]).await;
        for (sku, more) in [("kettle", json!({ "careWindowDays": 90 })), ("lid", json!({}))] {
            let mut product = json!({ "sku": sku, "name": sku });
            product.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            shop.done(&server, "productUpsert", product).await;
        }
        for days in [90, 91] {
            let mut written = definition("ORDER_DELIVERED", &json!("CARE"), "care_tips");
            written["steps"][0]["waitDays"] = json!(days);
            drafts(shop, &owner, &format!("after_{days}"), written).await;
        }
        let lines = json!([line("kettle", 1, "50.00"), line("lid", 1, "5.00")]);
        let order = json!({ "customerId": joan.customer_id(), "state": "PAID", "lines": lines });
        let order = shop.record(&server, order).await;
        arrives(shop, &server, &order).await;
        shop.run_jobs().await;
        shop.pass_to("2026-04-15T08:00:00Z").await;
        assert_eq!(shop.messages().await, ["care_tips"]);
        shop.pass_to("2026-04-16T08:00:00Z").await;
        let server = shop.as_server().await;
        let late = shop.explained(&server, joan.customer_id(), "after_91").await;
        assert_eq!((&late["state"], &late["reason"]), (&json!("DROPPED"), &json!("SERVICE_WINDOW_CLOSED")));
    }

    async fn care_for_what_nobody_said_arrived_ends_180_days_after_it_was_paid(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, sam) = (shop.as_customer().await, shop.as_customer().await);
        let owner = shop.publish(&[]).await;
        for days in [180, 181] {
            let mut written = definition("ORDER_PAID", &json!("CARE"), "thank_you");
            written["steps"][0]["waitDays"] = json!(days);
            drafts(shop, &owner, &format!("after_{days}"), written).await;
        }
        buys(shop, &server, &joan, "A-1").await;
        let cancelled = buys(shop, &server, &sam, "A-1").await;
        shop.step(&server, "orderCancel", &cancelled).await;
        shop.run_jobs().await;
        shop.pass_to("2026-07-14T08:00:00Z").await;
        assert_eq!(shop.messages().await, ["thank_you"]);
        assert_eq!((marketing(shop, &joan.email), marketing(shop, &sam.email)), (1, 0));
        shop.pass_to("2026-07-15T08:00:00Z").await;
        let server = shop.as_server().await;
        for (who, code) in [(&joan, "after_181"), (&sam, "after_180"), (&sam, "after_181")] {
            let closed = shop.explained(&server, who.customer_id(), code).await;
            assert_eq!((&closed["state"], &closed["reason"]), (&json!("DROPPED"), &json!("SERVICE_WINDOW_CLOSED")), "{code}");
        }
    }

    async fn without_a_hook_nobody_is_to_be_reached_by_phone(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.publish(&[]).await);
        let joan = shop.as_customer().await;
        let phone = json!({ "customerId": joan.customer_id(), "phone": "+31 6 12345678" });
        shop.done(&joan, "customerUpdate", phone).await;
        let mjml = "<mjml><mj-body><mj-section><mj-column><mj-text>Hello</mj-text></mj-column></mj-section></mj-body></mjml>";
        let content = json!([{ "locale": "en", "subject": "Hello", "mjml": mjml, "title": "Hello", "short": "Hello" }]);
        let body = json!({ "channels": ["SMS", "EMAIL"], "content": content });
        shop.done(&owner, "messageTemplateDraft", json!({ "code": "text", "name": "A text", "body": body })).await;
        shop.done(&owner, "messageTemplatePublish", json!({ "code": "text" })).await;
        let mut written = definition("ORDER_PAID", &Json::Null, "text");
        written["steps"] = json!([{ "waitMinutes": 0, "template": "text", "channels": ["SMS", "EMAIL"] }]);
        drafts(shop, &owner, "told", written).await;
        buys(shop, &server, &joan, "A-1").await;
        assert_eq!(shop.messages().await, ["text"]);
        let row = message::Entity::find().one(&shop.app.db.read).await.unwrap().unwrap();
        assert_eq!(row.channel, Channel::Email);
    }

    async fn what_cannot_be_read_holds_nothing_else_up(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, sam) = (shop.as_customer().await, shop.as_customer().await);
        let owner = shop.publish(&[]).await;
        for code in ["offer", "broken"] {
            drafts(shop, &owner, code, offer(10, 0)).await;
        }
        let broken = journey::Entity::find().filter(journey::Column::Code.eq("broken")).one(&shop.app.db.read);
        let broken = broken.await.unwrap().unwrap().id;
        let version = journey_version::Entity::update_many()
            .col_expr(journey_version::Column::Definition, Expr::val(json!({ "trigger": "NOTHING" })))
            .filter(journey_version::Column::JourneyId.eq(broken));
        assert_eq!(version.exec(&shop.app.db.write).await.unwrap().rows_affected, 1);
        tell(shop, "points.expiring", &joan, json!({ "points": "many" })).await;
        for customer in [&joan, &sam] {
            shop.consent(&server, id(customer), &["OFFERS"]).await;
            buys(shop, &server, customer, "A-1").await;
        }
        shop.run_jobs().await;
        assert_eq!((begun(shop, &joan, "offer").await, begun(shop, &joan, "broken").await), (1, 0));
        let facts = journey_run::Entity::update_many()
            .col_expr(journey_run::Column::Facts, Expr::val(json!({ "order": 5 })))
            .filter(journey_run::Column::PersonId.eq(person(&joan)));
        assert_eq!(facts.exec(&shop.app.db.write).await.unwrap().rows_affected, 1);
        shop.pass_to("2026-01-16T09:00:00Z").await;
        assert_eq!(shop.messages().await, ["second_purchase"]);
        assert_eq!((marketing(shop, &joan.email), marketing(shop, &sam.email)), (0, 1));
        let ended = shop.explained(&server, joan.customer_id(), "offer").await;
        assert_eq!((&ended["state"], &ended["reason"]), (&json!("DROPPED"), &json!("TEMPLATE_FAILED")));
    }

    async fn who_is_held_out_would_have_got_a_message(shop: &TestApp) {
        let owner = shop.publish(&[]).await;
        drafts(shop, &owner, "first", offer(20, 0)).await;
        drafts(shop, &owner, "second", offer(10, 50)).await;
        buyers(shop, 12).await;
        shop.pass_to("2026-01-16T09:00:00Z").await;
        // Outranked, whether held out or not.
        let all = statistics(shop).await;
        assert_eq!((&all["first"]["reached"], &all["second"]["heldOut"]), (&json!(12), &json!(0)));
        assert_eq!(all["second"]["deferred"], json!([{ "reason": "OUTRANKED", "count": 12 }]));
        shop.pass_to("2026-01-17T09:00:00Z").await;
        let second = &statistics(shop).await["second"];
        let held_out = second["heldOut"].as_i64().unwrap();
        assert!((1..12).contains(&held_out), "{held_out}");
        assert_eq!((&second["reached"], &second["waiting"]), (&json!(12 - held_out), &json!(0)));
    }

    async fn who_is_held_out_of_one_journey_has_room_for_another(shop: &TestApp) {
        let owner = shop.publish(&[]).await;
        drafts(shop, &owner, "measured", offer(20, 50)).await;
        drafts(shop, &owner, "other", offer(10, 0)).await;
        buyers(shop, 12).await;
        shop.pass_to("2026-01-16T09:00:00Z").await;
        let all = statistics(shop).await;
        let held_out = all["measured"]["heldOut"].as_i64().unwrap();
        assert!((1..12).contains(&held_out), "{held_out}");
        assert_eq!((&all["measured"]["reached"], &all["other"]["reached"]), (&json!(12 - held_out), &json!(held_out)));
        assert_eq!(shop.messages().await.len(), 12);
    }

    async fn nobody_is_told_that_points_will_end_which_have_ended(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let owner = shop.publish(&["points_expiring"]).await;
        shop.done(&owner, "journeyPause", json!({ "code": "points_expiring" })).await;
        tell(shop, "points.expiring", &joan, json!({ "points": 100, "at": "2026-01-17T09:00:00Z" })).await;
        shop.pass_to("2026-01-16T09:00:00Z").await;
        shop.pass_to("2026-01-17T09:00:00Z").await;
        let owner = shop.as_staff(Role::Owner).await;
        shop.done(&owner, "journeyResume", json!({ "code": "points_expiring" })).await;
        shop.pass_to("2026-01-17T09:02:00Z").await;
        assert!(shop.messages().await.is_empty());
        let server = shop.as_server().await;
        let ended = shop.explained(&server, joan.customer_id(), "points_expiring").await;
        assert_eq!((&ended["state"], &ended["reason"]), (&json!("DROPPED"), &json!("CONDITION_NOT_MET")));
    }

    async fn a_day_without_a_worker_costs_nobody_the_birthday(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, sam) = (shop.as_customer().await, shop.as_customer().await);
        for (customer, born) in [(&joan, "2000-02-10"), (&sam, "2000-02-05")] {
            let born = json!({ "customerId": customer.customer_id(), "birthday": born });
            shop.done(&server, "customerUpdate", born).await;
            shop.consent(&server, id(customer), &["OFFERS"]).await;
        }
        shop.publish(&["birthday"]).await;
        shop.pass_to("2026-01-15T14:00:00Z").await;
        for at in ["2026-02-11T12:00:00Z", "2026-02-11T12:02:00Z", "2026-02-11T14:00:00Z", "2026-02-12T14:00:00Z"] {
            shop.pass_to(at).await;
        }
        assert_eq!(shop.messages().await, ["birthday"]);
        assert_eq!((begun(shop, &joan, "birthday").await, begun(shop, &sam, "birthday").await), (1, 0));
    }

    async fn tips_begin_only_for_what_the_catalogue_has(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        shop.publish(&["care_tips", "after_sale_question"]).await;
        let order = buys(shop, &server, &joan, "nobody-knows").await;
        arrives(shop, &server, &order).await;
        shop.run_jobs().await;
        assert_eq!((begun(shop, &joan, "care_tips").await, begun(shop, &joan, "after_sale_question").await), (0, 1));
        shop.done(&server, "productUpsert", json!({ "sku": "known", "name": "Kettle" })).await;
        let order = buys(shop, &server, &joan, "known").await;
        arrives(shop, &server, &order).await;
        shop.run_jobs().await;
        assert_eq!((begun(shop, &joan, "care_tips").await, begun(shop, &joan, "after_sale_question").await), (1, 2));
    }

    async fn two_instances_that_do_what_is_due_at_once_keep_to_one_budget(shop: &TestApp) {
        let owner = shop.publish(&[]).await;
        for number in 0..5 {
            drafts(shop, &owner, &format!("offer_{number}"), offer(number, 0)).await;
        }
        buyers(shop, 8).await;
        // Rounds beside the recurring one, so that several are under way on each instance.
        let round = Job { kind: "journeys.tick", payload: json!({}), due: None, dedup_key: None, max_attempts: 100 };
        for _ in 0..12 {
            shop.change(async |tx: &Tx| jobs::enqueue(tx, round.clone()).await).await;
        }
        let other = shop.another_instance_with(&["--smtp-url", shop.mail.url()]).await;
        let begin: Instant = "2026-01-16T09:00:00Z".parse().unwrap();
        for day in 0..12 {
            shop.clock.advance(begin + TimeDelta::days(day) - shop.clock.now());
            let (ran, also) = join(worker::run_due(&shop.app), worker::run_due(&other)).await;
            assert!(ran.unwrap() + also.unwrap() > 0);
            shop.run_jobs().await;
        }
        other.db.clone().close().await.unwrap();
        let sent = sent(shop).await;
        assert_eq!(sent.len(), 8);
        for left in sent.values() {
            // One of each, three a week, one a day.
            assert_eq!(left.len(), 5);
            let within = |at: &Instant, span| left.iter().filter(|other| *other <= at && **other + span > *at).count();
            assert!(left.iter().all(|at| within(at, TimeDelta::days(1)) == 1), "{left:?}");
            assert!(left.iter().all(|at| within(at, TimeDelta::days(7)) <= 3), "{left:?}");
        }
    }
}
