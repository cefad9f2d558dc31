//! What is owed is told to staff with the worth of it.

use entity::staff::Role;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

const REPORT: &str = "{ liabilityReport { at balanced
    outstanding { ...F } pending { ...F } held { ...F } debt { ...F }
    expiring { month ending { ...F } } later { ...F } never { ...F } } }
    fragment F on LiabilityFigure { points values { amount currency } }";

async fn report(shop: &TestApp, caller: &Caller) -> Json {
    let told = shop.unchanged_by(async || shop.graphql(caller, REPORT, json!({})).await).await;
    told.at("/liabilityReport").clone()
}

fn figure(points: &str, euros: &str, yen: &str) -> Json {
    json!({ "points": points, "values": [
        { "amount": euros, "currency": "EUR" }, { "amount": yen, "currency": "JPY" },
    ] })
}

both_engines! {
    async fn what_is_owed_is_told_by_month_and_in_every_currency(shop: &TestApp) {
        let server = shop.as_server().await;
        let rates = json!([{ "currency": "EUR", "pointsPerUnit": 150 }, { "currency": "JPY", "pointsPerUnit": 2 }]);
        shop.set_programme(json!({ "redemptionRates": rates })).await;
        let joan = shop.as_member(&server, 100).await;
        let expiry = json!({ "rule": "MONTHS_AFTER_ACTIVATION", "months": 1, "roundUp": "MONTH" });
        shop.set_programme(json!({ "expiry": expiry })).await;
        shop.as_member(&server, 400).await;
        let expiry = json!({ "rule": "MONTHS_WITHOUT_ACTIVITY", "months": 36 });
        shop.set_programme(json!({ "expiry": expiry, "activation": { "when": "ON_REQUEST" } })).await;
        let june = shop.as_member(&server, 7).await;
        let order = shop.place(&server, june.customer_id(), "20.00", 1).await;
        shop.step(&server, "orderPay", &order).await;
        shop.done(&joan, "pointsHold", json!({ "points": 31 })).await;
        let analyst = shop.as_staff(Role::Analyst).await;
        let told = report(shop, &analyst).await;
        assert_eq!((&told["at"], &told["balanced"]), (&json!("2026-01-15T12:00:00+00:00"), &json!(true)));
        // 69 + 400 + 7 = 476 points at 150 a euro are € 3.1733, at 2 a yen ¥ 238.
        assert_eq!(told["outstanding"], figure("476", "3.17", "238"));
        assert_eq!(told["pending"], figure("20", "0.13", "10"));
        assert_eq!(told["held"], figure("31", "0.20", "15"));
        assert_eq!(told["debt"], figure("0", "0.00", "0"));
        let months = told["expiring"].as_array().unwrap();
        assert_eq!((months.len(), &months[0]["month"], &months[23]["month"]), (24, &json!("2026-01"), &json!("2027-12")));
        // 400 end with the last midnight of February, which is the first of March.
        assert_eq!(months[1], json!({ "month": "2026-02", "ending": figure("400", "2.66", "200") }));
        assert!(months.iter().enumerate().all(|(index, month)| index == 1 || month["ending"]["points"] == "0"));
        assert_eq!((&told["later"], &told["never"]), (&figure("7", "0.04", "3"), &figure("69", "0.46", "34")));
    }

    async fn switching_the_currency_and_back_leaves_every_balance_and_worth_as_it_was(shop: &TestApp) {
        let server = shop.as_server().await;
        let rates = json!([{ "currency": "EUR", "pointsPerUnit": 100 }, { "currency": "JPY", "pointsPerUnit": 2 }]);
        shop.set_programme(json!({ "redemptionRates": rates, "defaultRate": "1" })).await;
        let joan = shop.as_member(&server, 1_000).await;
        shop.done(&joan, "pointsHold", json!({ "points": 250, "currency": "EUR" })).await;
        let analyst = shop.as_staff(Role::Analyst).await;
        let before = (report(shop, &analyst).await, shop.sums(&server, joan.customer_id()).await);
        // 750 points are € 7.50 at 100 a euro, and ¥ 375 at 2 a yen, whatever the shop's own currency is.
        assert_eq!(before.0["outstanding"], figure("750", "7.50", "375"));
        for currency in ["JPY", "EUR"] {
            shop.set(json!({ "currency": currency })).await;
            let after = (report(shop, &analyst).await, shop.sums(&server, joan.customer_id()).await);
            assert_eq!(after, before, "{currency}");
        }
    }

    async fn an_empty_shop_owes_nothing(shop: &TestApp) {
        let analyst = shop.as_staff(Role::Analyst).await;
        let told = report(shop, &analyst).await;
        assert_eq!((&told["outstanding"]["points"], &told["balanced"]), (&json!("0"), &json!(true)));
    }
}
