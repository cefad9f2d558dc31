//! Another address for an account: proven, told to the old one, and nobody's way into somebody else's account.

use chrono::TimeDelta;
use entity::outbox;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value as Json, json};

use crate::support::{Caller, PASSWORD, TestApp, both_engines, import, with, wrong};

const CONFIRMS: &str = "confirms your new e-mail address at Regulars shop";
const CODE: &str = "is your code for Regulars shop";
const TAKEN: &str = "This address already has an account at Regulars shop";
const CHANGED: &str = "The e-mail address of your account at Regulars shop was changed";

async fn email(shop: &TestApp, caller: &Caller) -> String {
    shop.graphql(caller, "{ me { email } }", json!({})).await.text("/me/email").to_owned()
}

async fn confirm(shop: &TestApp, caller: &Caller, code: &Json) -> crate::support::Answer {
    shop.credential(caller, "emailChangeConfirm", code.clone()).await
}

/// Gives `caller` another address, which must work.
pub(crate) async fn moved(shop: &TestApp, caller: &Caller, new: &str) {
    let code = shop.email_change_code(caller, new).await;
    confirm(shop, caller, &code).await.assert_done();
    // What the old address is told goes out before anything else is mailed there.
    shop.run_jobs().await;
}

both_engines! {
    async fn a_proven_address_takes_the_place_of_the_old_one(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let other = shop.another_session(&joan.email).await;
        let code = shop.email_change_code(&joan, "Joan@new.example.org").await;
        assert_eq!(email(shop, &joan).await, joan.email, "changed before the proof");
        let answer = confirm(shop, &joan, &code).await;
        answer.assert_done();
        let expected = json!({ "id": joan.customer_id(), "email": "Joan@new.example.org" });
        assert_eq!(answer.payload()["customer"], expected);
        assert_eq!((shop.is_in(&joan).await, shop.is_in(&other).await), (true, false));
        shop.sign_in(&joan.email, PASSWORD).await.assert_user_error("INVALID_CREDENTIALS");
        let again = shop.another_session("joan@new.example.org").await;
        assert_eq!(again.customer_id(), joan.customer_id());
        shop.run_jobs().await;
        assert_eq!(shop.subjects(&joan.email), [CODE, CHANGED]);
        assert_eq!(shop.subjects("Joan@new.example.org"), [CONFIRMS]);
        assert!(!shop.mail.to(&joan.email)[1].text().contains("new.example.org"), "the old mailbox learns the new one");
        let detail = json!({ "before": { "email": joan.email }, "after": { "email": "Joan@new.example.org" },
            "sessionsEnded": 1 });
        let expected = ("customer.email_change".to_owned(), "CUSTOMER".to_owned(), detail);
        assert_eq!(shop.audited(joan.customer_id()).await, [expected]);
        let events = outbox::Entity::find().filter(outbox::Column::Topic.eq("customer.email_changed"));
        let [event] = &events.all(&shop.app.db.read).await.unwrap()[..] else { panic!("not one event") };
        assert_eq!(event.payload, json!({ "customerId": event.aggregate_id }));
        let replayed = shop.unchanged_by(async || confirm(shop, &joan, &code).await).await;
        replayed.assert_user_error("CODE_INVALID");
    }

    async fn the_old_address_is_anybodys_again(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer_with_password().await;
        moved(shop, &joan, "new@example.org").await;
        let order = shop.record(&server, json!({ "email": joan.email })).await;
        assert_eq!(order["customerId"], Json::Null, "an order of the old address is the customer's still");
        shop.step(&server, "orderPay", &order).await;
        assert_eq!(shop.guest_sums(&server, &joan.email).await, [0, 10, 0, 0]);
        let next = shop.as_customer_at(&joan.email).await;
        assert_ne!(next.customer_id(), joan.customer_id());
        assert_eq!(shop.sums(&server, next.customer_id()).await, [10, 0, 0, 0]);
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0; 4]);
        let code = shop.email_change_code(&next, "next@example.org").await;
        confirm(shop, &next, &code).await.assert_done();
        moved(shop, &joan, &joan.email).await;
        let order = shop.record(&server, json!({ "email": joan.email })).await;
        assert_eq!(order["customerId"], joan.customer_id());
    }

    async fn what_a_guest_ordered_with_the_new_address_is_the_customers(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer_with_password().await;
        let order = shop.record(&server, json!({ "email": "new@example.org" })).await;
        shop.step(&server, "orderPay", &order).await;
        let code = shop.email_change_code(&joan, "NEW@example.org").await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0; 4]);
        confirm(shop, &joan, &code).await.assert_done();
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [10, 0, 0, 0]);
        let later = shop.record(&server, json!({ "email": "new@example.org" })).await;
        assert_eq!(later["customerId"], joan.customer_id());
    }

    async fn who_asks_has_shown_lately_who_it_is(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let input = json!({ "newEmail": "new@example.org" });
        shop.clock.advance(TimeDelta::minutes(5));
        shop.credential_refused(&joan, "emailChangeRequest", input.clone(), "REAUTHENTICATE").await;
        let guess = with(&input, "password", "a wrong password");
        shop.credential_refused(&joan, "emailChangeRequest", guess, "PASSWORD_WRONG").await;
        shop.challenge(&joan, "emailChangeRequest", with(&input, "password", PASSWORD)).await;
        shop.credential_refused(&joan, "emailChangeRequest", input.clone(), "REAUTHENTICATE").await;
        shop.credential(&joan, "sessionReauthenticate", json!({ "password": PASSWORD })).await.assert_done();
        shop.challenge(&joan, "emailChangeRequest", input).await;
    }

    async fn whether_the_new_address_is_somebodys_is_told_to_its_mailbox_only(shop: &TestApp) {
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let mut answers = Vec::new();
        for new in [joan.email.to_uppercase(), "nobody@example.org".to_owned()] {
            let asked = shop.credential(&eve, "emailChangeRequest", json!({ "newEmail": new })).await;
            let mut body = asked.body.clone();
            let challenge = body["data"]["emailChangeRequest"]["challengeId"].take();
            let guess = json!({ "challengeId": challenge, "code": "no code" });
            let refused = confirm(shop, &eve, &guess).await;
            refused.assert_user_error("CODE_INVALID");
            answers.push((asked.status, body, refused.body));
        }
        assert_eq!(answers[0], answers[1]);
        shop.run_jobs().await;
        let mails = shop.mail.to(&joan.email.to_uppercase());
        assert_eq!(shop.subjects(&joan.email.to_uppercase()), [TAKEN]);
        assert_eq!(mails[0].code(), None);
        assert_eq!(shop.subjects("nobody@example.org"), [CONFIRMS]);
        assert_eq!((email(shop, &joan).await, email(shop, &eve).await), (joan.email.clone(), eve.email.clone()));
    }

    async fn only_who_asked_confirms(shop: &TestApp) {
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let code = shop.email_change_code(&joan, "new@example.org").await;
        confirm(shop, &eve, &code).await.assert_user_error("CODE_INVALID");
        confirm(shop, &Caller::anonymous(), &code).await.assert_error("UNAUTHENTICATED");
        assert_eq!(email(shop, &eve).await, eve.email);
        for id in ["", "x", joan.customer_id()] {
            let input = with(&code, "challengeId", id);
            shop.credential_refused(&joan, "emailChangeConfirm", input, "CODE_INVALID").await;
        }
        confirm(shop, &joan, &code).await.assert_done();
        assert_eq!(email(shop, &joan).await, "new@example.org");
    }

    async fn after_five_wrong_codes_the_address_stays(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let code = shop.email_change_code(&joan, "new@example.org").await;
        for _ in 0..5 {
            confirm(shop, &joan, &wrong(&code)).await.assert_user_error("CODE_INVALID");
        }
        shop.credential_refused(&joan, "emailChangeConfirm", code, "CODE_INVALID").await;
        assert_eq!(email(shop, &joan).await, joan.email);
    }

    async fn of_five_confirmations_at_once_one_is_done(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let code = shop.email_change_code(&joan, "new@example.org").await;
        let answers = futures_util::future::join_all((0..5).map(|_| confirm(shop, &joan, &code))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        let refused = answers.iter().filter(|answer| answer.user_error_codes() == ["CODE_INVALID"]).count();
        assert_eq!((done, refused), (1, 4));
        shop.run_jobs().await;
        assert_eq!(shop.subjects(&joan.email), [CODE, CHANGED]);
    }

    async fn of_two_changes_under_way_one_is_made(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let a = shop.email_change_code(&joan, "a@example.org").await;
        let z = shop.email_change_code(&joan, "z@example.org").await;
        let (one, two) = tokio::join!(confirm(shop, &joan, &a), confirm(shop, &joan, &z));
        let done = [&one, &two].map(|answer| answer.user_error_codes().is_empty());
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{one:?} {two:?}");
        let expected = if done[0] { "a@example.org" } else { "z@example.org" };
        assert_eq!(email(shop, &joan).await, expected);
    }

    async fn of_two_customers_one_gets_the_address(shop: &TestApp) {
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let joans = shop.email_change_code(&joan, "new@example.org").await;
        shop.clock.advance(TimeDelta::seconds(1));
        let eves = shop.email_change_code(&eve, "new@example.org").await;
        let (one, two) = tokio::join!(confirm(shop, &joan, &joans), confirm(shop, &eve, &eves));
        let done = [&one, &two].map(|answer| answer.user_error_codes().is_empty());
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{one:?} {two:?}");
        let kept = if done[0] { (&eve, &joan) } else { (&joan, &eve) };
        assert_eq!((email(shop, kept.0).await, email(shop, kept.1).await), (kept.0.email.clone(), "new@example.org".to_owned()));
    }

    async fn who_registers_the_new_address_meanwhile_keeps_it(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let code = shop.email_change_code(&joan, "new@example.org").await;
        let owner = shop.as_customer_at("new@example.org").await;
        shop.credential_refused(&joan, "emailChangeConfirm", code, "CODE_INVALID").await;
        assert_eq!(email(shop, &owner).await, "new@example.org");
    }

    async fn a_confirmation_drops_what_others_prepared_on_the_address(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let prepared = shop.register("new@example.org", Some("the attacker's own")).await;
        let attackers = shop.mailed_code("new@example.org").await;
        shop.clock.advance(TimeDelta::seconds(1));
        moved(shop, &joan, "new@example.org").await;
        shop.prove(&prepared, &attackers).await.assert_user_error("CODE_INVALID");
        shop.sign_in("new@example.org", "the attacker's own").await.assert_user_error("INVALID_CREDENTIALS");
        assert_eq!(shop.snapshot().await.count("customers"), 1);
    }

    async fn codes_for_the_old_address_end_with_the_change(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let sign_in = shop.sign_in_code(&joan.email).await;
        let reset = shop.reset_code(&joan.email).await;
        moved(shop, &joan, "new@example.org").await;
        let nobody = Caller::anonymous();
        shop.credential_refused(&nobody, "mailboxProve", sign_in, "CODE_INVALID").await;
        let reset = with(&reset, "password", PASSWORD);
        shop.credential_refused(&nobody, "passwordReset", reset, "CODE_INVALID").await;
    }

    async fn a_password_that_is_changed_ends_changes_of_address(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let code = shop.email_change_code(&joan, "new@example.org").await;
        let input = json!({ "currentPassword": PASSWORD, "newPassword": "another horse" });
        shop.credential(&joan, "passwordChange", input).await.assert_done();
        shop.credential_refused(&joan, "emailChangeConfirm", code, "CODE_INVALID").await;
    }

    async fn the_address_of_a_customer_without_an_account_is_for_the_shop_to_sort_out(shop: &TestApp) {
        let joan = shop.as_customer().await;
        import(shop, "past@example.org").await;
        let code = shop.email_change_code(&joan, "past@example.org").await;
        shop.credential_refused(&joan, "emailChangeConfirm", code, "EMAIL_TAKEN").await;
        assert_eq!(email(shop, &joan).await, joan.email);
    }

    async fn an_import_of_the_new_address_meanwhile_is_no_fault(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let code = shop.email_change_code(&joan, "past@example.org").await;
        let (confirmed, ()) = tokio::join!(confirm(shop, &joan, &code), import(shop, "past@example.org"));
        let now = email(shop, &joan).await;
        match confirmed.user_error_codes()[..] {
            [] => assert_eq!((now.as_str(), shop.snapshot().await.count("customers")), ("past@example.org", 1)),
            ["EMAIL_TAKEN"] => assert_eq!((now, shop.snapshot().await.count("customers")), (joan.email, 2)),
            _ => panic!("{confirmed:?}"),
        }
    }

    async fn look_alikes_are_other_mailboxes_or_none(shop: &TestApp) {
        let joan = shop.as_customer_at("joan@example.org").await;
        moved(shop, &joan, "Joan@Example.org").await;
        assert_eq!(email(shop, &joan).await, "Joan@Example.org");
        shop.run_jobs().await;
        assert_eq!(shop.subjects("joan@example.org"), [CODE], "told of a change to the same mailbox");
        let plus = shop.as_customer_at("joan+shop@example.org").await;
        assert_ne!(plus.customer_id(), joan.customer_id());
        moved(shop, &plus, "joan+other@example.org").await;
        // A Cyrillic letter, letters of full width, and a dot that is none.
        for new in ["jo\u{430}n@example.org", "\u{ff4a}oan@example.org", "joan@example\u{3002}org"] {
            let input = json!({ "newEmail": new });
            let refused = shop.unchanged_by(async || shop.credential(&joan, "emailChangeRequest", input).await).await;
            refused.assert_error("BAD_USER_INPUT");
        }
    }

    async fn a_customer_causes_ten_such_mails_a_day(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        for number in 0..12 {
            let input = json!({ "newEmail": format!("new-{number}@example.org"), "password": PASSWORD });
            shop.challenge(&joan, "emailChangeRequest", input).await;
        }
        let before = shop.mail.count();
        shop.run_jobs().await;
        assert_eq!(shop.mail.count() - before, 10);
    }
}
