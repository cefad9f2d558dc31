//! Points are granted by the shop and spent by the customer, each once.

use futures_util::future::join_all;
use regulars::auth::viewer::Scope;
use serde_json::json;

use crate::support::{Answer, Caller, TestApp, both_engines};

async fn grant(shop: &TestApp, by: &Caller, to: &Caller, points: i64, key: &str) -> Answer {
    let mutation = "mutation ($input: PointsEarnInput!) {
        pointsEarn(input: $input) { points replayed account { available } userErrors { code field message } }
    }";
    let input = json!({
        "customerId": to.customer_id(), "points": points, "reason": "a review", "idempotencyKey": key,
    });
    shop.graphql(by, mutation, json!({ "input": input })).await
}

async fn redeem(shop: &TestApp, by: &Caller, points: i64, key: &str) -> Answer {
    let mutation = "mutation ($input: PointsRedeemInput!) {
        pointsRedeem(input: $input) { points replayed account { available } userErrors { code field message } }
    }";
    let input = json!({ "points": points, "reference": "a gift", "idempotencyKey": key });
    shop.graphql(by, mutation, json!({ "input": input })).await
}

both_engines! {
    async fn granted_points_can_be_redeemed(shop: &TestApp) {
        let (server, joan) = (shop.as_shop_key(&[Scope::PointsWrite]).await, shop.as_customer().await);
        let granted = grant(shop, &server, &joan, 100, "grant").await;
        granted.assert_done();
        assert_eq!(granted.at("/pointsEarn/account/available"), 100);
        let redeemed = redeem(shop, &joan, 30, "redeem").await;
        redeemed.assert_done();
        assert_eq!(redeemed.at("/pointsRedeem/account/available"), 70);
        shop.run_jobs().await;
    }

    async fn nobody_redeems_more_than_is_available(shop: &TestApp) {
        let (server, joan) = (shop.as_shop_key(&[Scope::PointsWrite]).await, shop.as_customer().await);
        grant(shop, &server, &joan, 100, "grant").await.assert_done();
        let refused = shop.unchanged_by(async || redeem(shop, &joan, 101, "redeem").await).await;
        refused.assert_user_error("INSUFFICIENT_POINTS");
        let message = refused.at("/pointsRedeem/userErrors/0/message").to_string();
        assert!(message.contains("100"), "the amount is missing: {message}");
    }

    async fn an_anonymous_caller_redeems_nothing(shop: &TestApp) {
        let nobody = Caller::anonymous();
        let refused = shop.unchanged_by(async || redeem(shop, &nobody, 1, "redeem").await).await;
        refused.assert_error("UNAUTHENTICATED");
    }

    async fn a_customer_grants_no_points(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let refused = shop.unchanged_by(async || grant(shop, &joan, &joan, 100, "grant").await).await;
        refused.assert_error("FORBIDDEN");
    }

    async fn a_replayed_redemption_takes_no_more_points(shop: &TestApp) {
        let (server, joan) = (shop.as_shop_key(&[Scope::PointsWrite]).await, shop.as_customer().await);
        grant(shop, &server, &joan, 100, "grant").await.assert_done();
        let first = redeem(shop, &joan, 30, "redeem").await;
        let again = shop.unchanged_by(async || redeem(shop, &joan, 30, "redeem").await).await;
        assert_eq!((first.at("/pointsRedeem/replayed"), again.at("/pointsRedeem/replayed")), (&json!(false), &json!(true)));
        assert_eq!(again.at("/pointsRedeem/points"), first.at("/pointsRedeem/points"));
        assert_eq!(again.at("/pointsRedeem/account/available"), 70);
    }

    async fn of_forty_redemptions_at_once_ten_are_affordable(shop: &TestApp) {
        let (server, joan) = (shop.as_shop_key(&[Scope::PointsWrite]).await, shop.as_customer().await);
        grant(shop, &server, &joan, 10, "grant").await.assert_done();
        let keys: Vec<String> = (0..40).map(|number| format!("redeem-{number}")).collect();
        let answers = join_all(keys.iter().map(|key| redeem(shop, &joan, 1, key))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        let refused = answers.iter().filter(|answer| answer.user_error_codes() == ["INSUFFICIENT_POINTS"]).count();
        assert_eq!((done, refused), (10, 30));
    }
}
