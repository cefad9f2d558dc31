//! What is sent when something happens, to whom, and what is not.

use chrono::TimeDelta;
use entity::staff::Role;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, line};

/// An order of a customer that is paid at once.
pub(crate) async fn buys(shop: &TestApp, server: &Caller, customer: &Caller, sku: &str) -> Json {
    let order =
        json!({ "customerId": customer.customer_id(), "state": "PAID", "lines": [line(sku, 1, "10.00")] });
    shop.record(server, order).await
}

pub(crate) async fn arrives(shop: &TestApp, server: &Caller, order: &Json) {
    shop.step(server, "orderShip", order).await;
    shop.step(server, "orderDeliver", order).await;
}

async fn fills_cart(shop: &TestApp, server: &Caller, mut whose: Json) {
    whose["externalId"] = json!("c-1");
    whose["currency"] = json!("EUR");
    whose["lines"] = json!([line("A-1", 2, "10.00")]);
    shop.done(server, "cartUpsert", whose).await;
}

/// Mails that can be ended with one click.
pub(crate) fn marketing(shop: &TestApp, email: &str) -> usize {
    shop.mail.to(email).iter().filter(|mail| mail.header("List-Unsubscribe").is_some()).count()
}

pub(crate) fn id(customer: &Caller) -> Json {
    json!({ "customerId": customer.customer_id() })
}

/// A journey of one step, as staff write it.
pub(crate) fn definition(trigger: &str, purpose: &Json, template: &str) -> Json {
    json!({
        "trigger": trigger, "purpose": purpose,
        "steps": [{ "waitDays": 0, "at": "10:00", "template": template, "channels": ["EMAIL"] }],
    })
}

pub(crate) async fn drafts(shop: &TestApp, owner: &Caller, code: &str, definition: Json) {
    shop.done(owner, "journeyDraft", json!({ "code": code, "definition": definition })).await;
    shop.done(owner, "journeyPublish", json!({ "code": code })).await;
}

