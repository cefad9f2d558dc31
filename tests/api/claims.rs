//! Accounts after the order: what a claim token shows and begins, and all that it does not.

use chrono::TimeDelta;
use serde_json::{Value as Json, json};

use crate::policies::sign_in_with;
use crate::support::{Answer, Caller, PASSWORD, TestApp, both_engines, sums_of};

const ADDRESS: &str = "anna@example.org";

async fn claimed(shop: &TestApp, token: &str) -> Json {
    let query =
        "query ($token: String!) { claimedOrder(token: $token) { externalId state points claimableUntil
        lines { name sku quantity lineTotal { amount } } shipping { amount } total { amount currency } } }";
    shop.graphql(&Caller::anonymous(), query, json!({ "token": token })).await.at("/claimedOrder").clone()
}

async fn create(shop: &TestApp, token: &str, password: Option<&str>) -> Answer {
    let mutation = "mutation ($input: AccountCreateFromOrderInput!) { accountCreateFromOrder(input: $input) {
        status challengeId userErrors { code field } } }";
    let input = json!({ "token": token, "password": password, "locale": "nl" });
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await
}

/// A guest's order and its claim token.
async fn order_of(shop: &TestApp, email: &str) -> (Json, String) {
    let server = shop.as_server().await;
    let order = shop.record(&server, json!({ "email": email, "name": "Anna de Wit" })).await;
    let token = order["claimToken"].as_str().unwrap().to_owned();
    (order, token)
}

async fn me(shop: &TestApp, caller: &Caller) -> Json {
    let query =
        "{ me { email name points { available pending held debt } orders { nodes { externalId } } } }";
    shop.graphql(caller, query, json!({})).await.at("/me").clone()
}

async fn sign_in(shop: &TestApp, email: &str, password: &str) -> Answer {
    let mutation = "mutation ($input: SignInWithPasswordInput!) { signInWithPassword(input: $input) {
        tokens { accessToken refreshToken } customerId userErrors { code field } } }";
    let input = json!({ "email": email, "password": password });
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await
}

