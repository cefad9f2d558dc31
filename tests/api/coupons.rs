//! Coupons: what they take off, why not, and limits that hold whoever asks at once.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, line};

fn cart(total: &str) -> Json {
    json!({ "currency": "EUR", "lines": [{ "sku": "A-1", "categories": ["tea"], "lineTotal": total }], "shipping": "4.95" })
}

async fn made(shop: &TestApp, mut coupon: Json) -> Json {
    let owner = shop.as_staff(Role::Owner).await;
    if coupon.get("name").is_none() {
        coupon["name"] = json!("Ten per cent off");
    }
    shop.done(&owner, "couponCreate", coupon).await["coupon"].clone()
}

async fn used(shop: &TestApp, code: &str) -> i64 {
    let owner = shop.as_staff(Role::Owner).await;
    let query = "query ($code: String!) { coupons(code: $code) { nodes { used } } }";
    let answer = shop.graphql(&owner, query, json!({ "code": code })).await;
    answer.at("/coupons/nodes/0/used").as_i64().unwrap()
}

async fn explained(shop: &TestApp, caller: &Caller, code: &str, cart: Json) -> Json {
    let query = "query ($code: String!, $cart: CouponCartInput!) { explainCoupon(code: $code, cart: $cart) {
        applies refusal discount { amount } discountByLine { amount } discountOfShipping { amount } } }";
    let variables = json!({ "code": code, "cart": cart });
    let answer = shop.unchanged_by(async || shop.graphql(caller, query, variables).await).await;
    answer.at("/explainCoupon").clone()
}

/// An order of a customer that names a coupon.
async fn ordered(shop: &TestApp, server: &Caller, joan: &Caller, code: &str) -> Json {
    let lines = json!([line("A-1", 1, "9.00")]);
    shop.record(server, json!({ "customerId": joan.customer_id(), "coupon": code, "lines": lines })).await
}