both_engines! {
    async fn thanks_go_out_seven_days_after_the_first_purchase_and_no_other(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, sam) = (shop.as_customer().await, shop.as_customer().await);
        shop.publish(&["thank_you"]).await;
        buys(shop, &server, &joan, "A-1").await;
        let back = buys(shop, &server, &sam, "A-1").await;
        arrives(shop, &server, &back).await;
        shop.give_back(&server, &back, 1).await;
        shop.pass_to("2026-01-16T12:00:00Z").await;
        buys(shop, &server, &joan, "A-1").await;
        shop.pass_to("2026-01-22T08:58:00Z").await;
        assert!(shop.messages().await.is_empty());
        shop.pass_to("2026-01-22T09:00:00Z").await;
        assert_eq!(shop.messages().await, ["thank_you"]);
        assert_eq!(marketing(shop, &joan.email), 1);
        shop.pass_to("2026-02-22T09:00:00Z").await;
        assert_eq!(shop.messages().await, ["thank_you"]);
        let support = shop.as_staff(Role::Support).await;
        let explained = shop.explained(&support, sam.customer_id(), "thank_you").await;
        assert_eq!((&explained["state"], &explained["reason"]), (&json!("DROPPED"), &json!("CONDITION_NOT_MET")));
        // The second purchase began nothing.
        assert_eq!(shop.explained(&support, joan.customer_id(), "thank_you").await["state"], "DONE");
    }

    async fn nobody_is_reminded_of_a_cart_who_bought_under_any_name_in_the_last_day(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, sam) = (shop.as_customer().await, shop.as_customer().await);
        shop.publish(&["abandoned_cart"]).await;
        for customer in [&joan, &sam] {
            shop.consent(&server, id(customer), &["REMINDERS"]).await;
        }
        // Staff take an order for an account of the shop's that is told to Joan's mailbox, 23 hours before she is reminded.
        let order = |email: &str, name: &str| json!({ "externalCustomerId": name, "email": email, "state": "PAID" });
        shop.record(&server, order(&sam.email, "by-phone-1")).await;
        shop.clock.advance(TimeDelta::hours(2));
        shop.record(&server, order(&joan.email, "by-phone-2")).await;
        shop.pass_to("2026-01-16T09:00:00Z").await;
        let renewed = shop.as_server().await;
        fills_cart(shop, &renewed, id(&joan)).await;
        let cart = json!({ "externalId": "c-2", "currency": "EUR", "lines": [line("A-1", 1, "9.00")], "customerId": sam.customer_id() });
        shop.done(&renewed, "cartUpsert", cart).await;
        shop.pass_to("2026-01-16T13:00:00Z").await;
        assert_eq!(shop.messages().await, ["abandoned_cart"]);
        assert_eq!((marketing(shop, &joan.email), marketing(shop, &sam.email)), (0, 1));
        let explained = shop.explained(&renewed, joan.customer_id(), "abandoned_cart").await;
        assert_eq!(explained["reason"], "BOUGHT_RECENTLY");
    }

    async fn a_guest_who_bought_a_day_ago_is_reminded_and_one_who_bought_since_is_not(shop: &TestApp) {
        let server = shop.as_server().await;
        shop.publish(&["abandoned_cart"]).await;
        for (name, hours) in [("late", 21), ("early", 2)] {
            let email = format!("{name}@example.org");
            shop.record(&server, json!({ "email": email, "state": "PAID", "placedAt": shop.clock.now() - TimeDelta::hours(hours) })).await;
            shop.consent(&server, json!({ "email": email }), &["REMINDERS"]).await;
            let cart = json!({ "externalId": name, "currency": "EUR", "lines": [line("A-1", 1, "9.00")], "email": email });
            shop.done(&server, "cartUpsert", cart).await;
        }
        // 25 hours after the one purchase, and 6 hours after the other.
        shop.pass_to("2026-01-15T16:00:00Z").await;
        assert_eq!(shop.messages().await, ["abandoned_cart"]);
        assert_eq!(marketing(shop, "late@example.org"), 1);
        assert_eq!(marketing(shop, "early@example.org"), 0);
    }

    async fn two_who_turn_out_to_be_one_are_written_to_as_one(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, sam) = (shop.as_customer().await, shop.as_customer().await);
        shop.publish(&["abandoned_cart", "we_miss_you"]).await;
        for who in [&joan, &sam] {
            shop.consent(&server, id(who), &["OFFERS", "REMINDERS"]).await;
        }
        buys(shop, &server, &joan, "A-1").await;
        shop.pass_to("2026-01-17T09:00:00Z").await;
        let server = shop.as_server().await;
        buys(shop, &server, &sam, "A-1").await;
        shop.pass_to("2026-01-19T09:00:00Z").await;
        fills_cart(shop, &server, id(&sam)).await;
        shop.pass_to("2026-01-19T13:00:00Z").await;
        assert_eq!(shop.messages().await, ["abandoned_cart"]);
        let owner = shop.as_staff(Role::Owner).await;
        let one = json!({ "fromId": sam.customer_id(), "intoId": joan.customer_id(), "reason": "the same person" });
        shop.done(&owner, "customerMerge", one).await;
        fills_cart(shop, &server, id(&joan)).await;
        shop.pass_to("2026-01-20T13:30:00Z").await;
        let explained = shop.explained(&server, joan.customer_id(), "abandoned_cart").await;
        assert_eq!((&explained["state"], &explained["reason"]), (&json!("DROPPED"), &json!("CONDITION_NOT_MET")));
        // Missed after the last purchase of the two, once.
        shop.pass_to("2026-03-15T09:00:00Z").await;
        assert_eq!(shop.messages().await, ["abandoned_cart"]);
        shop.pass_to("2026-07-15T09:00:00Z").await;
        assert_eq!(shop.messages().await, ["abandoned_cart"]);
        shop.pass_to("2026-07-16T09:00:00Z").await;
        assert_eq!(shop.messages().await, ["abandoned_cart", "we_miss_you"]);
    }

    async fn who_closed_the_account_is_still_told_of_what_was_bought(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        shop.publish(&["order_confirmation", "after_sale_question", "delivery_confirmation"]).await;
        let order = buys(shop, &server, &joan, "A-1").await;
        assert_eq!(shop.messages().await, ["order_confirmation"]);
        shop.disable(&joan).await;
        arrives(shop, &server, &order).await;
        assert_eq!(shop.messages().await, ["delivery_confirmation", "order_confirmation"]);
        shop.pass_to("2026-03-01T09:00:00Z").await;
        assert_eq!(shop.messages().await.len(), 2);
        let explained = shop.explained(&server, joan.customer_id(), "after_sale_question").await;
        assert_eq!((&explained["state"], &explained["reason"]), (&json!("DROPPED"), &json!("ACCOUNT_CLOSED")));
    }

    async fn a_promotion_needs_a_consent_that_was_confirmed(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, sam, kim) = (shop.as_customer().await, shop.as_customer().await, shop.as_customer().await);
        shop.publish(&["second_purchase"]).await;
        shop.consent(&server, id(&sam), &["OFFERS"]).await;
        shop.consent(&server, id(&kim), &["OFFERS"]).await;
        for customer in [&joan, &sam, &kim] {
            buys(shop, &server, customer, "A-1").await;
        }
        shop.pass_to("2026-02-01T09:00:00Z").await;
        let renewed = shop.as_server().await;
        shop.say(&renewed, id(&kim), &["OFFERS"], false).await;
        shop.pass_to("2026-02-14T09:00:00Z").await;
        assert_eq!(shop.messages().await, ["second_purchase"]);
        assert_eq!(marketing(shop, &sam.email), 1);
        let server = shop.as_server().await;
        for (customer, reason) in [(&joan, "NO_CONSENT"), (&kim, "WITHDRAWN")] {
            let explained = shop.explained(&server, customer.customer_id(), "second_purchase").await;
            assert_eq!((&explained["state"], &explained["reason"]), (&json!("DROPPED"), &json!(reason)));
        }
    }

    async fn of_two_journeys_in_one_minute_the_higher_priority_goes_and_the_other_a_day_later(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let owner = shop.publish(&[]).await;
        shop.consent(&server, id(&joan), &["OFFERS"]).await;
        for (code, priority) in [("low", 10), ("high", 20)] {
            let mut written = definition("ORDER_PAID", &json!("OFFERS"), "second_purchase");
            written["priority"] = json!(priority);
            drafts(shop, &owner, code, written).await;
        }
        buys(shop, &server, &joan, "A-1").await;
        shop.pass_to("2026-01-16T09:00:00Z").await;
        let server = shop.as_server().await;
        let state = async |code| shop.explained(&server, joan.customer_id(), code).await;
        assert_eq!(state("high").await["state"], "DONE");
        let low = state("low").await;
        assert_eq!((&low["state"], &low["reason"]), (&json!("WAITING"), &json!("OUTRANKED")));
        assert_eq!(low["dueAt"], "2026-01-17T09:00:00+00:00");
        shop.pass_to("2026-01-17T09:00:00Z").await;
        assert_eq!(shop.messages().await, ["second_purchase", "second_purchase"]);
    }

    async fn at_night_nothing_goes_but_what_is_transactional(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        shop.publish(&["abandoned_cart", "order_confirmation"]).await;
        shop.consent(&server, id(&joan), &["REMINDERS"]).await;
        // 28 March 2026, 18:30 in Amsterdam: the night after has an hour less.
        shop.pass_to("2026-03-28T17:30:00Z").await;
        let server = shop.as_server().await;
        fills_cart(shop, &server, id(&joan)).await;
        shop.pass_to("2026-03-28T21:30:00Z").await;
        let order = json!({ "email": "night@example.org", "state": "PAID" });
        let server = shop.as_server().await;
        shop.record(&server, order).await;
        assert_eq!(shop.messages().await, ["order_confirmation"]);
        let put_off = shop.explained(&server, joan.customer_id(), "abandoned_cart").await;
        assert_eq!((&put_off["reason"], &put_off["dueAt"]), (&json!("QUIET_HOURS"), &json!("2026-03-29T06:00:00+00:00")));
        shop.pass_to("2026-03-29T05:58:00Z").await;
        assert_eq!(shop.messages().await, ["order_confirmation"]);
        shop.pass_to("2026-03-29T06:00:00Z").await;
        assert_eq!(shop.messages().await, ["order_confirmation", "abandoned_cart"]);
    }

    async fn care_ends_with_its_window_and_news_of_a_product_reaches_its_owners_years_later(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, sam) = (shop.as_customer().await, shop.as_customer().await);
        let owner = shop.publish(&["product_update"]).await;
        let product = shop.done(&server, "productUpsert", json!({ "sku": "A-1", "name": "Kettle" })).await;
        for (code, days) in [("in_time", 179), ("late", 181)] {
            let mut written = definition("ORDER_DELIVERED", &json!("CARE"), "care_tips");
            written["steps"][0]["waitDays"] = json!(days);
            drafts(shop, &owner, code, written).await;
        }
        let order = buys(shop, &server, &joan, "A-1").await;
        arrives(shop, &server, &order).await;
        let back = buys(shop, &server, &sam, "A-1").await;
        arrives(shop, &server, &back).await;
        shop.give_back(&server, &back, 1).await;
        shop.pass_to("2026-07-14T08:00:00Z").await;
        shop.pass_to("2026-07-16T08:00:00Z").await;
        // Nothing of what Sam bought is kept.
        assert_eq!(shop.messages().await, ["care_tips"]);
        let server = shop.as_server().await;
        let late = shop.explained(&server, joan.customer_id(), "late").await;
        assert_eq!((&late["state"], &late["reason"]), (&json!("DROPPED"), &json!("SERVICE_WINDOW_CLOSED")));
        shop.pass_to("2029-07-15T08:00:00Z").await;
        let owner = shop.as_staff(Role::Owner).await;
        let text = |text: &str| json!([{ "locale": "en", "text": text }]);
        let news = json!({ "productId": product["product"]["id"], "title": text("New lids"), "body": text("They fit.") });
        shop.done(&owner, "productUpdateAnnounce", news).await;
        shop.pass_to("2029-07-16T08:00:00Z").await;
        assert_eq!(shop.messages().await, ["care_tips", "product_update"]);
        let to_joan = shop.mail.to(&joan.email);
        assert!(to_joan.last().unwrap().text().contains("They fit."), "{}", to_joan.last().unwrap().text());
    }

    async fn who_was_born_on_a_leap_day_is_congratulated_every_year(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let born = json!({ "customerId": joan.customer_id(), "birthday": "2000-02-29" });
        shop.done(&server, "customerUpdate", born).await;
        shop.consent(&server, id(&joan), &["OFFERS"]).await;
        shop.publish(&["birthday"]).await;
        for (before, day) in [("2026-02-27T12:00:00Z", "2026-02-28T08:00:00Z"), ("2028-02-28T12:00:00Z", "2028-02-29T08:00:00Z")] {
            let sent = shop.messages().await.len();
            shop.pass_to(before).await;
            shop.pass_to(&day.replace("08:00", "00:40")).await;
            assert_eq!(shop.messages().await.len(), sent, "{before}");
            shop.pass_to(day).await;
            assert_eq!(shop.messages().await.len(), sent + 1, "{day}");
        }
    }

    async fn who_waits_for_a_product_is_told_once_when_it_is_back(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, sam) = (shop.as_customer().await, shop.as_customer().await);
        shop.publish(&["back_in_stock"]).await;
        let made = shop.done(&server, "productUpsert", json!({ "sku": "A-1", "name": "Kettle", "stock": 0 })).await;
        let product = made["product"]["id"].clone();
        for customer in [&joan, &sam] {
            shop.done(customer, "waitlistJoin", json!({ "productId": product })).await;
        }
        shop.done(&sam, "waitlistLeave", json!({ "productId": product })).await;
        let stock = async |delta: i64| {
            let server = shop.as_server().await;
            shop.done(&server, "productStockAdjust", json!({ "sku": "A-1", "delta": delta })).await;
            shop.run_jobs().await;
        };
        // What the shop says of a product that is sold out as before brings nothing back.
        shop.done(&server, "productUpsert", json!({ "sku": "A-1", "name": "Red kettle", "stock": 0 })).await;
        shop.run_jobs().await;
        assert!(shop.messages().await.is_empty());
        stock(5).await;
        assert_eq!(shop.messages().await, ["back_in_stock"]);
        assert_eq!(marketing(shop, &joan.email), 1);
        stock(5).await;
        stock(-10).await;
        shop.clock.advance(TimeDelta::days(2));
        stock(3).await;
        assert_eq!(shop.messages().await, ["back_in_stock"]);
    }

    async fn a_paused_journey_holds_what_is_due_until_it_is_resumed(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let owner = shop.publish(&["order_confirmation", "thank_you"]).await;
        shop.done(&owner, "journeyPause", json!({ "code": "order_confirmation" })).await;
        buys(shop, &server, &joan, "A-1").await;
        assert!(shop.messages().await.is_empty());
        let held = shop.explained(&server, joan.customer_id(), "order_confirmation").await;
        assert_eq!((&held["state"], &held["reason"]), (&json!("PARKED"), &json!("JOURNEY_PAUSED")));
        shop.done(&owner, "journeyResume", json!({ "code": "order_confirmation" })).await;
        shop.pass_to("2026-01-15T12:02:00Z").await;
        assert_eq!(shop.messages().await, ["order_confirmation"]);
        shop.done(&owner, "journeyRetire", json!({ "code": "thank_you" })).await;
        shop.refused(&owner, "journeyPublish", json!({ "code": "thank_you" }), "WRONG_STATE").await;
        shop.refused(&owner, "journeyResume", json!({ "code": "order_confirmation" }), "WRONG_STATE").await;
        shop.refused(&owner, "journeyPause", json!({ "code": "care_tips" }), "WRONG_STATE").await;
        shop.refused(&owner, "journeyPause", json!({ "code": "nothing" }), "NOT_FOUND").await;
        shop.pass_to("2026-01-22T10:00:00Z").await;
        assert_eq!(shop.messages().await, ["order_confirmation"]);
        let server = shop.as_server().await;
        assert_eq!(shop.explained(&server, joan.customer_id(), "thank_you").await["reason"], "JOURNEY_RETIRED");
    }

    async fn who_is_held_out_gets_nothing_and_both_are_measured_by_what_they_buy(shop: &TestApp) {
        let server = shop.as_server().await;
        let owner = shop.publish(&[]).await;
        let mut written = definition("ORDER_PAID", &json!("OFFERS"), "second_purchase");
        written["holdoutPercent"] = json!(50);
        written["conditions"] = json!([{ "kind": "ORDER_NUMBER", "number": 1 }]);
        drafts(shop, &owner, "offer", written).await;
        let mut people = Vec::new();
        for number in 0..12 {
            let customer = json!({ "externalId": format!("c-{number}"), "email": format!("c-{number}@example.org") });
            let made = shop.done(&server, "customerRecord", customer).await;
            let customer = json!({ "customerId": made["customer"]["id"] });
            shop.consent(&server, customer.clone(), &["OFFERS"]).await;
            let mut order = customer.clone();
            order["state"] = json!("PAID");
            shop.record(&server, order.clone()).await;
            people.push(order);
        }
        shop.pass_to("2026-01-16T09:00:00Z").await;
        let sent = shop.messages().await.len();
        assert!((1..12).contains(&sent), "{sent}");
        shop.pass_to("2026-01-20T09:00:00Z").await;
        let server = shop.as_server().await;
        for order in &people {
            shop.record(&server, order.clone()).await;
        }
        shop.run_jobs().await;
        let owner = shop.as_staff(Role::Owner).await;
        let query = r#"{ journey(code: "offer") { statistics(from: "2026-01-01T00:00:00Z", until: "2027-01-01T00:00:00Z") {
            entered sent reached reachedConverted heldOut heldOutConverted lift } } }"#;
        let answer = shop.graphql(&owner, query, json!({})).await;
        let held = 12 - sent;
        let expected = json!({ "entered": 12, "sent": sent, "reached": sent, "reachedConverted": sent,
            "heldOut": held, "heldOutConverted": held, "lift": "0.0000" });
        assert_eq!(*answer.at("/journey/statistics"), expected);
        let backwards = query.replace("2027", "2026");
        shop.graphql(&owner, &backwards, json!({})).await.assert_error("BAD_USER_INPUT");
    }

    async fn what_does_not_go_together_is_not_published(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let draft = |definition: Json| json!({ "code": "mine", "definition": definition });
        let refused = async |definition: Json, field: &str| {
            let answer = shop.refused(&owner, "journeyDraft", draft(definition), "INVALID").await;
            let path = answer.payload()["userErrors"][0]["field"].as_array().unwrap().iter().map(|part| part.as_str().unwrap().to_owned());
            assert_eq!(path.collect::<Vec<_>>().join("."), format!("input.definition.{field}"));
        };
        let offer = |template: &str| definition("ORDER_PAID", &json!("OFFERS"), template);
        let with = |path: &str, value: Json| {
            let mut written = offer("second_purchase");
            *written.pointer_mut(path).unwrap() = value;
            written
        };
        refused(with("/steps", json!([])), "steps").await;
        refused(with("/steps/0/channels", json!([])), "steps.0.channels").await;
        refused(with("/steps/0/channels", json!(["EMAIL", "EMAIL"])), "steps.0.channels").await;
        refused(with("/purpose", json!("BACK_IN_STOCK")), "purpose").await;
        refused(definition("BIRTHDAY", &Json::Null, "birthday"), "purpose").await;
        refused(definition("BIRTHDAY", &json!("CARE"), "birthday"), "purpose").await;
        let mut written = definition("ORDER_PAID", &json!("CARE"), "thank_you");
        written["steps"][0]["coupon"] = json!("TEN");
        refused(written, "steps.0.coupon").await;
        let mut written = offer("second_purchase");
        written["conditions"] = json!([{ "kind": "CART_ABANDONED" }]);
        refused(written.clone(), "conditions.0").await;
        written["conditions"] = json!([{ "kind": "NOT_SENT_FOR" }]);
        refused(written, "conditions.0.number").await;
        for (template, purpose) in [("nothing", "OFFERS"), ("thank_you", "OFFERS"), ("second_purchase", "CARE")] {
            let written = definition("ORDER_PAID", &json!(purpose), template);
            shop.done(&owner, "journeyDraft", draft(written)).await;
            shop.refused(&owner, "journeyPublish", json!({ "code": "mine" }), "TEMPLATE_NOT_USABLE").await;
        }
        let mut written = offer("second_purchase");
        written["steps"][0]["coupon"] = json!("TEN");
        shop.done(&owner, "journeyDraft", draft(written)).await;
        shop.refused(&owner, "journeyPublish", json!({ "code": "mine" }), "COUPON_NOT_USABLE").await;
        shop.refused(&owner, "journeyPublish", json!({ "code": "nothing" }), "NOT_FOUND").await;
    }
}
