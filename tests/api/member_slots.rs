//! Delivery slots for members only: who can have a place, who loses it, and what having one does to withdrawing. The order
//! that a membership is joined with, and what it has of that.

use chrono::TimeDelta;
use regulars::auth::viewer::Scope;
use regulars::worker::arm_recurring;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, line};

/// A method by which shipping costs € 4.95, a plan with free shipping and slots, and a customer.
async fn opened(shop: &TestApp) -> (Caller, Caller) {
    let server = shop.as_server().await;
    let rate = json!({ "currency": "EUR", "price": "4.95" });
    let method = json!({ "code": "bike", "names": [{ "locale": "en", "name": "Bicycle" }], "basis": "FLAT", "rates": [rate] });
    shop.done(&server, "shippingMethodUpsert", method).await;
    shop.plan("plus", json!({ "freeShipping": {}, "deliverySlots": true })).await;
    (server, shop.as_customer().await)
}

/// A slot in so many days; answers its id.
async fn slot(shop: &TestApp, server: &Caller, name: &str, days: i64, members_only: bool) -> Json {
    let starts = shop.clock.now() + TimeDelta::days(days);
    let slot = json!({ "externalId": name, "method": "bike", "areas": [{ "country": "NL" }], "startsAt": starts,
        "endsAt": starts + TimeDelta::hours(2), "cutOffAt": starts, "capacity": 5, "membersOnly": members_only });
    shop.done(server, "deliverySlotsUpsert", json!({ "slots": [slot] })).await["slots"][0]["id"].clone()
}

async fn hold(shop: &TestApp, who: &Caller, slot: &Json) -> Json {
    shop.done(who, "deliverySlotHold", json!({ "slotId": slot })).await["hold"]["id"].clone()
}

/// An order by bicycle that was charged so much shipping, with what `more` says.
fn order(who: &Caller, shipping: &str, more: &Json) -> Json {
    let address = json!({ "line1": "Dam 1", "city": "Amsterdam", "country": "NL" });
    let mut order = json!({ "customerId": who.customer_id(), "shipping": shipping, "shippingMethod": "bike",
        "shippingAddress": address, "lines": [line("tea", 1, "20.00")] });
    order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    order
}

fn withdrawing(membership: &Json) -> Json {
    json!({ "membershipId": membership, "when": "WITHDRAW" })
}

async fn taken(shop: &TestApp, name: &str) -> i64 {
    let server = shop.as_server().await;
    let answer = shop.graphql(&server, "{ deliverySlots { nodes { externalId taken } } }", json!({})).await;
    let slots = answer.at("/deliverySlots/nodes").as_array().unwrap().clone();
    slots.iter().find(|slot| slot["externalId"] == name).unwrap()["taken"].as_i64().unwrap()
}

/// Why the membership that was asked for last ended, and what became of its charge.
async fn last_membership(shop: &TestApp) -> Json {
    let server = shop.as_server().await;
    let query = "{ memberships(first: 1) { nodes { endedBecause charges { status } } } }";
    shop.graphql(&server, query, json!({})).await.at("/memberships/nodes/0").clone()
}

async fn slots_of(shop: &TestApp, who: &Caller) -> Json {
    let query =
        "{ me { membership { slots { state expiresAt slot { externalId } order { externalId } } } } }";
    shop.graphql(who, query, json!({})).await.at("/me/membership/slots").clone()
}

