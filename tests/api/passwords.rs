//! Changing a password: whoever is signed in shows again who it is, and everybody else is out.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use chrono::TimeDelta;
use entity::staff::Role;
use entity::{customer, staff};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use crate::support::{Caller, PASSWORD, TestApp, both_engines};
use crate::throttle::Limited;

const NEW: &str = "another horse entirely";

/// A hash of [`PASSWORD`] as it was made when less was agreed.
fn cheap_hash() -> String {
    let params = Params::new(1_024, 1, 1, Some(32)).unwrap();
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    cheap.hash_password(PASSWORD.as_bytes()).unwrap().to_string()
}

async fn hash_of(shop: &TestApp, email: &str) -> String {
    let row =
        customer::Entity::find().filter(customer::Column::EmailKey.eq(email)).one(&shop.app.db.read).await;
    row.unwrap().unwrap().password_hash.unwrap()
}

both_engines! {
    async fn wrong_passwords_shut_the_session_that_they_are_tried_in_and_no_other(shop: &TestApp) {
        let limited = Limited::open(shop, &["--max-credentials-per-mailbox", "3"]).await;
        let joan = shop.as_customer_with_password().await;
        let other = shop.another_session(&joan.email).await;
        let reauthenticate = "mutation ($input: SessionReauthenticateInput!) {
            sessionReauthenticate(input: $input) { authenticatedAt userErrors { code } } }";
        let change = "mutation ($input: PasswordChangeInput!) {
            passwordChange(input: $input) { changed userErrors { code } } }";
        let new_email = "mutation ($input: EmailChangeRequestInput!) {
            emailChangeRequest(input: $input) { status userErrors { code } } }";
        let tries = async |caller: &Caller, password: &str| {
            let mut answers = Vec::new();
            for (mutation, input) in [
                (reauthenticate, json!({ "password": password })),
                (new_email, json!({ "newEmail": "new@example.org", "password": password })),
                (change, json!({ "currentPassword": password, "newPassword": NEW })),
            ] {
                answers.push(limited.serving.post(caller, mutation, json!({ "input": input })).await);
            }
            answers
        };
        for wrong in tries(&joan, "a wrong password").await {
            wrong.assert_user_error("PASSWORD_WRONG");
        }
        let refused = shop.unchanged_by(async || tries(&joan, PASSWORD).await).await;
        for refused in refused {
            refused.assert_refused(429, "RATE_LIMITED");
        }
        for done in tries(&other, PASSWORD).await {
            done.assert_done();
        }
        limited.close().await;
    }

    async fn a_password_is_changed_and_other_sessions_end(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let other = shop.another_session(&joan.email).await;
        shop.clock.advance(TimeDelta::minutes(10));
        let input = json!({ "currentPassword": PASSWORD, "newPassword": NEW });
        let changed = shop.credential(&joan, "passwordChange", input).await;
        changed.assert_done();
        assert_eq!(changed.payload()["changed"], true);
        assert_eq!((shop.is_in(&joan).await, shop.is_in(&other).await), (true, false));
        shop.sign_in(&joan.email, PASSWORD).await.assert_user_error("INVALID_CREDENTIALS");
        shop.sign_in(&joan.email, NEW).await.assert_done();
        shop.run_jobs().await;
        assert_eq!(shop.subjects(&joan.email).last().unwrap(), "Your password at Regulars shop was changed");
        let expected = ("customer.password_change".to_owned(), "CUSTOMER".to_owned(), json!({ "sessionsEnded": 1 }));
        assert_eq!(shop.audited(joan.customer_id()).await, [expected]);
    }

    async fn who_does_not_know_the_password_changes_nothing(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        for current in [json!("a wrong password"), json!(""), json!(null)] {
            let input = json!({ "currentPassword": current, "newPassword": NEW });
            let refused = shop.unchanged_by(async || shop.credential(&joan, "passwordChange", input).await).await;
            refused.assert_user_error("PASSWORD_WRONG");
            assert_eq!(refused.user_errors()[0]["field"], json!(["input", "currentPassword"]));
        }
        let poor = json!({ "currentPassword": PASSWORD, "newPassword": "password1" });
        let refused = shop.unchanged_by(async || shop.credential(&joan, "passwordChange", poor).await).await;
        refused.assert_user_error("PASSWORD_TOO_COMMON");
        assert_eq!(refused.user_errors()[0]["field"], json!(["input", "newPassword"]));
    }

    async fn a_first_password_is_set_soon_after_a_code_only(shop: &TestApp) {
        let joan = shop.as_customer().await;
        shop.clock.advance(TimeDelta::minutes(5));
        let first = json!({ "newPassword": PASSWORD });
        shop.credential_refused(&joan, "passwordChange", first.clone(), "REAUTHENTICATE").await;
        let code = shop.sign_in_code(&joan.email).await;
        let given = shop.credential(&joan, "sessionReauthenticate", code).await;
        assert_eq!(given.payload()["authenticatedAt"], "2026-01-15T12:05:00+00:00");
        shop.clock.advance(TimeDelta::minutes(5) - TimeDelta::seconds(1));
        shop.credential(&joan, "passwordChange", first).await.assert_done();
        shop.sign_in(&joan.email, PASSWORD).await.assert_done();
        assert_eq!(shop.audited(joan.customer_id()).await[0].0, "customer.password_set");
    }

    async fn of_five_changes_at_once_one_is_made(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let change = |number: usize| {
            let input = json!({ "currentPassword": PASSWORD, "newPassword": format!("horse number {number}") });
            shop.credential(&joan, "passwordChange", input)
        };
        let answers = futures_util::future::join_all((0..5).map(change)).await;
        let done: Vec<usize> = (0..5).filter(|index| answers[*index].user_error_codes().is_empty()).collect();
        assert_eq!(done.len(), 1, "{answers:#?}");
        let refused = answers.iter().filter(|answer| answer.user_error_codes() == ["PASSWORD_WRONG"]).count();
        assert_eq!(refused, 4, "{answers:#?}");
        shop.sign_in(&joan.email, &format!("horse number {}", done[0])).await.assert_done();
    }

    async fn who_is_thrown_out_meanwhile_changes_no_password(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let other = shop.another_session(&joan.email).await;
        let change = |caller| async move {
            let input = json!({ "currentPassword": PASSWORD, "newPassword": NEW });
            shop.credential(caller, "passwordChange", input).await
        };
        let (one, two) = tokio::join!(change(&joan), change(&other));
        let done = [&one, &two].map(|answer| answer.status == 200 && answer.user_error_codes().is_empty());
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{one:?} {two:?}");
        assert_eq!([shop.is_in(&joan).await, shop.is_in(&other).await], done);
    }

    async fn a_session_is_shown_again_whose_it_is_by_password_or_own_code(shop: &TestApp) {
        let (joan, eve) = (shop.as_customer_with_password().await, shop.as_customer_with_password().await);
        let wrong = json!({ "password": "a wrong password" });
        shop.credential_refused(&joan, "sessionReauthenticate", wrong, "PASSWORD_WRONG").await;
        let eves = shop.sign_in_code(&eve.email).await;
        shop.credential_refused(&joan, "sessionReauthenticate", eves, "CODE_INVALID").await;
        let right = json!({ "password": PASSWORD });
        shop.clock.advance(TimeDelta::minutes(6));
        shop.credential(&joan, "sessionReauthenticate", right).await.assert_done();
        shop.challenge(&joan, "emailChangeRequest", json!({ "newEmail": "new@example.org" })).await;
        for input in [json!({}), json!({ "code": "1" }), json!({ "password": "x", "code": "1" })] {
            shop.credential(&joan, "sessionReauthenticate", input).await.assert_error("BAD_USER_INPUT");
        }
    }

    async fn a_code_shows_it_once(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let code = shop.sign_in_code(&joan.email).await;
        shop.credential(&joan, "sessionReauthenticate", code.clone()).await.assert_done();
        shop.credential_refused(&joan, "sessionReauthenticate", code.clone(), "CODE_INVALID").await;
        shop.credential_refused(&Caller::anonymous(), "mailboxProve", code, "CODE_INVALID").await;
    }

    async fn a_hash_of_less_cost_is_replaced_at_sign_in(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let sam = shop.as_staff(Role::Support).await;
        let old = cheap_hash();
        customer::Entity::update_many()
            .col_expr(customer::Column::PasswordHash, Expr::val(old.as_str()))
            .exec(&shop.app.db.write)
            .await
            .unwrap();
        staff::Entity::update_many()
            .col_expr(staff::Column::PasswordHash, Expr::val(old.as_str()))
            .exec(&shop.app.db.write)
            .await
            .unwrap();
        let refused = shop.unchanged_by(async || shop.sign_in(&joan.email, "a wrong password").await).await;
        refused.assert_user_error("INVALID_CREDENTIALS");
        let (one, two) = tokio::join!(shop.sign_in(&joan.email, PASSWORD), shop.sign_in(&joan.email, PASSWORD));
        one.assert_done();
        two.assert_done();
        let new = hash_of(shop, &joan.email).await;
        assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
        shop.sign_in(&joan.email, PASSWORD).await.assert_done();
        assert_eq!(hash_of(shop, &joan.email).await, new);
        let mutation = "mutation ($input: StaffSignInInput!) {
            staffSignIn(input: $input) { tokens { accessToken refreshToken } userErrors { code } } }";
        let input = json!({ "input": { "email": sam.email, "password": PASSWORD } });
        shop.graphql(&Caller::anonymous(), mutation, input).await.assert_done();
        let row = staff::Entity::find().one(&shop.app.db.read).await.unwrap().unwrap();
        assert!(row.password_hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", row.password_hash);
    }
}