both_engines! {
    async fn of_fifty_who_use_a_coupon_with_ten_left_at_once_ten_do(shop: &TestApp) {
        let server = shop.as_server().await;
        made(shop, json!({ "code": "TEN", "percent": "0.1", "totalLimit": 10 })).await;
        let mut people = Vec::new();
        for _ in 0..50 {
            people.push(shop.as_member(&server, 0).await);
        }
        let reserve = async |one: &Caller| {
            let input = json!({ "code": "ten", "cart": cart("10.00"), "customerId": one.customer_id() });
            shop.mutate(&server, "couponReserve", input).await
        };
        let answers = join_all(people.iter().map(reserve)).await;
        let done = answers.iter().filter(|answer| answer.payload()["couponUse"]["state"] == "RESERVED").count();
        let refused =
            answers.iter().filter(|answer| answer.payload()["userErrors"][0]["code"] == "LIMIT_REACHED").count();
        assert_eq!((done, refused, used(shop, "TEN").await), (10, 40, 10));
    }

    async fn of_ten_uses_by_one_customer_at_once_as_many_are_made_as_one_may(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 0).await;
        made(shop, json!({ "code": "TWICE", "percent": "0.1", "customerLimit": 2 })).await;
        let orders = join_all((0..10).map(|_| ordered(shop, &server, &joan, "TWICE"))).await;
        let refused: Vec<_> = orders.iter().filter(|order| order["couponRefusal"] == "CUSTOMER_LIMIT_REACHED").collect();
        assert_eq!((refused.len(), used(shop, "TWICE").await), (8, 2));
        assert!(refused.iter().all(|order| order["flags"] == json!(["COUPON_REFUSED"])));
    }

    async fn a_reserved_use_is_taken_by_the_order_and_comes_back_if_it_is_not_paid(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
        made(shop, json!({ "code": "ONE", "percent": "0.1", "totalLimit": 1 })).await;
        let reserve = || json!({ "code": "ONE", "cart": cart("10.00") });
        let first = shop.done(&joan, "couponReserve", reserve()).await;
        assert_eq!(first["couponUse"]["discount"], json!({ "amount": "1.00", "currency": "EUR" }));
        let again = shop.done(&joan, "couponReserve", reserve()).await;
        assert_eq!(again["couponUse"]["id"], first["couponUse"]["id"]);
        shop.refused(&eve, "couponReserve", reserve(), "LIMIT_REACHED").await;
        let order = ordered(shop, &server, &joan, "ONE").await;
        assert_eq!((order["couponRefusal"].clone(), used(shop, "ONE").await), (Json::Null, 1));
        let release = json!({ "id": first["couponUse"]["id"] });
        shop.refused(&joan, "couponRelease", release, "NOT_FOUND").await;
        // The payment fails.
        shop.step(&server, "orderCancel", &order).await;
        assert_eq!(used(shop, "ONE").await, 0);
        shop.done(&eve, "couponReserve", reserve()).await;
        assert_eq!(used(shop, "ONE").await, 1);
    }

    async fn what_a_cart_reserved_comes_back_by_release_and_by_time_once(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
        made(shop, json!({ "code": "FIVE", "amount": "5.00" })).await;
        let reserve = || json!({ "code": "FIVE", "cart": cart("10.00") });
        let first = shop.done(&joan, "couponReserve", reserve()).await;
        shop.done(&eve, "couponReserve", reserve()).await;
        let release = || json!({ "id": first["couponUse"]["id"] });
        shop.refused(&eve, "couponRelease", release(), "NOT_FOUND").await;
        let answers = join_all((0..5).map(|_| shop.mutate(&joan, "couponRelease", release()))).await;
        let done = answers.iter().filter(|answer| answer.payload()["couponUse"]["state"] == "RELEASED").count();
        assert_eq!((done, used(shop, "FIVE").await), (1, 1));
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.clock.advance(TimeDelta::minutes(31));
        shop.run_jobs().await;
        assert_eq!(used(shop, "FIVE").await, 0);
    }

    async fn a_paid_order_keeps_its_coupon_if_the_terms_say_so(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 0).await;
        made(shop, json!({ "code": "BACK", "percent": "0.1" })).await;
        made(shop, json!({ "code": "GONE", "percent": "0.1", "backOnCancel": false })).await;
        for (code, left) in [("BACK", 0), ("GONE", 1)] {
            let order = ordered(shop, &server, &joan, code).await;
            shop.step(&server, "orderPay", &order).await;
            shop.step(&server, "orderCancel", &order).await;
            assert_eq!(used(shop, code).await, left, "{code}");
        }
        let unpaid = ordered(shop, &server, &joan, "GONE").await;
        shop.step(&server, "orderCancel", &unpaid).await;
        assert_eq!(used(shop, "GONE").await, 1);
    }

    async fn a_refusal_says_why(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
        let now = shop.clock.now();
        let (soon, later) = (now + TimeDelta::hours(1), now + TimeDelta::hours(2));
        for coupon in [
            json!({ "code": "SOON", "percent": "0.1", "startsAt": soon }),
            json!({ "code": "LATER", "percent": "0.1", "endsAt": later }),
            json!({ "code": "RICH", "percent": "0.1", "minimum": "10.01" }),
            json!({ "code": "JOANS", "percent": "0.1", "customerId": joan.customer_id() }),
            json!({ "code": "ALONE", "percent": "0.1", "withPoints": false }),
            json!({ "code": "COFFEE", "percent": "0.1", "categories": ["coffee"] }),
            json!({ "code": "ONCE", "percent": "0.1", "customerLimit": 1 }),
            json!({ "code": "FREE", "freeShipping": true }),
        ] {
            made(shop, coupon).await;
        }
        let joans = ordered(shop, &server, &joan, "ONCE").await;
        assert_eq!(joans["couponRefusal"], Json::Null);
        let mut with_points = cart("10.00");
        with_points["withPoints"] = json!(true);
        let cases = [
            (&joan, "NOBODYS", cart("10.00"), "NOT_FOUND"),
            (&joan, "SOON", cart("10.00"), "NOT_STARTED"),
            (&joan, "RICH", cart("10.00"), "MINIMUM_NOT_MET"),
            (&eve, "JOANS", cart("10.00"), "WRONG_CUSTOMER"),
            (&joan, "ALONE", with_points, "NOT_COMBINABLE"),
            (&joan, "COFFEE", cart("10.00"), "CART_DOES_NOT_MATCH"),
            (&joan, "ONCE", cart("10.00"), "CUSTOMER_LIMIT_REACHED"),
        ];
        for (caller, code, cart, reason) in cases {
            assert_eq!(explained(shop, caller, code, cart.clone()).await["refusal"], reason, "{code}");
            shop.refused(caller, "couponReserve", json!({ "code": code, "cart": cart }), reason).await;
        }
        let free = explained(shop, &joan, " free ", cart("10.00")).await;
        let none = json!({ "amount": "0.00" });
        assert_eq!(free, json!({ "applies": true, "refusal": null, "discount": { "amount": "4.95" },
            "discountByLine": [none], "discountOfShipping": { "amount": "4.95" } }));
        shop.clock.advance(TimeDelta::hours(2));
        assert_eq!(explained(shop, &Caller::anonymous(), "LATER", cart("10.00")).await["refusal"], "EXPIRED");
    }

    async fn a_coupon_that_cannot_be_is_refused_with_its_field(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let cases = [
            (json!({ "code": "NO", "percent": "0.1" }), "code"),
            (json!({ "code": "TEN" }), "percent"),
            (json!({ "code": "TEN", "percent": "0.1", "amount": "1.00" }), "percent"),
            (json!({ "code": "TEN", "percent": "1.1" }), "percent"),
            (json!({ "code": "TEN", "amount": "0.00" }), "amount"),
            (json!({ "code": "TEN", "percent": "0.1", "totalLimit": 0 }), "totalLimit"),
            (json!({ "code": "TEN", "percent": "0.1", "startsAt": "2026-02-01T00:00:00Z",
                "endsAt": "2026-02-01T00:00:00Z" }), "endsAt"),
        ];
        for (mut coupon, field) in cases {
            coupon["name"] = json!("A coupon");
            let refused = shop.refused(&owner, "couponCreate", coupon, "INVALID").await;
            assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["input", field]));
        }
        let made = made(shop, json!({ "percent": "0.1" })).await;
        assert_eq!(made["code"].as_str().unwrap().len(), 16);
        let same = json!({ "code": made["code"].as_str().unwrap().to_lowercase(), "name": "x", "percent": "0.1" });
        shop.refused(&owner, "couponCreate", same, "CODE_TAKEN").await;
        shop.done(&owner, "couponDisable", json!({ "id": made["id"] })).await;
        let gone = explained(shop, &Caller::anonymous(), made["code"].as_str().unwrap(), cart("10.00")).await;
        assert_eq!(gone["refusal"], "EXPIRED");
    }

    async fn an_order_uses_a_coupon_that_is_for_what_it_sells_whatever_the_cart_reserved(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 100).await;
        made(shop, json!({ "code": "RICH", "percent": "0.1", "minimum": "10.00", "customerLimit": 1 })).await;
        // € 10 less 10 % are stated as € 9.
        let first = ordered(shop, &server, &joan, "RICH").await;
        assert_eq!(first["couponRefusal"], Json::Null);
        let second = ordered(shop, &server, &joan, "RICH").await;
        assert_eq!(second["couponRefusal"], "CUSTOMER_LIMIT_REACHED");
        let tea = json!({ "code": "TEA", "percent": "0.1", "categories": ["tea"], "withPoints": false });
        made(shop, tea).await;
        shop.done(&joan, "couponReserve", json!({ "code": "TEA", "cart": cart("10.00") })).await;
        assert_eq!(ordered(shop, &server, &joan, "TEA").await["couponRefusal"], "CART_DOES_NOT_MATCH");
        let hold = shop.done(&joan, "pointsHold", json!({ "points": 10 })).await;
        let mut with_points = line("T-1", 1, "9.00");
        with_points["categories"] = json!(["tea"]);
        let order = json!({ "customerId": joan.customer_id(), "coupon": "TEA", "lines": [with_points],
            "holdId": hold["hold"]["id"] });
        assert_eq!(shop.record(&server, order).await["couponRefusal"], "NOT_COMBINABLE");
        made(shop, json!({ "code": "FIVE", "amount": "5.00" })).await;
        let cancelled = json!({ "customerId": joan.customer_id(), "coupon": "FIVE", "state": "CANCELLED" });
        shop.record(&server, cancelled).await;
        assert_eq!(used(shop, "FIVE").await, 0);
    }

    async fn the_coupon_of_an_order_that_nobody_pays_comes_back_and_a_late_payment_takes_it_again(shop: &TestApp) {
        let server = shop.as_server().await;
        let (joan, eve) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.set_programme(json!({ "orderHoldDays": 3 })).await;
        made(shop, json!({ "code": "ONE", "percent": "0.1", "totalLimit": 1 })).await;
        made(shop, json!({ "code": "EACH", "percent": "0.1", "customerLimit": 1 })).await;
        made(shop, json!({ "code": "MANY", "percent": "0.1" })).await;
        let one = ordered(shop, &server, &joan, "ONE").await;
        let each = ordered(shop, &server, &joan, "EACH").await;
        let many = ordered(shop, &server, &joan, "MANY").await;
        shop.clock.advance(TimeDelta::days(3) - TimeDelta::minutes(1));
        shop.run_jobs().await;
        assert_eq!([used(shop, "ONE").await, used(shop, "EACH").await, used(shop, "MANY").await], [1, 1, 1]);
        shop.clock.advance(TimeDelta::minutes(2));
        shop.run_jobs().await;
        assert_eq!([used(shop, "ONE").await, used(shop, "EACH").await, used(shop, "MANY").await], [0, 0, 0]);
        let theirs = ordered(shop, &server, &eve, "ONE").await;
        assert_eq!(shop.step(&server, "orderPay", &theirs).await["couponRefusal"], Json::Null);
        ordered(shop, &server, &joan, "EACH").await;
        for (order, refusal) in [(one, "LIMIT_REACHED"), (each, "CUSTOMER_LIMIT_REACHED")] {
            let paid = shop.step(&server, "orderPay", &order).await;
            assert_eq!((&paid["couponRefusal"], &paid["flags"]), (&json!(refusal), &json!(["COUPON_REFUSED"])));
        }
        let paid = shop.step(&server, "orderPay", &many).await;
        assert_eq!((&paid["couponRefusal"], &paid["flags"]), (&Json::Null, &json!([])));
        assert_eq!([used(shop, "ONE").await, used(shop, "EACH").await, used(shop, "MANY").await], [1, 1, 1]);
        // What was taken again is given back like any other, and time has no more to do with it.
        shop.clock.advance(TimeDelta::days(30));
        shop.run_jobs().await;
        assert_eq!([used(shop, "ONE").await, used(shop, "EACH").await, used(shop, "MANY").await], [1, 0, 1]);
        shop.step(&server, "orderCancel", &many).await;
        assert_eq!(used(shop, "MANY").await, 0);
    }

    async fn of_orders_that_are_paid_and_cancelled_while_their_coupons_lapse_as_many_count_as_are_paid(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 1_000).await;
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.set_programme(json!({ "orderHoldDays": 1 })).await;
        made(shop, json!({ "code": "TWENTY", "percent": "0.1", "totalLimit": 20 })).await;
        // Half of them are paid with points too, so that each locks coupon and account.
        let record = async |index: usize| {
            let mut order = json!({ "customerId": joan.customer_id(), "coupon": "TWENTY" });
            if index.is_multiple_of(2) {
                order["holdId"] = shop.done(&joan, "pointsHold", json!({ "points": 10 })).await["hold"]["id"].clone();
            }
            shop.record(&server, order).await
        };
        let orders = join_all((0..20).map(record)).await;
        assert_eq!(used(shop, "TWENTY").await, 20);
        shop.clock.advance(TimeDelta::days(1) - TimeDelta::minutes(1));
        let ends = orders.iter().enumerate().map(async |(index, order)| {
            let input = json!({ "id": order["id"], "withoutPoints": true });
            if index % 4 < 2 {
                shop.mutate(&server, "orderPay", input).await.assert_done();
            } else {
                shop.step(&server, "orderCancel", order).await;
            }
        });
        let lapse = async {
            shop.clock.advance(TimeDelta::minutes(2));
            shop.run_jobs().await;
        };
        futures_util::future::join(join_all(ends), lapse).await;
        assert_eq!(used(shop, "TWENTY").await, 10);
        shop.assert_ledger_adds_up().await;
    }
}
