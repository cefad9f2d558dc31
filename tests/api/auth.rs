//! Accounts: an address is proven by mail, sessions are renewed and ended, keys end; nothing tells who is known.

use chrono::TimeDelta;
use entity::staff::Role;
use regulars::auth::api_keys;
use regulars::auth::viewer::Scope;
use serde_json::{Value as Json, json};

use crate::support::{Answer, Caller, PASSWORD, TestApp, both_engines};

const ME: &str = "{ me { id email name registered enrolled points { available pending } } }";

async fn me(shop: &TestApp, caller: &Caller) -> Answer {
    shop.graphql(caller, ME, json!({})).await
}

async fn sign_in(shop: &TestApp, email: &str, password: &str) -> Answer {
    let mutation = "mutation ($input: SignInWithPasswordInput!) {
        signInWithPassword(input: $input) {
            tokens { accessToken refreshToken } customerId userErrors { code field message }
        }
    }";
    let input = json!({ "email": email, "password": password });
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await
}

async fn request_code(shop: &TestApp, email: &str) -> Answer {
    let mutation = "mutation ($input: SignInRequestCodeInput!) {
        signInRequestCode(input: $input) { status challengeId userErrors { code } }
    }";
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": { "email": email } })).await
}

async fn refresh(shop: &TestApp, refresh_token: &str) -> Answer {
    let mutation = "mutation ($input: SessionRefreshInput!) {
        sessionRefresh(input: $input) { tokens { accessToken refreshToken } userErrors { code } }
    }";
    let input = json!({ "refreshToken": refresh_token });
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await
}

/// The next credentials for a refresh token that is good.
async fn renewed(shop: &TestApp, refresh_token: &str) -> Caller {
    Caller::signed_in("", &refresh(shop, refresh_token).await)
}

async fn end_session(shop: &TestApp, refresh_token: &str) -> Answer {
    let mutation = "mutation ($input: SessionEndInput!) {
        sessionEnd(input: $input) { ended userErrors { code } }
    }";
    let input = json!({ "refreshToken": refresh_token });
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await
}

/// A code that is not this one.
fn wrong(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}

/// The body without what differs from one request to the next.
fn without_id(answer: &Answer, payload: &str) -> Json {
    let mut body = answer.body.clone();
    let id = body["data"][payload]["challengeId"].take();
    assert!(id.as_str().is_some_and(|id| id.len() == 66), "{id}");
    body
}

fn assert_rejected(answer: &Answer) {
    answer.assert_refused(401, "UNAUTHENTICATED");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
}