both_engines! {
    async fn an_order_with_a_place_for_members_only_is_the_end_of_withdrawing(shop: &TestApp) {
        let (server, joan) = opened(shop).await;
        let (club, all) = (slot(shop, &server, "club", 1, true).await, slot(shop, &server, "all", 1, false).await);
        let id = json!(shop.join(&joan, "plus").await);
        // A place that everybody can have, shipping that was paid, and a place that is only held are no benefit.
        let everybodys = json!({ "deliverySlotHold": hold(shop, &joan, &all).await });
        shop.record(&server, order(&joan, "4.95", &everybodys)).await;
        let held = json!({ "deliverySlotHold": hold(shop, &joan, &club).await });
        let eve = shop.as_customer().await;
        let eves = json!(shop.join(&eve, "plus").await);
        hold(shop, &eve, &club).await;
        shop.done(&eve, "membershipCancel", withdrawing(&eves)).await;
        shop.record(&server, order(&joan, "4.95", &held)).await;
        shop.refused(&joan, "membershipCancel", withdrawing(&id), "BENEFIT_USED").await;
    }

    async fn what_was_held_as_a_member_is_not_ordered_by_whoever_withdrew(shop: &TestApp) {
        let (server, joan) = opened(shop).await;
        let club = slot(shop, &server, "club", 1, true).await;
        let id = json!(shop.join(&joan, "plus").await);
        let held = json!({ "deliverySlotHold": hold(shop, &joan, &club).await });
        shop.done(&joan, "membershipCancel", withdrawing(&id)).await;
        let order = shop.record(&server, order(&joan, "4.95", &held)).await;
        assert_eq!((&order["deliverySlotRefusal"], &order["deliverySlotHold"]), (&json!("MEMBERS_ONLY"), &Json::Null));
    }

    async fn a_joined_order_that_is_paid_is_the_end_of_withdrawing_and_its_cancellation_gives_the_fee_back(shop: &TestApp) {
        let (server, joan) = opened(shop).await;
        let club = slot(shop, &server, "club", 1, true).await;
        // Free shipping, and a place for members only with shipping that was paid.
        for (shipping, has_place) in [("0.00", false), ("4.95", true)] {
            let begun = shop.begin_membership(&joan, "plus").await;
            let id = begun["membership"]["id"].clone();
            let mut joined = json!({ "membershipId": id });
            if has_place {
                joined["deliverySlotHold"] = hold(shop, &joan, &club).await;
            }
            let order = shop.record(&server, order(&joan, shipping, &joined)).await;
            assert_eq!(order["deliverySlotRefusal"], Json::Null);
            assert_eq!(shop.confirm_membership(&begun, "pays").await, 204);
            shop.step(&server, "orderPay", &order).await;
            shop.refused(&joan, "membershipCancel", withdrawing(&id), "BENEFIT_USED").await;
            shop.step(&server, "orderCancel", &order).await;
            arm_recurring(&shop.app).await.unwrap();
            shop.clock.advance(TimeDelta::minutes(1));
            shop.run_jobs().await;
            let expected = json!({ "endedBecause": "WITHDRAWN", "charges": [{ "status": "REFUNDED" }] });
            assert_eq!(last_membership(shop).await, expected);
        }
        assert_eq!(taken(shop, "club").await, 0);
    }

    async fn a_joined_order_that_has_nothing_of_it_or_is_not_paid_does_not_end_withdrawing(shop: &TestApp) {
        let (server, joan) = opened(shop).await;
        for (shipping, is_paid) in [("4.95", true), ("0.00", false)] {
            let begun = shop.begin_membership(&joan, "plus").await;
            let id = begun["membership"]["id"].clone();
            let order = shop.record(&server, order(&joan, shipping, &json!({ "membershipId": id }))).await;
            assert_eq!(shop.confirm_membership(&begun, "pays").await, 204);
            if is_paid {
                shop.step(&server, "orderPay", &order).await;
                shop.step(&server, "orderShip", &order).await;
            }
            shop.done(&joan, "membershipCancel", withdrawing(&id)).await;
            if !is_paid {
                let pay = json!({ "id": order["id"] });
                shop.refused(&server, "orderPay", pay, "MEMBERSHIP_NOT_CHARGED").await;
            }
        }
    }

    async fn cancelling_the_joined_order_leaves_a_membership_that_was_used_since(shop: &TestApp) {
        let (server, joan) = opened(shop).await;
        let begun = shop.begin_membership(&joan, "plus").await;
        let joined = json!({ "membershipId": begun["membership"]["id"] });
        let joined = shop.record(&server, order(&joan, "0.00", &joined)).await;
        shop.confirm_membership(&begun, "pays").await;
        shop.step(&server, "orderPay", &joined).await;
        shop.record(&server, order(&joan, "0.00", &json!({}))).await;
        shop.step(&server, "orderCancel", &joined).await;
        shop.run_jobs().await;
        let expected = json!({ "endedBecause": null, "charges": [{ "status": "PAID" }] });
        assert_eq!(last_membership(shop).await, expected);
    }

    async fn of_withdrawing_and_paying_the_joined_order_at_once_one_happens(shop: &TestApp) {
        let (server, joan) = opened(shop).await;
        for _ in 0..4 {
            let begun = shop.begin_membership(&joan, "plus").await;
            let id = begun["membership"]["id"].clone();
            let order = shop.record(&server, order(&joan, "0.00", &json!({ "membershipId": id }))).await;
            assert_eq!(shop.confirm_membership(&begun, "pays").await, 204);
            let pay = shop.mutate(&server, "orderPay", json!({ "id": order["id"] }));
            let (pay, withdraw) = tokio::join!(pay, shop.mutate(&joan, "membershipCancel", withdrawing(&id)));
            if withdraw.user_error_codes().is_empty() {
                pay.assert_user_error("MEMBERSHIP_NOT_CHARGED");
            } else {
                withdraw.assert_user_error("BENEFIT_USED");
                assert_eq!(pay.payload()["order"]["state"], "PAID");
                shop.step(&server, "orderCancel", &order).await;
            }
            shop.run_jobs().await;
        }
    }

    async fn whoever_joins_inside_an_order_has_a_place_for_members_only(shop: &TestApp) {
        let (server, joan) = opened(shop).await;
        let club = slot(shop, &server, "club", 1, true).await;
        shop.refused(&joan, "deliverySlotHold", json!({ "slotId": club }), "MEMBERS_ONLY").await;
        shop.plan("plain", json!({})).await;
        shop.begin_membership(&joan, "plain").await;
        shop.refused(&joan, "deliverySlotHold", json!({ "slotId": club }), "MEMBERS_ONLY").await;
        let begun = shop.begin_membership(&joan, "plus").await;
        let held = hold(shop, &joan, &club).await;
        let joined = json!({ "membershipId": begun["membership"]["id"], "deliverySlotHold": held });
        let order = shop.record(&server, order(&joan, "0.00", &joined)).await;
        assert_eq!(order["deliverySlotHold"], json!({ "id": held, "state": "CONFIRMED" }));
        shop.confirm_membership(&begun, "pays").await;
        let paid = shop.step(&server, "orderPay", &order).await;
        assert_eq!((&paid["deliverySlotHold"]["state"], &paid["flags"]), (&json!("CONFIRMED"), &json!([])));
        assert_eq!(taken(shop, "club").await, 1);
    }

    async fn a_place_for_members_only_goes_back_with_the_membership_that_is_given_up(shop: &TestApp) {
        let (server, joan) = opened(shop).await;
        let (club, all) = (slot(shop, &server, "club", 1, true).await, slot(shop, &server, "all", 1, false).await);
        for (slot, name, left) in [(&club, "club", 0), (&all, "all", 1)] {
            let begun = shop.begin_membership(&joan, "plus").await;
            let held = hold(shop, &joan, slot).await;
            let joined = json!({ "membershipId": begun["membership"]["id"], "deliverySlotHold": held });
            let order = shop.record(&server, order(&joan, "0.00", &joined)).await;
            let pay = json!({ "id": order["id"], "withoutMembership": true });
            let paid = shop.done(&server, "orderPay", pay).await["order"].clone();
            assert_eq!((&paid["state"], &paid["total"]["amount"]), (&json!("PAID"), &json!("24.95")));
            let (state, refusal, flags) = if left == 0 {
                ("RELEASED", json!("MEMBERS_ONLY"), json!(["DELIVERY_SLOT_REFUSED"]))
            } else {
                ("CONFIRMED", Json::Null, json!([]))
            };
            assert_eq!(paid["deliverySlotHold"], json!({ "id": held, "state": state }));
            assert_eq!((&paid["deliverySlotRefusal"], &paid["flags"], taken(shop, name).await), (&refusal, &flags, left));
            // Given back once.
            shop.step(&server, "orderCancel", &order).await;
            assert_eq!(taken(shop, name).await, 0);
        }
    }

    async fn a_membership_that_is_paid_is_not_given_up_nor_its_place(shop: &TestApp) {
        let (server, joan) = opened(shop).await;
        let club = slot(shop, &server, "club", 1, true).await;
        let begun = shop.begin_membership(&joan, "plus").await;
        let joined = json!({ "membershipId": begun["membership"]["id"], "deliverySlotHold": hold(shop, &joan, &club).await });
        let order = shop.record(&server, order(&joan, "0.00", &joined)).await;
        shop.confirm_membership(&begun, "pays").await;
        let paid = shop.done(&server, "orderPay", json!({ "id": order["id"], "withoutMembership": true })).await;
        assert_eq!(paid["order"]["deliverySlotHold"]["state"], "CONFIRMED");
        assert_eq!(taken(shop, "club").await, 1);
    }

    async fn a_place_that_was_held_while_joining_is_not_for_an_order_without_the_membership(shop: &TestApp) {
        let (server, joan) = opened(shop).await;
        arm_recurring(&shop.app).await.unwrap();
        let club = slot(shop, &server, "club", 1, true).await;
        let begun = shop.begin_membership(&joan, "plus").await;
        let held = json!({ "deliverySlotHold": hold(shop, &joan, &club).await });
        let refused = shop.record(&server, order(&joan, "4.95", &held)).await;
        assert_eq!(refused["flags"], json!(["DELIVERY_SLOT_REFUSED"]));
        assert_eq!((&refused["deliverySlotRefusal"], &refused["deliverySlotHold"]), (&json!("MEMBERS_ONLY"), &Json::Null));
        // Whoever is a member by then has it.
        shop.confirm_membership(&begun, "pays").await;
        let has = shop.record(&server, order(&joan, "4.95", &held)).await;
        assert_eq!(has["deliverySlotHold"]["state"], "CONFIRMED");
        shop.refused(&joan, "membershipCancel", withdrawing(&begun["membership"]["id"]), "BENEFIT_USED").await;
        // What nobody ordered lapses, and is not taken again by whoever only joined.
        let eve = shop.as_customer().await;
        shop.begin_membership(&eve, "plus").await;
        let eves = json!({ "deliverySlotHold": hold(shop, &eve, &club).await });
        shop.clock.advance(TimeDelta::minutes(16));
        shop.run_jobs().await;
        assert_eq!(taken(shop, "club").await, 1);
        let late = shop.record(&server, order(&eve, "4.95", &eves)).await;
        assert_eq!((&late["deliverySlotRefusal"], taken(shop, "club").await), (&json!("MEMBERS_ONLY"), 1));
    }

    async fn a_membership_shows_the_places_that_are_not_over_the_earliest_first(shop: &TestApp) {
        let (server, eve) = opened(shop).await;
        let joan = shop.as_customer_with_password().await;
        for one in [&joan, &eve] {
            shop.join(one, "plus").await;
        }
        assert_eq!(slots_of(shop, &joan).await, json!([]));
        let mut slots = Vec::new();
        for (name, days) in [("late", 9), ("soon", 1), ("next", 2), ("other", 3)] {
            slots.push(slot(shop, &server, name, days, name == "next").await);
        }
        let ordered = json!({ "externalId": "o-1", "deliverySlotHold": hold(shop, &joan, &slots[0]).await });
        shop.record(&server, order(&joan, "4.95", &ordered)).await;
        // A place that was held before anybody knew for whom.
        let cart = json!({ "slotId": slots[1], "holder": "cart-1" });
        let cart = shop.done(&server, "deliverySlotHold", cart).await["hold"]["id"].clone();
        let ordered = json!({ "externalId": "o-2", "deliverySlotHold": cart });
        shop.record(&server, order(&joan, "4.95", &ordered)).await;
        hold(shop, &joan, &slots[2]).await;
        let cancelled = json!({ "deliverySlotHold": hold(shop, &joan, &slots[3]).await });
        let cancelled = shop.record(&server, order(&joan, "4.95", &cancelled)).await;
        shop.step(&server, "orderCancel", &cancelled).await;
        hold(shop, &eve, &slots[3]).await;
        let until = json!("2026-01-15T12:15:00+00:00");
        let place = |state: &str, name: &str, order: Json| {
            json!({ "state": state, "expiresAt": until, "slot": { "externalId": name }, "order": order })
        };
        let late = || place("CONFIRMED", "late", json!({ "externalId": "o-1" }));
        let soon = || place("CONFIRMED", "soon", json!({ "externalId": "o-2" }));
        assert_eq!(slots_of(shop, &joan).await, json!([soon(), place("HELD", "next", Json::Null), late()]));
        let query = "{ memberships(first: 5) { nodes { customerId slots { slot { externalId } } } } }";
        let all = shop.graphql(&server, query, json!({})).await;
        let names: Vec<usize> = all.at("/memberships/nodes").as_array().unwrap().iter().map(|one| one["slots"].as_array().unwrap().len()).collect();
        assert_eq!(names, [1, 3]);
        // The hold lapses, swept or not, and a window ends.
        shop.clock.advance(TimeDelta::minutes(15));
        let joan = shop.another_session(&joan.email).await;
        assert_eq!(slots_of(shop, &joan).await, json!([soon(), late()]));
        shop.clock.advance(TimeDelta::days(1) + TimeDelta::hours(2));
        let joan = shop.another_session(&joan.email).await;
        assert_eq!(slots_of(shop, &joan).await, json!([late()]));
    }

    async fn the_place_of_an_order_of_a_guest_is_shown_once_that_is_a_member(shop: &TestApp) {
        let (server, _) = opened(shop).await;
        let all = slot(shop, &server, "all", 1, false).await;
        let held = shop.done(&server, "deliverySlotHold", json!({ "slotId": all, "holder": "cart-1" })).await;
        let guest = json!({ "externalId": "o-1", "email": "gil@example.org", "deliverySlotHold": held["hold"]["id"] });
        shop.record(&server, guest).await;
        let gil = shop.as_customer_at("gil@example.org").await;
        shop.join(&gil, "plus").await;
        assert_eq!(slots_of(shop, &gil).await[0]["order"], json!({ "externalId": "o-1" }));
    }

    async fn an_order_tells_the_membership_that_it_was_joined_with(shop: &TestApp) {
        let (server, joan) = opened(shop).await;
        let begun = shop.begin_membership(&joan, "plus").await;
        let id = begun["membership"]["id"].clone();
        let joined = shop.record(&server, order(&joan, "0.00", &json!({ "membershipId": id }))).await;
        let alone = shop.record(&server, order(&joan, "4.95", &json!({}))).await;
        let query = "query ($id: ID!) { order(id: $id) { membership { id state } } }";
        for caller in [&server, &joan] {
            let told = shop.graphql(caller, query, json!({ "id": joined["id"] })).await;
            assert_eq!(*told.at("/order/membership"), json!({ "id": id, "state": "INCOMPLETE" }));
            let told = shop.graphql(caller, query, json!({ "id": alone["id"] })).await;
            assert_eq!(*told.at("/order/membership"), Json::Null);
        }
        let reads_orders = shop.as_shop_key(&[Scope::OrdersRead]).await;
        shop.graphql(&reads_orders, query, json!({ "id": joined["id"] })).await.assert_error("FORBIDDEN");
        let pay = json!({ "id": joined["id"], "withoutMembership": true });
        shop.done(&server, "orderPay", pay).await;
        let told = shop.graphql(&server, query, json!({ "id": joined["id"] })).await;
        assert_eq!(*told.at("/order/membership"), Json::Null);
    }
}
