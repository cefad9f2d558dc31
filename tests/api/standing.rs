//! Customers who may not sign in: at once, everywhere, while their orders go on being recorded.

use entity::staff::Role;
use serde_json::{Value as Json, json};

use crate::support::{Caller, PASSWORD, TestApp, both_engines};

async fn entries(shop: &TestApp, owner: &Caller, act: &str) -> Vec<Json> {
    let query =
        "query ($act: String) { auditEntries(filter: { act: $act }) { nodes { customerId detail } } }";
    let answer = shop.graphql(owner, query, json!({ "act": act })).await;
    answer.at("/auditEntries/nodes").as_array().unwrap().clone()
}

async fn sign_in(shop: &TestApp, email: &str) -> Json {
    let mutation = "mutation ($input: SignInWithPasswordInput!) {
        signInWithPassword(input: $input) { customerId userErrors { code } } }";
    let input = json!({ "email": email, "password": PASSWORD });
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await.payload().clone()
}

both_engines! {
    async fn a_disabled_customer_is_out_at_once_and_may_come_back(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let email = shop.fresh_address("customer");
        let challenge = shop.register(&email, Some(PASSWORD)).await;
        let code = shop.mailed_code(&email).await;
        let joan = Caller::signed_in(&email, &shop.prove(&challenge, &code).await);
        let disable = json!({ "customerId": joan.customer_id(), "reason": "chargebacks" });
        let done = shop.done(&owner, "customerDisable", disable.clone()).await;
        assert_eq!(done["customer"]["disabled"], "2026-01-15T12:00:00+00:00");
        shop.graphql(&joan, "{ me { id } }", json!({})).await.assert_refused(401, "UNAUTHENTICATED");
        assert_eq!(sign_in(shop, &email).await["customerId"], Json::Null);
        let order = shop.place(&server, joan.customer_id(), "10.00", 1).await;
        assert_eq!(order["customerId"], joan.customer_id());
        shop.done(&owner, "customerDisable", disable).await;
        let enable = json!({ "customerId": joan.customer_id(), "reason": "paid up" });
        let done = shop.done(&owner, "customerEnable", enable).await;
        assert_eq!(done["customer"]["disabled"], Json::Null);
        shop.graphql(&joan, "{ me { id } }", json!({})).await.assert_refused(401, "UNAUTHENTICATED");
        assert_eq!(sign_in(shop, &email).await["customerId"], joan.customer_id());
        let disabled = entries(shop, &owner, "customer.disable").await;
        let [entry] = disabled.as_slice() else { panic!("{disabled:#?}") };
        assert_eq!((&entry["customerId"], &entry["detail"]["reason"]), (&json!(joan.customer_id()), &json!("chargebacks")));
        assert_eq!(entries(shop, &owner, "customer.enable").await[0]["detail"]["reason"], "paid up");
    }

    async fn nobody_is_disabled_who_is_not_there_or_without_a_reason(shop: &TestApp) {
        let (owner, joan) = (shop.as_staff(Role::Owner).await, shop.as_customer().await);
        for id in ["x", "Q3VzdG9tZXI6MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDc"] {
            let input = json!({ "customerId": id, "reason": "none" });
            shop.refused(&owner, "customerDisable", input.clone(), "NOT_FOUND").await;
            shop.refused(&owner, "customerEnable", input, "NOT_FOUND").await;
        }
        let input = json!({ "customerId": joan.customer_id(), "reason": " " });
        let answer = shop.unchanged_by(async || shop.mutate(&owner, "customerDisable", input).await).await;
        answer.assert_error("BAD_USER_INPUT");
    }
}