both_engines! {
    async fn a_claim_token_shows_its_order_and_the_points_waiting_on_it(shop: &TestApp) {
        let (order, token) = order_of(shop, ADDRESS).await;
        let (other, _) = order_of(shop, ADDRESS).await;
        let server = shop.as_server().await;
        shop.step(&server, "orderPay", &order).await;
        shop.step(&server, "orderPay", &other).await;
        let expected = json!({ "externalId": order["externalId"], "state": "PAID", "points": 10,
            "claimableUntil": "2026-01-16T12:00:00+00:00",
            "lines": [{ "name": "Thing A-1", "sku": "A-1", "quantity": 1, "lineTotal": { "amount": "10.00" } }],
            "shipping": { "amount": "0.00" }, "total": { "amount": "10.00", "currency": "EUR" } });
        assert_eq!(claimed(shop, &token).await, expected);
        // Whether the address is proven meanwhile does not show.
        shop.as_customer_at(ADDRESS).await;
        assert_eq!(claimed(shop, &token).await, expected);
    }

    async fn an_account_made_from_an_order_has_its_name_and_all_orders_of_the_address(shop: &TestApp) {
        let server = shop.as_server().await;
        let earlier = shop.record(&server, json!({ "email": ADDRESS })).await;
        shop.step(&server, "orderPay", &earlier).await;
        let (order, token) = order_of(shop, "Anna@Example.org").await;
        shop.step(&server, "orderPay", &order).await;
        let begun = create(shop, &token, Some(PASSWORD)).await;
        assert_eq!(begun.text("/accountCreateFromOrder/status"), "CHECK_MAILBOX");
        let challenge = begun.text("/accountCreateFromOrder/challengeId").to_owned();
        sign_in(shop, ADDRESS, PASSWORD).await.assert_user_error("INVALID_CREDENTIALS");
        assert_eq!(shop.guest_sums(&server, ADDRESS).await, [0, 20, 0, 0], "joined before the proof");
        let code = shop.mailed_code("Anna@Example.org").await;
        let anna = Caller::signed_in(ADDRESS, &shop.prove(&challenge, &code).await);
        let mine = me(shop, &anna).await;
        assert_eq!((&mine["email"], &mine["name"]), (&json!("Anna@Example.org"), &json!("Anna de Wit")));
        assert_eq!(sums_of(&mine["points"]), [20, 0, 0, 0]);
        assert_eq!(mine["orders"]["nodes"].as_array().unwrap().len(), 2);
        sign_in(shop, ADDRESS, PASSWORD).await.assert_done();
    }

    async fn an_account_made_from_an_order_has_its_addresses(shop: &TestApp) {
        use entity::customer_address::Entity;
        use sea_orm::EntityTrait;
        let server = shop.as_server().await;
        let home = json!({ "name": "Anna de Wit", "line1": "Kerkstraat 1", "postalCode": "1017 GC",
            "city": "Amsterdam", "country": "NL" });
        let order = json!({ "email": ADDRESS, "shippingAddress": home, "billingAddress": home });
        let order = shop.record(&server, order).await;
        let begun = create(shop, order["claimToken"].as_str().unwrap(), None).await;
        let challenge = begun.text("/accountCreateFromOrder/challengeId").to_owned();
        assert_eq!(shop.snapshot().await.count("customer_addresses"), 0);
        let code = shop.mailed_code(ADDRESS).await;
        shop.prove(&challenge, &code).await.assert_done();
        let rows = Entity::find().all(&shop.app.db.read).await.unwrap();
        let [kept] = rows.as_slice() else { panic!("{rows:#?}") };
        assert_eq!((kept.line1.as_str(), kept.country.as_str()), ("Kerkstraat 1", "NL"));
        assert!(kept.default_shipping && kept.default_billing);
        let query = "query ($id: ID!) { order(id: $id) { shippingAddress { city country company } } }";
        let told = shop.graphql(&server, query, json!({ "id": order["id"] })).await;
        let expected = json!({ "city": "Amsterdam", "country": "NL", "company": null });
        assert_eq!(told.at("/order/shippingAddress"), &expected);
    }

    async fn what_anybody_may_have_ordered_is_no_default_address(shop: &TestApp) {
        use entity::customer_address::Entity;
        use sea_orm::EntityTrait;
        shop.set(json!({ "registration": "AUTOMATIC" })).await;
        let server = shop.as_server().await;
        let elsewhere = json!({ "line1": "Elsewhere 2", "city": "Utrecht", "country": "NL" });
        shop.record(&server, json!({ "email": ADDRESS, "shippingAddress": elsewhere })).await;
        shop.run_jobs().await;
        sign_in_with(shop, &shop.mail.to(ADDRESS)[0].token().unwrap()).await.assert_done();
        let rows = Entity::find().all(&shop.app.db.read).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert!(!rows[0].default_shipping && !rows[0].default_billing);
    }

    async fn a_poor_address_refuses_the_order(shop: &TestApp) {
        let server = shop.as_server().await;
        let poor = json!({ "line1": " ", "city": "Utrecht", "country": "NL" });
        let order = shop.order_input(json!({ "email": ADDRESS, "billingAddress": poor }));
        let refused = shop.refused(&server, "orderRecord", order, "INVALID").await;
        assert_eq!(refused.user_errors()[0]["field"], json!(["input", "billingAddress"]));
    }

    async fn a_claim_token_is_good_once(shop: &TestApp) {
        let (_, token) = order_of(shop, ADDRESS).await;
        let both = futures_util::future::join(create(shop, &token, None), create(shop, &token, None)).await;
        let mut codes = [both.0.user_error_codes().join(","), both.1.user_error_codes().join(",")];
        codes.sort();
        assert_eq!(codes, ["", "CLAIM_INVALID"]);
        let again = shop.unchanged_by(async || create(shop, &token, None).await).await;
        let expected = json!({ "status": null, "challengeId": null,
            "userErrors": [{ "code": "CLAIM_INVALID", "field": ["input", "token"] }] });
        assert_eq!(again.payload(), &expected);
        assert_eq!(claimed(shop, &token).await, Json::Null);
        shop.run_jobs().await;
        assert_eq!(shop.mail.to(ADDRESS).len(), 1);
    }

    async fn a_claim_token_ends_after_a_day(shop: &TestApp) {
        let (_, token) = order_of(shop, ADDRESS).await;
        shop.clock.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
        assert!(claimed(shop, &token).await.is_object());
        shop.clock.advance(TimeDelta::seconds(1));
        assert_eq!(claimed(shop, &token).await, Json::Null);
        let late = shop.unchanged_by(async || create(shop, &token, None).await).await;
        late.assert_user_error("CLAIM_INVALID");
    }

    async fn a_token_of_another_kind_or_order_claims_nothing(shop: &TestApp) {
        let (order, token) = order_of(shop, ADDRESS).await;
        let (_, other) = order_of(shop, "eve@example.org").await;
        let mixed = format!("{}{}", &token[..22], &other[22..]);
        let id = order["id"].as_str().unwrap();
        for wrong in ["", "x", id, &mixed, &token[..63], "nul\u{0}"] {
            assert_eq!(claimed(shop, wrong).await, Json::Null, "{wrong}");
            let refused = shop.unchanged_by(async || create(shop, wrong, None).await).await;
            refused.assert_user_error("CLAIM_INVALID");
        }
        shop.unchanged_by(async || sign_in_with(shop, &token).await).await.assert_user_error("TOKEN_INVALID");
    }

    async fn a_claim_of_a_known_address_is_answered_like_that_of_an_unknown_one(shop: &TestApp) {
        let (_, known) = order_of(shop, ADDRESS).await;
        let (_, unknown) = order_of(shop, "new@example.org").await;
        let anna = shop.as_customer_at(ADDRESS).await;
        let before = me(shop, &anna).await;
        let mut answers = Vec::new();
        for token in [known, unknown] {
            let mut body = create(shop, &token, Some(PASSWORD)).await.body;
            let id = body["data"]["accountCreateFromOrder"]["challengeId"].take();
            assert_eq!(id.as_str().map(str::len), Some(66));
            answers.push(body);
        }
        assert_eq!(answers[0], answers[1]);
        shop.run_jobs().await;
        let told = shop.mail.to(ADDRESS);
        assert!(told.iter().any(|mail| mail.subject().contains("al een account")), "{told:?}");
        // A claim of hers by somebody else has set no password and changed nothing.
        sign_in(shop, ADDRESS, PASSWORD).await.assert_user_error("INVALID_CREDENTIALS");
        assert_eq!(me(shop, &anna).await, before);
    }

    async fn poor_passwords_use_up_no_claim(shop: &TestApp) {
        let (_, token) = order_of(shop, ADDRESS).await;
        for (password, code) in [("short", "PASSWORD_TOO_SHORT"), ("password", "PASSWORD_TOO_COMMON")] {
            let refused = shop.unchanged_by(async || create(shop, &token, Some(password)).await).await;
            refused.assert_user_error(code);
        }
        create(shop, &token, Some(PASSWORD)).await.assert_done();
    }

    async fn no_claim_begins_an_account_once_registration_is_closed(shop: &TestApp) {
        let (_, token) = order_of(shop, ADDRESS).await;
        shop.set(json!({ "registration": "CLOSED" })).await;
        let refused = shop.unchanged_by(async || create(shop, &token, None).await).await;
        refused.assert_user_error("REGISTRATION_CLOSED");
    }

    async fn who_orders_and_claims_with_somebodys_address_gets_nothing_of_it(shop: &TestApp) {
        shop.set(json!({ "registration": "AUTOMATIC" })).await;
        let server = shop.as_server().await;
        let victims = shop.record(&server, json!({ "email": ADDRESS })).await;
        shop.step(&server, "orderPay", &victims).await;
        let (_, token) = order_of(shop, ADDRESS).await;
        let prepared = create(shop, &token, Some("the attacker's own")).await;
        let prepared = prepared.text("/accountCreateFromOrder/challengeId").to_owned();
        shop.register(ADDRESS, Some("the attacker's other")).await;
        // What the attacker sees of the address before the proof: the one order that was claimed, and no more.
        assert_eq!(claimed(shop, &token).await, Json::Null);
        for password in ["the attacker's own", "the attacker's other"] {
            sign_in(shop, ADDRESS, password).await.assert_user_error("INVALID_CREDENTIALS");
        }
        shop.run_jobs().await;
        let mails = shop.mail.to(ADDRESS);
        let codes: Vec<String> = mails.iter().filter_map(crate::support::Mail::code).collect();
        let welcome = mails.iter().find(|mail| mail.code().is_none()).unwrap();
        let victim = Caller::signed_in(ADDRESS, &sign_in_with(shop, &welcome.token().unwrap()).await);
        for password in ["the attacker's own", "the attacker's other"] {
            sign_in(shop, ADDRESS, password).await.assert_user_error("INVALID_CREDENTIALS");
        }
        for code in &codes {
            shop.prove(&prepared, code).await.assert_user_error("CODE_INVALID");
        }
        assert_eq!(sums_of(&me(shop, &victim).await["points"]), [10, 0, 0, 0]);
    }

    async fn registering_with_somebodys_address_never_shows_their_orders(shop: &TestApp) {
        order_of(shop, ADDRESS).await;
        let challenge = shop.register(ADDRESS, Some(PASSWORD)).await;
        let anonymous = Caller::anonymous();
        shop.graphql(&anonymous, "{ me { orders { totalCount } } }", json!({})).await.assert_error("UNAUTHENTICATED");
        shop.prove(&challenge, "000000").await.assert_user_error("CODE_INVALID");
        // An address that reads alike is another mailbox.
        for other in ["anna+shop@example.org", "a.nna@example.org"] {
            let eve = shop.as_customer_at(other).await;
            assert_eq!(me(shop, &eve).await["orders"]["nodes"], json!([]), "{other}");
        }
    }

    async fn a_claim_token_is_not_shown_to_keys_that_only_read(shop: &TestApp) {
        use regulars::auth::viewer::Scope;
        let (order, token) = order_of(shop, ADDRESS).await;
        let query = "query ($id: ID!) { order(id: $id) { claimToken } }";
        let reader = shop.as_shop_key(&[Scope::OrdersRead]).await;
        shop.graphql(&reader, query, json!({ "id": order["id"] })).await.assert_error("FORBIDDEN");
        let server = shop.as_server().await;
        let answer = shop.graphql(&server, query, json!({ "id": order["id"] })).await;
        assert_eq!(answer.text("/order/claimToken"), token);
        let anna = shop.as_customer_at(ADDRESS).await;
        let own = shop.graphql(&anna, query, json!({ "id": order["id"] })).await;
        assert_eq!(own.at("/order/claimToken"), &Json::Null);
    }
}