both_engines! {
    async fn who_registers_and_proves_the_mailbox_is_signed_in(shop: &TestApp) {
        let challenge = shop.register("Anna@Example.org", Some(PASSWORD)).await;
        assert_eq!(shop.mail.count(), 0, "a mail before the worker ran");
        let code = shop.mailed_code("Anna@Example.org").await;
        let proven = shop.prove(&challenge, &code).await;
        let anna = Caller::signed_in("Anna@Example.org", &proven);
        let expected = json!({ "me": {
            "id": anna.customer_id(), "email": "Anna@Example.org", "name": "Joan",
            "registered": "2026-01-15T12:00:00+00:00", "enrolled": "2026-01-15T12:00:00+00:00",
            "points": { "available": 0, "pending": 0 },
        } });
        assert_eq!(me(shop, &anna).await.data(), &expected);
        let again = Caller::signed_in("", &sign_in(shop, "anna@example.org", PASSWORD).await);
        assert_eq!(again.customer_id(), anna.customer_id());
    }

    async fn nothing_is_made_before_the_mailbox_is_proven(shop: &TestApp) {
        shop.register("anna@example.org", Some(PASSWORD)).await;
        shop.mailed_code("anna@example.org").await;
        assert_eq!(shop.snapshot().await.count("customers"), 0);
        let refused = shop.unchanged_by(async || sign_in(shop, "anna@example.org", PASSWORD).await).await;
        refused.assert_user_error("INVALID_CREDENTIALS");
    }

    async fn a_known_address_is_answered_like_an_unknown_one(shop: &TestApp) {
        let anna = shop.as_customer().await;
        let mutation = |email: &str| format!("mutation {{ customerRegister(input: {{ email: \"{email}\" }}) {{
            status challengeId userErrors {{ code }} }} }}");
        let nobody = Caller::anonymous();
        let known = shop.graphql(&nobody, &mutation(&anna.email), json!({})).await;
        let unknown = shop.graphql(&nobody, &mutation("new@example.org"), json!({})).await;
        assert_eq!(without_id(&known, "customerRegister"), without_id(&unknown, "customerRegister"));
        let known = request_code(shop, &anna.email).await;
        let unknown = request_code(shop, "nobody@example.org").await;
        assert_eq!(without_id(&known, "signInRequestCode"), without_id(&unknown, "signInRequestCode"));
        let known = sign_in(shop, &anna.email, "a wrong password").await;
        let unknown = sign_in(shop, "nobody@example.org", "a wrong password").await;
        known.assert_user_error("INVALID_CREDENTIALS");
        assert_eq!(known.body, unknown.body);
    }

    async fn the_mail_says_what_is_true(shop: &TestApp) {
        let anna = shop.as_customer().await;
        shop.register(&anna.email, None).await;
        request_code(shop, &anna.email).await;
        request_code(shop, "nobody@example.org").await;
        shop.run_jobs().await;
        let subjects: Vec<String> = shop.mail.to(&anna.email).iter().map(|mail| {
            mail.subject().chars().filter(|c| !c.is_ascii_digit()).collect()
        }).collect();
        let (code, known) = (" is your code for Regulars shop", "You already have an account at Regulars shop");
        let mut expected = [code, known, code];
        let mut found: Vec<&str> = subjects.iter().map(String::as_str).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(shop.mail.to("nobody@example.org").len(), 0);
    }

    async fn after_five_wrong_codes_the_right_one_fails(shop: &TestApp) {
        let challenge = shop.register("anna@example.org", None).await;
        let code = shop.mailed_code("anna@example.org").await;
        for _ in 0..5 {
            shop.prove(&challenge, &wrong(&code)).await.assert_user_error("CODE_INVALID");
        }
        let refused = shop.unchanged_by(async || shop.prove(&challenge, &code).await).await;
        refused.assert_user_error("CODE_INVALID");
        assert_eq!(shop.snapshot().await.count("customers"), 0);
    }

    async fn four_wrong_codes_leave_one_try(shop: &TestApp) {
        let challenge = shop.register("anna@example.org", None).await;
        let code = shop.mailed_code("anna@example.org").await;
        for given in [wrong(&code), String::new(), "12345".to_owned(), "nul\u{0}".to_owned()] {
            shop.prove(&challenge, &given).await.assert_user_error("CODE_INVALID");
        }
        shop.prove(&challenge, &code).await.assert_done();
    }

    async fn twenty_wrong_codes_a_day_close_a_mailbox_for_the_day(shop: &TestApp) {
        for _ in 0..4 {
            let challenge = shop.register("anna@example.org", None).await;
            for _ in 0..5 {
                shop.prove(&challenge, "wrong").await.assert_user_error("CODE_INVALID");
            }
        }
        let challenge = shop.register("anna@example.org", None).await;
        let code = shop.mailed_code("anna@example.org").await;
        shop.prove(&challenge, &code).await.assert_user_error("CODE_INVALID");
        shop.clock.advance(TimeDelta::hours(24));
        let challenge = shop.register("anna@example.org", None).await;
        let code = shop.mailed_code("anna@example.org").await;
        shop.prove(&challenge, &code).await.assert_done();
    }

    async fn a_mailbox_gets_ten_mails_a_day(shop: &TestApp) {
        for _ in 0..12 {
            shop.register("anna@example.org", None).await;
        }
        shop.run_jobs().await;
        assert_eq!(shop.mail.to("anna@example.org").len(), 10);
    }

    async fn a_code_proves_once(shop: &TestApp) {
        let challenge = shop.register("anna@example.org", None).await;
        let code = shop.mailed_code("anna@example.org").await;
        shop.prove(&challenge, &code).await.assert_done();
        let again = shop.unchanged_by(async || shop.prove(&challenge, &code).await).await;
        again.assert_user_error("CODE_INVALID");
    }

    async fn of_ten_proofs_at_once_one_signs_in(shop: &TestApp) {
        let challenge = shop.register("anna@example.org", None).await;
        let code = shop.mailed_code("anna@example.org").await;
        let answers = futures_util::future::join_all((0..10).map(|_| shop.prove(&challenge, &code))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        let refused = answers.iter().filter(|answer| answer.user_error_codes() == ["CODE_INVALID"]).count();
        assert_eq!((done, refused), (1, 9));
        let snapshot = shop.snapshot().await;
        assert_eq!((snapshot.count("customers"), snapshot.count("sessions")), (1, 1));
    }

    async fn a_code_is_good_for_ten_minutes(shop: &TestApp) {
        let late = shop.register("late@example.org", None).await;
        let late_code = shop.mailed_code("late@example.org").await;
        let early = shop.register("early@example.org", None).await;
        let early_code = shop.mailed_code("early@example.org").await;
        shop.clock.advance(TimeDelta::minutes(10) - TimeDelta::seconds(1));
        shop.prove(&early, &early_code).await.assert_done();
        shop.clock.advance(TimeDelta::seconds(1));
        shop.prove(&late, &late_code).await.assert_user_error("CODE_INVALID");
    }

    async fn a_code_of_another_challenge_proves_nothing(shop: &TestApp) {
        let joan = shop.as_customer().await;
        shop.register("anna@example.org", None).await;
        let eve = shop.register("eve@example.org", None).await;
        let code = shop.mailed_code("anna@example.org").await;
        shop.prove(&eve, &code).await.assert_user_error("CODE_INVALID");
        for challenge in ["", "x", joan.customer_id()] {
            let refused = shop.unchanged_by(async || shop.prove(challenge, &code).await).await;
            refused.assert_user_error("CODE_INVALID");
        }
    }

    async fn who_registers_somebody_elses_address_gets_nothing_of_it(shop: &TestApp) {
        let prepared = shop.register("victim@example.org", Some("the attacker's own")).await;
        let attackers_code = shop.mailed_code("victim@example.org").await;
        let victims = shop.register("victim@example.org", Some(PASSWORD)).await;
        shop.run_jobs().await;
        let mails = shop.mail.to("victim@example.org");
        let codes: Vec<String> = mails.iter().filter_map(crate::support::Mail::code).collect();
        let victims_code = codes.iter().find(|code| **code != attackers_code).unwrap();
        let victim = Caller::signed_in("victim@example.org", &shop.prove(&victims, victims_code).await);
        let attack = sign_in(shop, "victim@example.org", "the attacker's own").await;
        attack.assert_user_error("INVALID_CREDENTIALS");
        shop.prove(&prepared, &attackers_code).await.assert_user_error("CODE_INVALID");
        let own = Caller::signed_in("", &sign_in(shop, "victim@example.org", PASSWORD).await);
        assert_eq!(own.customer_id(), victim.customer_id());
    }

    async fn registering_again_does_not_change_the_password(shop: &TestApp) {
        let challenge = shop.register("anna@example.org", Some(PASSWORD)).await;
        let code = shop.mailed_code("anna@example.org").await;
        shop.prove(&challenge, &code).await.assert_done();
        let second = shop.register("anna@example.org", Some("another password")).await;
        shop.clock.advance(TimeDelta::seconds(1));
        let code = shop.mailed_code("anna@example.org").await;
        shop.prove(&second, &code).await;
        sign_in(shop, "anna@example.org", "another password").await.assert_user_error("INVALID_CREDENTIALS");
        sign_in(shop, "anna@example.org", PASSWORD).await.assert_done();
    }

    async fn poor_passwords_are_refused_before_anything_is_mailed(shop: &TestApp) {
        let long = "x".repeat(129);
        let cases = [("short", "PASSWORD_TOO_SHORT"), (&*long, "PASSWORD_TOO_LONG"), ("password", "PASSWORD_TOO_COMMON")];
        for (password, code) in cases {
            let mutation = "mutation ($input: CustomerRegisterInput!) {
                customerRegister(input: $input) { status challengeId userErrors { code field } } }";
            let input = json!({ "email": "anna@example.org", "password": password });
            let nobody = Caller::anonymous();
            let sent = async || shop.graphql(&nobody, mutation, json!({ "input": input })).await;
            let refused = shop.unchanged_by(sent).await;
            let expected = json!({ "status": null, "challengeId": null,
                "userErrors": [{ "code": code, "field": ["input", "password"] }] });
            assert_eq!(refused.payload(), &expected);
        }
    }

    async fn a_code_signs_in_to_an_account(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let challenge = request_code(shop, &joan.email).await.text("/signInRequestCode/challengeId").to_owned();
        let code = shop.mailed_code(&joan.email).await;
        let again = Caller::signed_in("", &shop.prove(&challenge, &code).await);
        assert_eq!(again.customer_id(), joan.customer_id());
    }

    async fn a_refresh_token_is_good_once(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let second = renewed(shop, &joan.refresh_token).await;
        let third = renewed(shop, &second.refresh_token).await;
        assert_eq!(me(shop, &third).await.at("/me/id"), joan.customer_id());
        // Used, its successor used too: whoever sends it now did not get the successor.
        refresh(shop, &joan.refresh_token).await.assert_user_error("REFRESH_TOKEN_INVALID");
        let family = shop.unchanged_by(async || refresh(shop, &third.refresh_token).await).await;
        family.assert_user_error("REFRESH_TOKEN_INVALID");
        assert_rejected(&me(shop, &third).await);
    }

    async fn two_tabs_may_refresh_at_once(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let one = renewed(shop, &joan.refresh_token).await;
        shop.clock.advance(TimeDelta::seconds(10));
        let other = renewed(shop, &joan.refresh_token).await;
        for tab in [&one, &other] {
            me(shop, tab).await.data();
            renewed(shop, &tab.refresh_token).await;
        }
    }

    async fn after_the_grace_a_used_refresh_token_ends_the_session(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let next = renewed(shop, &joan.refresh_token).await;
        shop.clock.advance(TimeDelta::seconds(11));
        refresh(shop, &joan.refresh_token).await.assert_user_error("REFRESH_TOKEN_INVALID");
        refresh(shop, &next.refresh_token).await.assert_user_error("REFRESH_TOKEN_INVALID");
        assert_rejected(&me(shop, &next).await);
    }

    async fn an_unknown_refresh_token_changes_nothing(shop: &TestApp) {
        let joan = shop.as_customer().await;
        for token in ["", "x", "nul\u{0}", joan.token()] {
            let refused = shop.unchanged_by(async || refresh(shop, token).await).await;
            refused.assert_user_error("REFRESH_TOKEN_INVALID");
            let ended = shop.unchanged_by(async || end_session(shop, token).await).await;
            assert_eq!(ended.at("/sessionEnd/ended"), true);
        }
        me(shop, &joan).await.data();
    }

    async fn who_signs_out_is_out_at_once(shop: &TestApp) {
        let joan = shop.as_customer().await;
        end_session(shop, &joan.refresh_token).await.assert_done();
        assert_rejected(&me(shop, &joan).await);
        refresh(shop, &joan.refresh_token).await.assert_user_error("REFRESH_TOKEN_INVALID");
    }

    async fn an_access_token_ends_after_a_quarter_of_an_hour(shop: &TestApp) {
        let joan = shop.as_customer().await;
        shop.clock.advance(TimeDelta::minutes(14));
        me(shop, &joan).await.data();
        shop.clock.advance(TimeDelta::minutes(2));
        assert_rejected(&me(shop, &joan).await);
        me(shop, &renewed(shop, &joan.refresh_token).await).await.data();
    }

    async fn a_forged_token_is_rejected(shop: &TestApp) {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
        let (joan, sam) = (shop.as_customer().await, shop.as_staff(Role::Owner).await);
        let parts: Vec<&str> = joan.token().split('.').collect();
        let staffs: Vec<&str> = sam.token().split('.').collect();
        let read = |part: &str| -> Json { serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap() };
        let write = |part: &Json| BASE64.encode(part.to_string());
        let mut unsigned = read(parts[0]);
        unsigned["alg"] = json!("none");
        let mut raised = read(parts[1]);
        raised["aud"] = json!("regulars:staff");
        let mut late = read(parts[1]);
        late["exp"] = json!(4_000_000_000_u64);
        let forged = [
            format!("{}.{}.", write(&unsigned), parts[1]),
            format!("{}.{}.{}", write(&unsigned), parts[1], parts[2]),
            format!("{}.{}.{}", parts[0], write(&raised), parts[2]),
            format!("{}.{}.{}", parts[0], write(&late), parts[2]),
            format!("{}.{}.{}", parts[0], parts[1], staffs[2]),
            // A token of staff with the key of customers, and the other way round.
            format!("{}.{}.{}", parts[0], staffs[1], staffs[2]),
            format!("{}.{}.{}", staffs[0], parts[1], parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            "rubbish".to_owned(),
            String::new(),
        ];
        for token in &forged {
            assert_rejected(&me(shop, &Caller::bearer(token)).await);
        }
        me(shop, &joan).await.data();
    }

    async fn staff_are_no_customers_and_customers_no_staff(shop: &TestApp) {
        let (joan, sam) = (shop.as_customer().await, shop.as_staff(Role::Owner).await);
        me(shop, &sam).await.assert_error("FORBIDDEN");
        shop.graphql(&joan, "{ shopSettings { version } }", json!({})).await.assert_error("FORBIDDEN");
        let refused = sign_in(shop, &sam.email, PASSWORD).await;
        refused.assert_user_error("INVALID_CREDENTIALS");
    }

    async fn a_key_ends_when_its_time_is_over(shop: &TestApp) {
        let key = shop.as_shop_key_for(&[Scope::OrdersRead], Some(1)).await;
        let query = "{ orders { totalCount } }";
        assert_eq!(shop.graphql(&key, query, json!({})).await.at("/orders/totalCount"), 0);
        shop.clock.advance(TimeDelta::hours(24));
        assert_rejected(&shop.graphql(&key, query, json!({})).await);
    }

    async fn a_revoked_key_is_rejected_at_once(shop: &TestApp) {
        let key = shop.as_shop_key(&[Scope::OrdersRead]).await;
        let query = "{ orders { totalCount } }";
        shop.graphql(&key, query, json!({})).await.data();
        assert!(api_keys::revoke_by_prefix(&shop.app, &key.token()[3..11]).await.is_ok());
        assert_rejected(&shop.graphql(&key, query, json!({})).await);
    }

    async fn a_key_with_another_secret_is_rejected(shop: &TestApp) {
        let key = shop.as_shop_key(&[Scope::OrdersRead]).await;
        let last = if key.token().ends_with('A') { 'B' } else { 'A' };
        let mut other = key.token().to_owned();
        other.pop();
        other.push(last);
        assert_rejected(&shop.graphql(&Caller::bearer(&other), "{ shop { name } }", json!({})).await);
    }

    async fn what_a_guest_ordered_is_the_customers_once_the_address_is_proven(shop: &TestApp) {
        let server = shop.as_server().await;
        let order = shop.record(&server, json!({ "email": "Anna@example.org" })).await;
        shop.step(&server, "orderPay", &order).await;
        let unpaid = shop.record(&server, json!({ "email": "anna@example.org" })).await;
        assert_eq!((&order["customerId"], &order["guestId"]), (&Json::Null, &unpaid["guestId"]));
        assert_eq!(shop.guest_sums(&server, "anna@example.org").await, [0, 10, 0, 0]);
        let challenge = shop.register("anna@example.org", None).await;
        shop.mailed_code("anna@example.org").await;
        assert_eq!(shop.guest_sums(&server, "anna@example.org").await, [0, 10, 0, 0], "joined before the proof");
        let code = shop.mailed_code("anna@example.org").await;
        let anna = Caller::signed_in("", &shop.prove(&challenge, &code).await);
        assert_eq!(shop.guest_sums(&server, "anna@example.org").await, [0; 4]);
        let query = "{ me { points { available pending held debt } orders { nodes { id guestId } } } }";
        let answer = shop.graphql(&anna, query, json!({})).await;
        assert_eq!(crate::support::sums_of(answer.at("/me/points")), [10, 0, 0, 0]);
        let mut orders: Vec<Json> = answer.at("/me/orders/nodes").as_array().unwrap().clone();
        orders.sort_by_key(|order| order["id"].as_str().unwrap().to_owned());
        let mut expected = [order, unpaid].map(|order| json!({ "id": order["id"], "guestId": null }));
        expected.sort_by_key(|order| order["id"].as_str().unwrap().to_owned());
        assert_eq!(orders, expected);
        let guest = "{ guest(email: \"anna@example.org\") { joined customer { id } orders { totalCount } } }";
        let joined = shop.graphql(&server, guest, json!({})).await;
        let expected = json!({ "joined": "2026-01-15T12:00:00+00:00", "customer": { "id": anna.customer_id() },
            "orders": { "totalCount": 0 } });
        assert_eq!(joined.at("/guest"), &expected);
        let next = shop.record(&server, json!({ "email": "ANNA@example.org" })).await;
        assert_eq!(next["customerId"], anna.customer_id());
    }

    async fn an_imported_customer_registers_by_proving_the_mailbox(shop: &TestApp) {
        use regulars::import::{Format, Orders, Reading, Totals, load};
        let file = "order_id,placed_at,email,currency,sku,name,category,quantity,line_total,tax_rate,shipping,status\n\
            past-1,2025-03-01T10:00:00Z,anna@example.org,EUR,A-1,Tea,tea,1,12.00,,0,DELIVERED\n";
        let reading = Reading { format: Format::Csv, guests: false, now: shop.clock.now() };
        let orders = Orders::open(std::io::Cursor::new(file), reading).unwrap();
        let mut totals = Totals::default();
        load(&shop.app, orders, &mut totals, |bad| panic!("{bad:?}")).await.unwrap();
        let server = shop.as_server().await;
        let query = "{ customer(email: \"anna@example.org\") { id registered points { available } } }";
        let before = shop.graphql(&server, query, json!({})).await;
        assert_eq!((before.at("/customer/registered"), before.at("/customer/points/available")), (&Json::Null, &json!(12)));
        let anna = shop.as_customer_at("anna@example.org").await;
        assert_eq!(anna.customer_id(), before.text("/customer/id"));
        let own = me(shop, &anna).await;
        assert_eq!((own.at("/me/registered"), own.at("/me/points/available")), (&json!("2026-01-15T12:00:00+00:00"), &json!(12)));
    }
}
