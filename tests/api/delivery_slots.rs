//! Delivery slots: never more places than there are, whoever asks at once, and each given back once.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use regulars::worker;
use serde_json::{Value as Json, json};

use crate::support::{Answer, Caller, TestApp, both_engines};

/// Makes a method by which slots are delivered.
async fn method(shop: &TestApp, server: &Caller) {
    let names = json!([{ "locale": "en", "name": "Bicycle" }]);
    let rates = json!([{ "currency": "EUR", "price": "4.95" }]);
    let method = json!({ "code": "bike", "names": names, "basis": "FLAT", "rates": rates });
    shop.done(server, "shippingMethodUpsert", method).await;
}

/// A slot tomorrow; what `change` says is different.
fn slot(shop: &TestApp, external_id: &str, change: Json) -> Json {
    let starts = shop.clock.now() + TimeDelta::days(1);
    let mut slot = json!({ "externalId": external_id, "method": "bike", "areas": [{ "country": "NL" }],
        "startsAt": starts, "endsAt": starts + TimeDelta::hours(2), "cutOffAt": starts - TimeDelta::hours(4), "capacity": 1 });
    let Json::Object(change) = change else { panic!("{change}") };
    slot.as_object_mut().unwrap().extend(change);
    slot
}

/// States one slot; answers its id.
async fn stated(shop: &TestApp, server: &Caller, external_id: &str, change: Json) -> Json {
    let slots = json!({ "slots": [slot(shop, external_id, change)] });
    shop.done(server, "deliverySlotsUpsert", slots).await["slots"][0]["id"].clone()
}

/// A method, and a slot with one place.
async fn one_place(shop: &TestApp, server: &Caller) -> Json {
    method(shop, server).await;
    stated(shop, server, "slot", json!({})).await
}

async fn taken(shop: &TestApp, external_id: &str) -> i64 {
    let owner = shop.as_staff(Role::Owner).await;
    let answer = shop.graphql(&owner, "{ deliverySlots { nodes { externalId taken } } }", json!({})).await;
    let slots = answer.at("/deliverySlots/nodes").as_array().unwrap().clone();
    let found = slots.iter().find(|slot| slot["externalId"] == external_id).unwrap();
    found["taken"].as_i64().unwrap()
}

/// Holds a place for somebody whom nobody knows.
async fn hold(shop: &TestApp, server: &Caller, slot: &Json, holder: &str) -> Answer {
    shop.mutate(server, "deliverySlotHold", json!({ "slotId": slot, "holder": holder })).await
}

/// Holds a place that there is.
async fn held(shop: &TestApp, server: &Caller, slot: &Json, holder: &str) -> Json {
    let answer = hold(shop, server, slot, holder).await;
    answer.assert_done();
    answer.payload()["hold"].clone()
}

async fn refused(shop: &TestApp, server: &Caller, slot: &Json, holder: &str, code: &str) {
    shop.refused(server, "deliverySlotHold", json!({ "slotId": slot, "holder": holder }), code).await;
}

async fn ordered(shop: &TestApp, server: &Caller, hold: &Json) -> Json {
    shop.record(server, json!({ "email": "guest@example.org", "deliverySlotHold": hold["id"] })).await
}

fn codes(answers: &[Answer], code: &str) -> usize {
    answers.iter().filter(|answer| answer.user_error_codes() == [code]).count()
}

fn done(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count()
}

