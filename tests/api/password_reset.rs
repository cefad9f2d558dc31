//! Forgotten passwords: whoever reads the mailbox gets in and everybody else out, and nothing tells who is known.

use chrono::TimeDelta;
use entity::staff::Role;
use serde_json::{Value as Json, json};

use crate::support::{Caller, PASSWORD, TestApp, both_engines, with, wrong};

const NEW: &str = "another horse entirely";
const CHANGED: &str = "Your password at Regulars shop was changed";

async fn reset(shop: &TestApp, code: &Json, password: &str) -> crate::support::Answer {
    shop.credential(&Caller::anonymous(), "passwordReset", with(code, "password", password)).await
}

async fn close_registration(shop: &TestApp) {
    let owner = shop.as_staff(Role::Owner).await;
    let update = json!({ "expectedVersion": 0, "registration": "CLOSED" });
    shop.done(&owner, "shopSettingsUpdate", update).await;
}

both_engines! {
    async fn a_mailed_code_sets_a_password_and_ends_every_session(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let other = shop.another_session(&joan.email).await;
        let code = shop.reset_code(&joan.email).await;
        assert!(shop.is_in(&joan).await, "signed out by asking");
        let answer = reset(shop, &code, NEW).await;
        let again = Caller::signed_in(&joan.email, &answer);
        assert_eq!(again.customer_id(), joan.customer_id());
        assert_eq!((shop.is_in(&again).await, shop.is_in(&joan).await, shop.is_in(&other).await), (true, false, false));
        for old in [&joan, &other] {
            let input = json!({ "refreshToken": old.refresh_token });
            shop.credential(&Caller::anonymous(), "sessionRefresh", input).await.assert_user_error("REFRESH_TOKEN_INVALID");
        }
        shop.sign_in(&joan.email, PASSWORD).await.assert_user_error("INVALID_CREDENTIALS");
        shop.sign_in(&joan.email, NEW).await.assert_done();
        shop.run_jobs().await;
        assert_eq!(shop.subjects(&joan.email).last().unwrap(), CHANGED);
        let audited = shop.audited(joan.customer_id()).await;
        let expected = ("customer.password_reset".to_owned(), "SYSTEM".to_owned(), json!({ "sessionsEnded": 2 }));
        assert_eq!(audited, [expected]);
        let replayed = shop.unchanged_by(async || reset(shop, &code, "a third horse").await).await;
        replayed.assert_user_error("CODE_INVALID");
    }

    async fn a_reset_is_answered_alike_for_known_and_unknown_addresses(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let mut answers = Vec::new();
        for email in [joan.email.as_str(), "nobody@example.org"] {
            let asked = shop.credential(&Caller::anonymous(), "passwordResetRequest", json!({ "email": email })).await;
            let mut body = asked.body.clone();
            let id = body["data"]["passwordResetRequest"]["challengeId"].take();
            let given = json!({ "challengeId": id, "code": "no code" });
            let refused = reset(shop, &given, NEW).await;
            refused.assert_user_error("CODE_INVALID");
            answers.push((asked.status, body, refused.body));
        }
        assert_eq!(answers[0], answers[1]);
    }

    async fn a_reset_where_there_is_no_account_makes_one_for_the_mailbox(shop: &TestApp) {
        let server = shop.as_server().await;
        let order = shop.record(&server, json!({ "email": "guest@example.org" })).await;
        for email in ["guest@example.org", "nobody@example.org"] {
            let code = shop.reset_code(email).await;
            assert_eq!(shop.subjects(email), ["is your code for Regulars shop"]);
            assert!(shop.mail.to(email)[0].text().contains("you make your account"), "{:?}", shop.mail.to(email));
            let new = Caller::signed_in(email, &reset(shop, &code, NEW).await);
            assert!(shop.is_in(&new).await);
            Caller::signed_in(email, &shop.sign_in(email, NEW).await);
            shop.run_jobs().await;
            assert_eq!(shop.mail.to(email).len(), 1, "nothing was changed that could be told");
            assert_eq!(shop.audited(new.customer_id()).await[0].0, "customer.password_set");
        }
        let query = "query ($id: ID!) { order(id: $id) { customerId } }";
        let answer = shop.graphql(&server, query, json!({ "id": order["id"] })).await;
        assert!(answer.at("/order/customerId").is_string());
    }

    async fn while_registration_is_closed_a_reset_makes_no_account(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let mailed_before = shop.reset_code("early@example.org").await;
        close_registration(shop).await;
        reset(shop, &mailed_before, NEW).await.assert_user_error("CODE_INVALID");
        shop.challenge(&Caller::anonymous(), "passwordResetRequest", json!({ "email": "late@example.org" })).await;
        shop.run_jobs().await;
        assert_eq!(shop.mail.to("late@example.org").len(), 0);
        assert_eq!(shop.snapshot().await.count("customers"), 1);
        let code = shop.reset_code(&joan.email).await;
        reset(shop, &code, NEW).await.assert_done();
    }

    async fn a_disabled_account_is_told_so_and_stays_out(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let code = shop.reset_code(&joan.email).await;
        shop.disable(&joan).await;
        reset(shop, &code, NEW).await.assert_user_error("CODE_INVALID");
        shop.challenge(&Caller::anonymous(), "passwordResetRequest", json!({ "email": joan.email })).await;
        shop.run_jobs().await;
        let mails = shop.mail.to(&joan.email);
        assert_eq!(mails.last().unwrap().code(), None);
        assert!(mails.last().unwrap().text().contains("disabled"), "{mails:?}");
    }

    async fn after_five_wrong_codes_the_right_one_sets_no_password(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let code = shop.reset_code(&joan.email).await;
        for _ in 0..5 {
            reset(shop, &wrong(&code), NEW).await.assert_user_error("CODE_INVALID");
        }
        let refused = shop.unchanged_by(async || reset(shop, &code, NEW).await).await;
        refused.assert_user_error("CODE_INVALID");
        assert!(shop.is_in(&joan).await);
        shop.sign_in(&joan.email, PASSWORD).await.assert_done();
    }

    async fn a_reset_code_ends_after_ten_minutes(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let code = shop.reset_code(&joan.email).await;
        shop.clock.advance(TimeDelta::minutes(10));
        let refused = shop.unchanged_by(async || reset(shop, &code, NEW).await).await;
        refused.assert_user_error("CODE_INVALID");
    }

    async fn a_poor_password_is_refused_before_the_code_is_tried(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let code = shop.reset_code(&joan.email).await;
        for (password, refusal) in [("short", "PASSWORD_TOO_SHORT"), ("password1", "PASSWORD_TOO_COMMON")] {
            for given in [&code, &wrong(&code)] {
                let refused = shop.unchanged_by(async || reset(shop, given, password).await).await;
                refused.assert_user_error(refusal);
                assert_eq!(refused.user_errors()[0]["field"], json!(["input", "password"]));
            }
        }
        reset(shop, &code, NEW).await.assert_done();
    }

    async fn of_five_resets_with_one_code_one_sets_the_password(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let code = shop.reset_code(&joan.email).await;
        let passwords: Vec<String> = (0..5).map(|number| format!("horse number {number}")).collect();
        let answers =
            futures_util::future::join_all(passwords.iter().map(|password| reset(shop, &code, password))).await;
        let done: Vec<usize> = (0..5).filter(|index| answers[*index].user_error_codes().is_empty()).collect();
        assert_eq!(done.len(), 1, "{answers:#?}");
        for (index, password) in passwords.iter().enumerate() {
            let signed_in = shop.sign_in(&joan.email, password).await.user_error_codes().is_empty();
            assert_eq!(signed_in, index == done[0], "{password}");
        }
    }

    async fn a_reset_drops_what_others_have_begun_on_the_account(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let thief = shop.another_session(&joan.email).await;
        let elsewhere = shop.email_change_code(&thief, "thief@example.org").await;
        let sign_in = shop.sign_in_code(&joan.email).await;
        shop.clock.advance(TimeDelta::seconds(1));
        let code = shop.reset_code(&joan.email).await;
        let again = Caller::signed_in(&joan.email, &reset(shop, &code, NEW).await);
        shop.credential(&Caller::anonymous(), "mailboxProve", sign_in).await.assert_user_error("CODE_INVALID");
        let late = shop.credential(&thief, "emailChangeConfirm", elsewhere.clone()).await;
        late.assert_refused(401, "UNAUTHENTICATED");
        shop.credential_refused(&again, "emailChangeConfirm", elsewhere, "CODE_INVALID").await;
    }

    async fn a_code_is_good_for_what_it_was_mailed_for_only(shop: &TestApp) {
        let nobody = Caller::anonymous();
        let purposes = ["REGISTER", "SIGN_IN", "PASSWORD_RESET", "EMAIL_CHANGE"];
        let operations = ["mailboxProve", "sessionReauthenticate", "passwordReset", "emailChangeConfirm"];
        let good = [
            ("REGISTER", "mailboxProve"),
            ("SIGN_IN", "mailboxProve"),
            ("SIGN_IN", "sessionReauthenticate"),
            ("PASSWORD_RESET", "passwordReset"),
            ("EMAIL_CHANGE", "emailChangeConfirm"),
        ];
        for purpose in purposes {
            for operation in operations {
                let joan = shop.as_customer_with_password().await;
                let own = json!({ "email": joan.email });
                shop.clock.advance(TimeDelta::seconds(1));
                let code = match purpose {
                    "REGISTER" => shop.mailed(&nobody, "customerRegister", own, &joan.email).await,
                    "SIGN_IN" => shop.sign_in_code(&joan.email).await,
                    "PASSWORD_RESET" => shop.reset_code(&joan.email).await,
                    _email_change => shop.email_change_code(&joan, &shop.fresh_address("new")).await,
                };
                let (caller, input) = match operation {
                    "mailboxProve" => (&nobody, code),
                    "passwordReset" => (&nobody, with(&code, "password", NEW)),
                    _signed_in => (&joan, code),
                };
                let before = shop.snapshot().await;
                let answer = shop.credential(caller, operation, input).await;
                if good.contains(&(purpose, operation)) {
                    answer.assert_done();
                    continue;
                }
                assert_eq!(answer.user_error_codes(), ["CODE_INVALID"], "{purpose} for {operation}");
                // The try is counted, and nothing else is changed; of a code that cannot be the caller's not even that.
                let is_foreign = match operation {
                    "sessionReauthenticate" => purpose == "EMAIL_CHANGE",
                    "emailChangeConfirm" => true,
                    _anonymous => false,
                };
                let counted: &[&str] = if is_foreign { &[] } else { &["mailbox_challenges"] };
                let after = shop.snapshot().await;
                assert_eq!(before.changed_tables(&after), counted, "{purpose} for {operation}");
            }
        }
    }
}
