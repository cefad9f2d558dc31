//! What a cart is promised is what its order does.

use serde_json::{Value as Json, json};

use crate::support::{Answer, Caller, TestApp, both_engines, line};

async fn preview(shop: &TestApp, caller: &Caller, cart: Json) -> Answer {
    let query = "query ($cart: PointsPreviewInput!) { pointsPreview(cart: $cart) {
        earned earnedByLine redeemed redeemedValue { amount currency } } }";
    shop.unchanged_by(async || shop.graphql(caller, query, json!({ "cart": cart })).await).await
}

fn cart(totals: &[&str], redeem: i64) -> Json {
    let lines: Vec<Json> =
        totals.iter().map(|total| json!({ "lineTotal": total, "taxRate": "0.21" })).collect();
    json!({ "currency": "EUR", "lines": lines, "redeem": redeem })
}

both_engines! {
    async fn a_cart_earns_and_takes_what_its_order_does(shop: &TestApp) {
        let server = shop.as_server().await;
        let rules = json!({
            "earnOnTax": false, "baseRates": [{ "currency": "EUR", "pointsPerUnit": "1.5" }],
            "redemptionCapPercent": 50, "redemptionMultiple": 25,
        });
        shop.set_programme(rules).await;
        for redeem in [0, 10, 130, 100_000] {
            let joan = shop.as_member(&server, 10_000).await;
            let totals = ["12.99", "7.49", "0.50"];
            let told = preview(shop, &joan, cart(&totals, redeem)).await;
            let promised = told.at("/pointsPreview");
            let mut lines: Vec<Json> = totals.iter().map(|total| line("A-1", 1, total)).collect();
            for line in &mut lines {
                line["taxRate"] = json!("0.21");
            }
            let mut order = json!({ "customerId": joan.customer_id(), "lines": lines });
            if promised["redeemed"] != 0 {
                let wanted = json!({ "customerId": joan.customer_id(), "points": redeem, "orderValue": "20.98" });
                let held = shop.done(&server, "pointsHold", wanted).await;
                order["holdId"] = held["hold"]["id"].clone();
            }
            let order = shop.record(&server, order).await;
            assert_eq!(order["paidWithPoints"], promised["redeemedValue"], "{redeem}");
            shop.step(&server, "orderPay", &order).await;
            let (earned, taken) = (promised["earned"].as_i64().unwrap(), promised["redeemed"].as_i64().unwrap());
            assert_eq!(shop.sums(&server, joan.customer_id()).await, [10_000 - taken + earned, 0, 0, 0], "{redeem}");
        }
    }

    async fn a_cart_is_told_line_by_line_to_everyone(shop: &TestApp) {
        let told = preview(shop, &Caller::anonymous(), cart(&["12.99", "0.99", "3.00"], 300)).await;
        let expected = json!({ "earned": 12, "earnedByLine": [10, 0, 2], "redeemed": 300,
            "redeemedValue": { "amount": "3.00", "currency": "EUR" } });
        assert_eq!(told.at("/pointsPreview"), &expected);
    }

    async fn a_customer_is_promised_no_more_than_there_is(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 40).await;
        let told = preview(shop, &joan, cart(&["10.00"], 300)).await;
        assert_eq!(told.at("/pointsPreview/redeemed"), 40);
    }

    async fn a_cart_that_cannot_be_is_an_error(shop: &TestApp) {
        let nobody = Caller::anonymous();
        for wrong in [cart(&[], 0), cart(&["-1"], 0), cart(&["1.001"], 0), cart(&["NaN"], 0), cart(&["99999999999999999999"], 0)] {
            preview(shop, &nobody, wrong.clone()).await.assert_error("BAD_USER_INPUT");
        }
    }
}
