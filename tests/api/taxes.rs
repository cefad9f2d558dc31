//! Tax by rate of orders and carts that points pay part of.

use serde_json::{Value as Json, json};

use crate::support::{TestApp, both_engines, line};

/// € 121.00 with 21 % inside and € 109.00 with 9 %.
fn goods() -> Json {
    let (mut lamp, mut book) = (line("LAMP", 1, "121.00"), line("BOOK", 2, "109.00"));
    lamp["taxRate"] = json!("0.21");
    book["taxRate"] = json!("0.09");
    json!([lamp, book])
}

/// Each tax as rate, taxable and tax.
fn told(taxes: &Json) -> Json {
    let of = |tax: &Json| json!([tax["rate"], tax["taxable"]["amount"], tax["tax"]["amount"]]);
    taxes.as_array().unwrap().iter().map(of).collect()
}

const TAXES: &str = "taxes { rate taxable { amount } tax { amount } }";

async fn of_order(shop: &TestApp, order: &Json) -> Json {
    let server = shop.as_server().await;
    let query = format!("query ($id: ID!) {{ order(id: $id) {{ {TAXES} }} }}");
    let answer = shop.graphql(&server, &query, json!({ "id": order["id"] })).await;
    told(answer.at("/order/taxes"))
}

async fn of_cart(shop: &TestApp, points: i64) -> Json {
    let lines =
        json!([{ "lineTotal": "121.00", "taxRate": "0.21" }, { "lineTotal": "109.00", "taxRate": "0.09" }]);
    let cart = json!({ "currency": "EUR", "lines": lines, "redeem": points });
    let query = format!("query ($cart: PointsPreviewInput!) {{ pointsPreview(cart: $cart) {{ {TAXES} }} }}");
    let answer = shop.graphql(&crate::support::Caller::anonymous(), &query, json!({ "cart": cart })).await;
    told(answer.at("/pointsPreview/taxes"))
}

both_engines! {
    async fn points_are_a_discount_or_a_tender_as_the_shop_had_it(shop: &TestApp) {
        let server = shop.as_server().await;
        // 4600 points pay € 46.00 of € 230.00, a fifth of each line: € 96.80 and € 87.20 are left.
        let discount = json!([["0.09", "80.00", "7.20"], ["0.21", "80.00", "16.80"]]);
        let tender = json!([["0.09", "100.00", "9.00"], ["0.21", "100.00", "21.00"]]);
        assert_eq!(of_cart(shop, 4_600).await, discount);
        let mut orders = Vec::new();
        for how in ["DISCOUNT", "TENDER"] {
            shop.set_programme(json!({ "redemptionTax": how })).await;
            let joan = shop.as_member(&server, 4_600).await;
            let held = shop.done(&joan, "pointsHold", json!({ "points": 4_600 })).await;
            let order = json!({ "customerId": joan.customer_id(), "lines": goods(), "holdId": held["hold"]["id"] });
            orders.push(shop.record(&server, order).await);
        }
        assert_eq!(of_cart(shop, 4_600).await, tender);
        // What was set aside before the change stays a discount.
        assert_eq!((of_order(shop, &orders[0]).await, of_order(shop, &orders[1]).await), (discount.clone(), tender));
        shop.step(&server, "orderPay", &orders[0]).await;
        assert_eq!(of_order(shop, &orders[0]).await, discount);
    }

    async fn points_that_lapsed_leave_the_whole_price_taxed(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 4_600).await;
        let held = shop.done(&joan, "pointsHold", json!({ "points": 4_600 })).await;
        let order = json!({ "customerId": joan.customer_id(), "lines": goods(), "holdId": held["hold"]["id"] });
        let order = shop.record(&server, order).await;
        shop.clock.advance(chrono::TimeDelta::days(14));
        let whole = json!([["0.09", "100.00", "9.00"], ["0.21", "100.00", "21.00"]]);
        assert_eq!(of_order(shop, &order).await, whole);
    }

    async fn lines_of_unknown_rate_are_told_without_tax(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer().await;
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        assert_eq!(of_order(shop, &order).await, json!([[null, "10.00", "0.00"]]));
    }
}
