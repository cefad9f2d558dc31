//! The registration policy, a test for each cell of its table: what is allowed, flagged and attached, and which mails go
//! out.

use std::time::Duration;

use entity::customer;
use entity::id::CustomerId;
use entity::staff::Role;
use regulars::tx::Tx;
use sea_orm::{ActiveModelTrait, Set};
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

const ADDRESS: &str = "anna@example.org";

/// Uses the one-time sign-in of a mail.
pub(crate) async fn sign_in_with(shop: &TestApp, token: &str) -> crate::support::Answer {
    let mutation = "mutation ($input: SignInWithTokenInput!) { signInWithToken(input: $input) {
        tokens { accessToken refreshToken } customerId userErrors { code field } } }";
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": { "token": token } })).await
}

async fn try_to_register(shop: &TestApp, email: &str) -> Json {
    let mutation = "mutation ($input: CustomerRegisterInput!) { customerRegister(input: $input) {
        status challengeId userErrors { code field } } }";
    let input = json!({ "email": email, "password": "a horse with no battery" });
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await.payload().clone()
}

async fn policy(shop: &TestApp) -> Json {
    let query = "{ checkoutPolicy { registration canRegister guestCheckout accountAfterOrder } }";
    shop.graphql(&Caller::anonymous(), query, json!({})).await.at("/checkoutPolicy").clone()
}

/// How many mails went out, after everything that is due ran.
async fn mails(shop: &TestApp) -> usize {
    shop.run_jobs().await;
    shop.mail.count()
}

/// Anybody registers: known and unknown addresses get a code by mail.
async fn anonymous_registers(shop: &TestApp, registration: &str) {
    let known = shop.as_customer().await;
    shop.set(json!({ "registration": registration })).await;
    let before = mails(shop).await;
    for email in [&*known.email, ADDRESS] {
        let answer = try_to_register(shop, email).await;
        assert_eq!((&answer["status"], &answer["userErrors"]), (&json!("CHECK_MAILBOX"), &json!([])));
    }
    assert_eq!(mails(shop).await, before + 2);
    assert_eq!(shop.mail.to(ADDRESS).len(), 1);
}

/// A guest's order of an address that nobody has: what it is recorded with, and how many mails each of two orders causes.
async fn guest_orders(shop: &TestApp, settings: Json, flags: Json, claimable: bool, mailed: usize) {
    shop.set(settings).await;
    let server = shop.as_server().await;
    let before = mails(shop).await;
    let first = shop.record(&server, json!({ "email": ADDRESS })).await;
    assert_eq!((&first["flags"], &first["customerId"]), (&flags, &Json::Null));
    assert!(first["guestId"].is_string());
    assert_eq!(first["claimToken"].as_str().map(str::len), claimable.then_some(64));
    assert_eq!(mails(shop).await, before + mailed, "after the first order");
    let second = shop.record(&server, json!({ "email": "Anna@Example.org" })).await;
    assert_eq!((&second["flags"], &second["guestId"]), (&flags, &first["guestId"]));
    assert_eq!(mails(shop).await, before + mailed, "after the second order");
    assert_eq!(shop.mail.to(ADDRESS).len(), mailed);
}

/// A guest's order of an address that somebody proved is theirs at once.
async fn order_of_a_proven_address(shop: &TestApp, registration: &str) {
    let anna = shop.as_customer_at(ADDRESS).await;
    shop.set(json!({ "registration": registration, "guestCheckout": false })).await;
    let server = shop.as_server().await;
    let before = mails(shop).await;
    let order = shop.record(&server, json!({ "email": "ANNA@example.org" })).await;
    let found = (&order["customerId"], &order["guestId"], &order["flags"], &order["claimToken"]);
    assert_eq!(found, (&json!(anna.customer_id()), &Json::Null, &json!([]), &Json::Null));
    assert_eq!(mails(shop).await, before);
    let mine = shop.graphql(&anna, "{ me { orders { nodes { id } } } }", json!({})).await;
    assert_eq!(mine.at("/me/orders/nodes"), &json!([{ "id": order["id"] }]));
}