both_engines! {
    async fn of_fifty_who_hold_the_only_place_at_once_one_does(shop: &TestApp) {
        let server = shop.as_server().await;
        let slot = one_place(shop, &server).await;
        let names: Vec<String> = (0..50).map(|number| format!("cart-{number}")).collect();
        let answers = join_all(names.iter().map(|name| hold(shop, &server, &slot, name))).await;
        assert_eq!((done(&answers), codes(&answers, "SLOT_FULL"), taken(shop, "slot").await), (1, 49, 1));
    }

    async fn a_place_that_nobody_orders_in_time_is_free_again_and_given_back_once(shop: &TestApp) {
        let server = shop.as_server().await;
        worker::arm_recurring(&shop.app).await.unwrap();
        shop.set(json!({ "slotHoldMinutes": 20 })).await;
        let slot = one_place(shop, &server).await;
        let first = held(shop, &server, &slot, "one").await;
        assert_eq!(first["expiresAt"], json!("2026-01-15T12:20:00+00:00"));
        shop.clock.advance(TimeDelta::minutes(20) - TimeDelta::seconds(1));
        shop.run_jobs().await;
        refused(shop, &server, &slot, "two", "SLOT_FULL").await;
        shop.clock.advance(TimeDelta::minutes(1));
        join_all((0..4).map(|_| shop.run_jobs())).await;
        assert_eq!(taken(shop, "slot").await, 0);
        held(shop, &server, &slot, "two").await;
        let release = json!({ "id": first["id"] });
        shop.refused(&server, "deliverySlotRelease", release, "NOT_FOUND").await;
        assert_eq!(taken(shop, "slot").await, 1);
    }

    async fn whoever_asks_for_a_full_slot_has_the_place_of_a_hold_that_lapsed(shop: &TestApp) {
        let server = shop.as_server().await;
        let slot = one_place(shop, &server).await;
        held(shop, &server, &slot, "one").await;
        shop.clock.advance(TimeDelta::minutes(15));
        // Nothing has swept it yet.
        let names: Vec<String> = (0..10).map(|number| format!("cart-{number}")).collect();
        let answers = join_all(names.iter().map(|name| hold(shop, &server, &slot, name))).await;
        assert_eq!((done(&answers), codes(&answers, "SLOT_FULL"), taken(shop, "slot").await), (1, 9, 1));
    }

    async fn a_cancelled_order_gives_its_place_back(shop: &TestApp) {
        let server = shop.as_server().await;
        let slot = one_place(shop, &server).await;
        for pays in [false, true] {
            let first = held(shop, &server, &slot, "one").await;
            let order = ordered(shop, &server, &first).await;
            let has = json!({ "id": first["id"], "state": "CONFIRMED" });
            assert_eq!((&order["deliverySlotHold"], &order["deliverySlotRefusal"]), (&has, &Json::Null));
            shop.clock.advance(TimeDelta::hours(1));
            worker::arm_recurring(&shop.app).await.unwrap();
            shop.run_jobs().await;
            refused(shop, &server, &slot, "two", "SLOT_FULL").await;
            if pays {
                shop.step(&server, "orderPay", &order).await;
            }
            let cancelled = shop.step(&server, "orderCancel", &order).await;
            assert_eq!(cancelled["deliverySlotHold"]["state"], "RELEASED");
            assert_eq!(taken(shop, "slot").await, 0);
        }
    }

    async fn a_customer_holds_one_place_of_a_slot_and_three_in_all(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 0).await;
        method(shop, &server).await;
        let mut slots = Vec::new();
        for number in 0..8 {
            slots.push(stated(shop, &server, &format!("slot-{number}"), json!({ "capacity": 5 })).await);
        }
        let own = |slot: &Json| json!({ "slotId": slot });
        let same = join_all((0..8).map(|_| shop.mutate(&joan, "deliverySlotHold", own(&slots[0])))).await;
        assert!(same.iter().all(|answer| answer.payload()["hold"]["id"] == same[0].payload()["hold"]["id"]));
        assert_eq!(taken(shop, "slot-0").await, 1);
        // The shop sees the numbers, the customer about how many.
        let seen = &same[0].payload()["hold"]["slot"];
        assert_eq!(seen, &json!({ "externalId": "slot-0", "method": "bike", "left": "FEW", "capacity": null, "taken": null }));
        let others = join_all(slots[1..].iter().map(|slot| shop.mutate(&joan, "deliverySlotHold", own(slot)))).await;
        assert_eq!((done(&others), codes(&others, "TOO_MANY_HOLDS")), (2, 5));
        // What has lapsed does not count, and was not prolonged by asking again.
        shop.clock.advance(TimeDelta::minutes(10));
        shop.done(&joan, "deliverySlotHold", own(&slots[0])).await;
        shop.clock.advance(TimeDelta::minutes(5));
        let for_joan = json!({ "slotId": slots[0], "customerId": joan.customer_id() });
        let again = shop.done(&server, "deliverySlotHold", for_joan).await;
        assert_ne!(again["hold"]["id"], same[0].payload()["hold"]["id"]);
        assert_eq!(taken(shop, "slot-0").await, 1);
    }

    async fn a_hold_is_released_by_whoever_has_it_once(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
        let slot = one_place(shop, &server).await;
        let hold = shop.done(&joan, "deliverySlotHold", json!({ "slotId": slot })).await["hold"].clone();
        let release = || json!({ "id": hold["id"] });
        shop.refused(&eve, "deliverySlotRelease", release(), "NOT_FOUND").await;
        let answers = join_all((0..6).map(|_| shop.mutate(&joan, "deliverySlotRelease", release()))).await;
        assert_eq!((done(&answers), codes(&answers, "NOT_FOUND"), taken(shop, "slot").await), (1, 5, 0));
        let own = shop.done(&joan, "deliverySlotHold", json!({ "slotId": slot })).await["hold"].clone();
        let foreign = shop.order_input(json!({ "customerId": eve.customer_id(), "deliverySlotHold": own["id"] }));
        let refused = shop.refused(&server, "orderRecord", foreign, "NOT_FOUND").await;
        assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["input", "deliverySlotHold"]));
        let order = json!({ "customerId": joan.customer_id(), "deliverySlotHold": own["id"] });
        shop.record(&server, order).await;
        // What an order has goes back with the order.
        shop.refused(&joan, "deliverySlotRelease", json!({ "id": own["id"] }), "NOT_FOUND").await;
    }

    async fn a_refusal_says_why(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
        let slot = one_place(shop, &server).await;
        shop.plan("plain", json!({})).await;
        shop.join(&eve, "plain").await;
        shop.plan("slots", json!({ "deliverySlots": true })).await;
        shop.join(&joan, "slots").await;
        let club = stated(shop, &server, "club", json!({ "membersOnly": true })).await;
        refused(shop, &server, &club, "one", "MEMBERS_ONLY").await;
        shop.refused(&eve, "deliverySlotHold", json!({ "slotId": club }), "MEMBERS_ONLY").await;
        shop.done(&joan, "deliverySlotHold", json!({ "slotId": club })).await;
        let invalid = [
            json!({ "slotId": slot }),
            json!({ "slotId": slot, "holder": "" }),
            json!({ "slotId": slot, "holder": "one", "customerId": joan.customer_id() }),
        ];
        for input in invalid {
            shop.refused(&server, "deliverySlotHold", input, "INVALID").await;
        }
        shop.refused(&joan, "deliverySlotHold", json!({ "slotId": slot, "holder": "one" }), "INVALID").await;
        shop.refused(&server, "deliverySlotClose", json!({ "externalId": "other" }), "NOT_FOUND").await;
        let shut = stated(shop, &server, "shut", json!({})).await;
        shop.done(&server, "deliverySlotClose", json!({ "externalId": "shut" })).await;
        refused(shop, &server, &shut, "one", "SLOT_CLOSED").await;
        // Stating it again does not open it.
        stated(shop, &server, "shut", json!({ "capacity": 9 })).await;
        refused(shop, &server, &shut, "one", "SLOT_CLOSED").await;
        shop.clock.advance(TimeDelta::hours(20));
        refused(shop, &server, &slot, "one", "CUT_OFF_PASSED").await;
    }

    async fn an_order_takes_again_what_lapsed_or_tells_why_it_could_not(shop: &TestApp) {
        let server = shop.as_server().await;
        worker::arm_recurring(&shop.app).await.unwrap();
        let slot = one_place(shop, &server).await;
        let (first, second) = (held(shop, &server, &slot, "one").await, "two");
        shop.clock.advance(TimeDelta::minutes(16));
        shop.run_jobs().await;
        let order = ordered(shop, &server, &first).await;
        assert_eq!((&order["deliverySlotHold"]["state"], &order["flags"]), (&json!("CONFIRMED"), &json!([])));
        let also = ordered(shop, &server, &first).await;
        assert_eq!((&also["deliverySlotRefusal"], &also["deliverySlotHold"]), (&json!("NOT_FOUND"), &Json::Null));
        assert_eq!(also["flags"], json!(["DELIVERY_SLOT_REFUSED"]));
        assert_eq!(taken(shop, "slot").await, 1);
        shop.step(&server, "orderCancel", &order).await;
        let second = held(shop, &server, &slot, second).await;
        shop.clock.advance(TimeDelta::minutes(16));
        shop.run_jobs().await;
        held(shop, &server, &slot, "three").await;
        let full = ordered(shop, &server, &second).await;
        assert_eq!((&full["deliverySlotRefusal"], &full["state"]), (&json!("SLOT_FULL"), &json!("PLACED")));
        assert_eq!(taken(shop, "slot").await, 1);
        shop.done(&server, "deliverySlotClose", json!({ "externalId": "slot" })).await;
        assert_eq!(ordered(shop, &server, &second).await["deliverySlotRefusal"], "SLOT_CLOSED");
        // A cancelled order, stated late, takes nothing.
        let other = stated(shop, &server, "other", json!({})).await;
        let other = held(shop, &server, &other, "four").await;
        let late = json!({ "email": "guest@example.org", "state": "CANCELLED", "deliverySlotHold": other["id"] });
        assert_eq!(shop.record(&server, late).await["deliverySlotHold"], Json::Null);
    }

    async fn of_orders_that_name_one_hold_while_it_lapses_one_has_the_place(shop: &TestApp) {
        let server = shop.as_server().await;
        worker::arm_recurring(&shop.app).await.unwrap();
        let slot = one_place(shop, &server).await;
        for round in 0..3 {
            let hold = held(shop, &server, &slot, &format!("cart-{round}")).await;
            shop.clock.advance(TimeDelta::minutes(16));
            let orders = join_all((0..6).map(|_| ordered(shop, &server, &hold)));
            let (orders, _, _) = tokio::join!(orders, shop.run_jobs(), shop.run_jobs());
            let has: Vec<_> = orders.iter().filter(|order| order["deliverySlotHold"]["state"] == "CONFIRMED").collect();
            let refused = orders.iter().filter(|order| order["deliverySlotRefusal"] == "NOT_FOUND").count();
            assert_eq!((has.len(), refused, taken(shop, "slot").await), (1, 5, 1));
            let cancel = || json!({ "id": has[0]["id"] });
            let answers = join_all((0..4).map(|_| shop.mutate(&server, "orderCancel", cancel()))).await;
            assert_eq!((done(&answers), taken(shop, "slot").await), (1, 0));
        }
    }

    async fn a_capacity_that_is_lowered_below_what_is_taken_sells_no_more(shop: &TestApp) {
        let server = shop.as_server().await;
        method(shop, &server).await;
        let slot = stated(shop, &server, "slot", json!({ "capacity": 3 })).await;
        let holds = [held(shop, &server, &slot, "one").await, held(shop, &server, &slot, "two").await];
        assert_eq!(stated(shop, &server, "slot", json!({ "capacity": 1 })).await, slot);
        assert_eq!(taken(shop, "slot").await, 2);
        refused(shop, &server, &slot, "three", "SLOT_FULL").await;
        shop.done(&server, "deliverySlotRelease", json!({ "id": holds[0]["id"] })).await;
        refused(shop, &server, &slot, "three", "SLOT_FULL").await;
        shop.done(&server, "deliverySlotRelease", json!({ "id": holds[1]["id"] })).await;
        held(shop, &server, &slot, "three").await;
    }

    async fn slots_that_several_state_while_others_hold_them_stay_in_order(shop: &TestApp) {
        let server = shop.as_server().await;
        method(shop, &server).await;
        let slots = |shop: &TestApp| {
            let all: Vec<Json> = (0..20).map(|number| slot(shop, &format!("slot-{number}"), json!({ "capacity": 2 }))).collect();
            json!({ "slots": all })
        };
        let first = shop.done(&server, "deliverySlotsUpsert", slots(shop)).await;
        let id = first["slots"][0]["id"].clone();
        let names: Vec<String> = (0..10).map(|number| format!("cart-{number}")).collect();
        let stating = join_all((0..4).map(|_| shop.mutate(&server, "deliverySlotsUpsert", slots(shop))));
        let holding = join_all(names.iter().map(|name| hold(shop, &server, &id, name)));
        let (stating, holding) = tokio::join!(stating, holding);
        assert_eq!((done(&stating), done(&holding), taken(shop, "slot-0").await), (4, 2, 2));
        let owner = shop.as_staff(Role::Owner).await;
        let query = "query ($after: String, $from: DateTime, $until: DateTime) { deliverySlots(first: 15, after: $after, from: $from, until: $until) {
            totalCount nodes { externalId capacity areas { country postalPrefixes } } pageInfo { hasNextPage endCursor } } }";
        let page = shop.graphql(&owner, query, json!({})).await;
        assert_eq!((page.at("/deliverySlots/totalCount"), page.at("/deliverySlots/pageInfo/hasNextPage")), (&json!(20), &json!(true)));
        let rest = shop.graphql(&owner, query, json!({ "after": page.text("/deliverySlots/pageInfo/endCursor") })).await;
        assert_eq!(rest.at("/deliverySlots/nodes").as_array().unwrap().len(), 5);
        let starts = shop.clock.now() + TimeDelta::days(1);
        for (range, count) in [(json!({ "from": starts }), 20), (json!({ "until": starts }), 0)] {
            assert_eq!(shop.graphql(&owner, query, range).await.at("/deliverySlots/totalCount"), count);
        }
    }

    async fn what_a_slot_cannot_be_is_refused_with_all_the_others(shop: &TestApp) {
        let server = shop.as_server().await;
        method(shop, &server).await;
        let now = shop.clock.now();
        let many: Vec<Json> = (0..101).map(|number| json!(format!("{number}"))).collect();
        for (change, field, code) in [
            (json!({ "externalId": "a b" }), "externalId", "INVALID"),
            (json!({ "externalId": "good" }), "externalId", "INVALID"),
            (json!({ "method": "boat" }), "method", "NOT_FOUND"),
            (json!({ "areas": [] }), "areas", "INVALID"),
            (json!({ "areas": [{ "country": "NL" }, { "country": "NL" }] }), "areas", "INVALID"),
            (json!({ "areas": [{ "country": "NL", "postalPrefixes": ["10 12", "1012"] }] }), "areas", "INVALID"),
            (json!({ "areas": [{ "country": "NL", "postalPrefixes": [" "] }] }), "areas", "INVALID"),
            (json!({ "areas": [{ "country": "NL", "postalPrefixes": many }] }), "areas", "INVALID"),
            (json!({ "endsAt": now }), "endsAt", "INVALID"),
            (json!({ "cutOffAt": now + TimeDelta::days(2) }), "cutOffAt", "INVALID"),
            (json!({ "capacity": -1 }), "capacity", "INVALID"),
            (json!({ "capacity": 100_001 }), "capacity", "INVALID"),
        ] {
            let slots = json!({ "slots": [slot(shop, "good", json!({})), slot(shop, "bad", change.clone())] });
            let refused = shop.refused(&server, "deliverySlotsUpsert", slots, code).await;
            assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["input", "slots", "1", field]), "{change}");
        }
        shop.refused(&server, "deliverySlotsUpsert", json!({ "slots": [] }), "INVALID").await;
    }

    async fn who_stays_of_two_customers_has_what_the_other_held(shop: &TestApp) {
        let server = shop.as_server().await;
        let owner = shop.as_staff(Role::Owner).await;
        let (joan, double) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
        let slot = one_place(shop, &server).await;
        let hold = shop.done(&double, "deliverySlotHold", json!({ "slotId": slot })).await["hold"].clone();
        let merge = json!({ "fromId": double.customer_id(), "intoId": joan.customer_id(), "reason": "one person" });
        let mutation = "mutation ($input: CustomerMergeInput!) { customerMerge(input: $input) { userErrors { code } } }";
        let mut input = merge;
        input["idempotencyKey"] = json!("merge");
        shop.graphql(&owner, mutation, json!({ "input": input })).await.assert_done();
        shop.done(&joan, "deliverySlotRelease", json!({ "id": hold["id"] })).await;
        assert_eq!(taken(shop, "slot").await, 0);
    }
}