/// An order by the customer is the customer's.
async fn order_by_the_customer(shop: &TestApp, registration: &str) {
    let anna = shop.as_customer_at(ADDRESS).await;
    shop.set(json!({ "registration": registration, "guestCheckout": false })).await;
    let server = shop.as_server().await;
    let before = mails(shop).await;
    let order = json!({ "customerId": anna.customer_id(), "email": "another@example.org" });
    let order = shop.record(&server, order).await;
    let found = (&order["customerId"], &order["guestId"], &order["flags"], &order["claimToken"]);
    assert_eq!(found, (&json!(anna.customer_id()), &Json::Null, &json!([]), &Json::Null));
    let external = shop.record(&server, json!({ "externalCustomerId": "c-1", "email": ADDRESS })).await;
    assert_eq!((&external["flags"], &external["claimToken"]), (&json!([]), &Json::Null));
    assert!(external["customerId"].is_string() && external["customerId"] != anna.customer_id());
    assert_eq!(mails(shop).await, before);
}

/// Staff make an account: one mail with a one-time sign-in, which works once.
async fn staff_make_an_account(shop: &TestApp, registration: &str) {
    shop.set(json!({ "registration": registration, "guestCheckout": false })).await;
    let support = shop.as_staff(Role::Support).await;
    let before = mails(shop).await;
    let made = shop.done(&support, "customerInvite", json!({ "email": ADDRESS, "name": "Anna" })).await;
    assert_eq!(mails(shop).await, before + 1);
    let token = shop.mail.to(ADDRESS)[0].token().unwrap();
    let anna = Caller::signed_in(ADDRESS, &sign_in_with(shop, &token).await);
    assert_eq!(anna.customer_id(), made["customer"]["id"]);
    let mine = shop.graphql(&anna, "{ me { email name registered } }", json!({})).await;
    let expected = json!({ "email": ADDRESS, "name": "Anna", "registered": "2026-01-15T12:00:00+00:00" });
    assert_eq!(mine.at("/me"), &expected);
    let again = shop.unchanged_by(async || sign_in_with(shop, &token).await).await;
    again.assert_user_error("TOKEN_INVALID");
    shop.refused(&support, "customerInvite", json!({ "email": ADDRESS }), "ALREADY_REGISTERED").await;
    assert_eq!(mails(shop).await, before + 1);
}

both_engines! {
    async fn an_invitation_is_good_although_an_import_knows_the_mailbox_since_a_moment(shop: &TestApp) {
        let (support, server) = (shop.as_staff(Role::Support).await, shop.as_server().await);
        shop.done(&support, "customerInvite", json!({ "email": ADDRESS, "name": "Anna" })).await;
        shop.run_jobs().await;
        let token = shop.mail.to(ADDRESS)[0].token().unwrap();
        let begun = tokio::sync::Notify::new();
        let known = shop.change(async |tx: &Tx| {
            let (id, now): (CustomerId, _) = (tx.id(), tx.now());
            let imported = customer::ActiveModel {
                id: Set(id),
                email_key: Set(Some(ADDRESS.to_owned())),
                enrolled_at: Set(Some(now)),
                created_at: Set(now),
                updated_at: Set(now),
                ..Default::default()
            };
            imported.insert(tx.db()).await?;
            begun.notify_one();
            // Long enough for the proof to find the mailbox free, and to wait for it.
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(())
        });
        let proof = async {
            begun.notified().await;
            sign_in_with(shop, &token).await
        };
        let ((), proven) = tokio::join!(known, proof);
        let anna = Caller::signed_in(ADDRESS, &proven);
        let query = "query ($email: EmailAddress!) { customer(email: $email) { id name registered } }";
        let found = shop.graphql(&server, query, json!({ "email": ADDRESS })).await;
        let expected = json!({ "id": anna.customer_id(), "name": "Anna", "registered": "2026-01-15T12:00:00+00:00" });
        assert_eq!(found.at("/customer"), &expected);
    }

    async fn required_anonymous_registers_with_a_code(shop: &TestApp) {
        anonymous_registers(shop, "REQUIRED").await;
    }

    async fn optional_anonymous_registers_with_a_code(shop: &TestApp) {
        anonymous_registers(shop, "OPTIONAL").await;
    }

    async fn automatic_anonymous_registers_with_a_code(shop: &TestApp) {
        anonymous_registers(shop, "AUTOMATIC").await;
    }

    async fn closed_nobody_registers_whatever_the_address(shop: &TestApp) {
        let known = shop.as_customer().await;
        shop.set(json!({ "registration": "CLOSED" })).await;
        let before = mails(shop).await;
        shop.unchanged_by(async || {
            let expected = json!({ "status": null, "challengeId": null,
                "userErrors": [{ "code": "REGISTRATION_CLOSED", "field": null }] });
            for email in [&*known.email, ADDRESS] {
                assert_eq!(try_to_register(shop, email).await, expected);
            }
        }).await;
        assert_eq!(mails(shop).await, before);
    }

    async fn required_a_guests_order_is_flagged_and_gives_nothing(shop: &TestApp) {
        guest_orders(shop, json!({ "registration": "REQUIRED" }), json!(["GUEST_NOT_ALLOWED"]), false, 0).await;
    }

    async fn optional_a_guests_order_has_a_claim_token_and_no_mail(shop: &TestApp) {
        guest_orders(shop, json!({ "registration": "OPTIONAL" }), json!([]), true, 0).await;
    }

    async fn automatic_the_first_order_of_a_guest_mails_a_one_time_sign_in(shop: &TestApp) {
        guest_orders(shop, json!({ "registration": "AUTOMATIC" }), json!([]), true, 1).await;
        let token = shop.mail.to(ADDRESS)[0].token().unwrap();
        let anna = Caller::signed_in(ADDRESS, &sign_in_with(shop, &token).await);
        let mine = shop.graphql(&anna, "{ me { email orders { totalCount } } }", json!({})).await;
        assert_eq!(mine.at("/me"), &json!({ "email": ADDRESS, "orders": { "totalCount": 2 } }));
        sign_in_with(shop, &token).await.assert_user_error("TOKEN_INVALID");
    }

    async fn closed_a_guests_order_gives_nothing(shop: &TestApp) {
        guest_orders(shop, json!({ "registration": "CLOSED" }), json!([]), false, 0).await;
    }

    async fn closed_without_guest_checkout_a_guests_order_is_flagged(shop: &TestApp) {
        let settings = json!({ "registration": "CLOSED", "guestCheckout": false });
        guest_orders(shop, settings, json!(["GUEST_NOT_ALLOWED"]), false, 0).await;
    }

    async fn required_an_order_of_a_proven_address_is_attached(shop: &TestApp) {
        order_of_a_proven_address(shop, "REQUIRED").await;
    }

    async fn optional_an_order_of_a_proven_address_is_attached(shop: &TestApp) {
        order_of_a_proven_address(shop, "OPTIONAL").await;
    }

    async fn automatic_an_order_of_a_proven_address_is_attached(shop: &TestApp) {
        order_of_a_proven_address(shop, "AUTOMATIC").await;
    }

    async fn closed_an_order_of_a_proven_address_is_attached(shop: &TestApp) {
        order_of_a_proven_address(shop, "CLOSED").await;
    }

    async fn required_an_order_by_the_customer_is_attached(shop: &TestApp) {
        order_by_the_customer(shop, "REQUIRED").await;
    }

    async fn optional_an_order_by_the_customer_is_attached(shop: &TestApp) {
        order_by_the_customer(shop, "OPTIONAL").await;
    }

    async fn automatic_an_order_by_the_customer_is_attached(shop: &TestApp) {
        order_by_the_customer(shop, "AUTOMATIC").await;
    }

    async fn closed_an_order_by_the_customer_is_attached(shop: &TestApp) {
        order_by_the_customer(shop, "CLOSED").await;
    }

    async fn required_staff_make_an_account(shop: &TestApp) {
        staff_make_an_account(shop, "REQUIRED").await;
    }

    async fn optional_staff_make_an_account(shop: &TestApp) {
        staff_make_an_account(shop, "OPTIONAL").await;
    }

    async fn automatic_staff_make_an_account(shop: &TestApp) {
        staff_make_an_account(shop, "AUTOMATIC").await;
    }

    async fn closed_staff_make_an_account(shop: &TestApp) {
        staff_make_an_account(shop, "CLOSED").await;
    }

    async fn a_storefront_is_told_the_policy_in_force(shop: &TestApp) {
        let told = |registration: &str, register: bool, guests: bool, after: bool| json!({
            "registration": registration, "canRegister": register, "guestCheckout": guests,
            "accountAfterOrder": after });
        assert_eq!(policy(shop).await, told("OPTIONAL", true, true, true));
        for (registration, switch, expected) in [
            ("REQUIRED", true, told("REQUIRED", true, false, false)),
            ("AUTOMATIC", false, told("AUTOMATIC", true, true, true)),
            ("CLOSED", true, told("CLOSED", false, true, false)),
            ("CLOSED", false, told("CLOSED", false, false, false)),
        ] {
            shop.set(json!({ "registration": registration, "guestCheckout": switch })).await;
            assert_eq!(policy(shop).await, expected);
        }
    }

    async fn what_bounds_a_role_and_where_links_lead_is_for_owners_only(shop: &TestApp) {
        let manager = shop.as_staff(Role::Manager).await;
        for (field, value) in [
            ("adjustmentLimits", json!({ "manager": null })),
            ("storefrontUrl", json!("https://elsewhere.example")),
            ("storefrontUrl", Json::Null),
        ] {
            let input = json!({ "expectedVersion": 0, "name": "Mine", field: value });
            let refused = shop.refused(&manager, "shopSettingsUpdate", input, "OWNERS_ONLY").await;
            assert_eq!(refused.user_errors()[0]["field"], json!(["input", field]));
        }
        shop.done(&manager, "shopSettingsUpdate", json!({ "expectedVersion": 0, "name": "Ours" })).await;
        shop.clock.advance(chrono::TimeDelta::minutes(5));
        let late = shop.mutate(&manager, "shopSettingsUpdate", json!({ "expectedVersion": 1, "name": "Mine" })).await;
        late.assert_error("FORBIDDEN");
        assert_eq!(late.body["errors"][0]["extensions"]["reason"], "STEP_UP_REQUIRED");
    }

    async fn no_mailed_link_makes_an_account_once_registration_is_closed(shop: &TestApp) {
        shop.set(json!({ "registration": "AUTOMATIC" })).await;
        let server = shop.as_server().await;
        shop.record(&server, json!({ "email": ADDRESS })).await;
        shop.run_jobs().await;
        let token = shop.mail.to(ADDRESS)[0].token().unwrap();
        shop.set(json!({ "registration": "CLOSED" })).await;
        sign_in_with(shop, &token).await.assert_user_error("TOKEN_INVALID");
        assert_eq!(shop.snapshot().await.count("customers"), 0);
    }

    async fn of_two_first_orders_at_once_one_mails(shop: &TestApp) {
        shop.set(json!({ "registration": "AUTOMATIC" })).await;
        let server = shop.as_server().await;
        let order = || shop.record(&server, json!({ "email": ADDRESS }));
        futures_util::future::join_all((0..5).map(|_| order())).await;
        assert_eq!(mails(shop).await, 1);
    }

    async fn an_import_mails_and_claims_nothing(shop: &TestApp) {
        use regulars::import::{Format, Orders, Reading, Totals, load};
        shop.set(json!({ "registration": "AUTOMATIC" })).await;
        let file = "order_id,placed_at,email,currency,sku,name,category,quantity,line_total,tax_rate,shipping,status\n\
            past-1,2025-03-01T10:00:00Z,anna@example.org,EUR,A-1,Tea,tea,1,12.00,,0,DELIVERED\n";
        let reading = Reading { format: Format::Csv, guests: true, now: shop.clock.now() };
        let orders = Orders::open(std::io::Cursor::new(file), reading).unwrap();
        load(&shop.app, orders, &mut Totals::default(), |bad| panic!("{bad:?}")).await.unwrap();
        assert_eq!(mails(shop).await, 0);
        let server = shop.as_server().await;
        let query = "{ order(externalId: \"past-1\") { flags claimToken guestId } }";
        let order = shop.graphql(&server, query, json!({})).await.at("/order").clone();
        assert_eq!((&order["flags"], &order["claimToken"]), (&json!([]), &Json::Null));
        assert!(order["guestId"].is_string());
    }
}
