//! The second factor of staff: set up with a step-up, asked for at sign-in, each code taken once, wrong ones limited.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};
use totp_rs::{Builder, Secret};

use crate::support::{Answer, Caller, PASSWORD, TestApp, both_engines};
use crate::throttle::Limited;

const TOO_MANY: &str = "TOO_MANY_ATTEMPTS";
const WRONG: &str = "INVALID_CREDENTIALS";

const STEP_UP: &str = "mutation ($input: StaffStepUpInput!) {
    staffStepUp(input: $input) { steppedUpUntil userErrors { code } } }";

/// A member whose second factor is in force.
struct Guarded {
    caller: Caller,
    secret: String,
    recovery_codes: Vec<String>,
}

/// What an authenticator app shows so many seconds from now.
fn code(shop: &TestApp, secret: &str, seconds: i64) -> String {
    let at = shop.clock.now() + TimeDelta::seconds(seconds);
    let secret = Secret::try_from_base32(secret).unwrap();
    let app = Builder::new().with_secret(secret).build().unwrap();
    app.generate(u64::try_from(at.timestamp()).unwrap()).to_string()
}

/// Six digits that are not good now or a step away.
fn wrong(shop: &TestApp, secret: &str) -> String {
    let good = [-30, 0, 30].map(|seconds| code(shop, secret, seconds));
    (0..9).map(|number| format!("{number:06}")).find(|digits| !good.contains(digits)).unwrap()
}

async fn sign_in(shop: &TestApp, email: &str, totp_code: Option<&str>) -> Answer {
    let mutation = "mutation ($input: StaffSignInInput!) { staffSignIn(input: $input) {
        tokens { accessToken refreshToken } staffId userErrors { code field } } }";
    let input = json!({ "email": email, "password": PASSWORD, "totpCode": totp_code });
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await
}

/// Sends a mutation that takes no idempotency key.
async fn send(shop: &TestApp, caller: &Caller, mutation: &str, asked: &str, input: Json) -> Answer {
    let of = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation ($input: {of}!) {{ {mutation}(input: $input) {{ {asked} userErrors {{ code }} }} }}"
    );
    shop.graphql(caller, &query, json!({ "input": input })).await
}

async fn confirm(shop: &TestApp, caller: &Caller, code: &str) -> Answer {
    send(shop, caller, "staffTotpConfirm", "recoveryCodes", json!({ "totpCode": code })).await
}

async fn step_up(shop: &TestApp, caller: &Caller, password: &str, code: Option<&str>) -> Answer {
    let input = json!({ "password": password, "totpCode": code });
    send(shop, caller, "staffStepUp", "steppedUpUntil", input).await
}

async fn disable(shop: &TestApp, caller: &Caller, password: &str, code: &str) -> Answer {
    let input = json!({ "password": password, "totpCode": code });
    send(shop, caller, "staffTotpDisable", "disabled", input).await
}

async fn regenerate(shop: &TestApp, caller: &Caller, code: &str) -> Answer {
    let input = json!({ "totpCode": code });
    send(shop, caller, "staffRecoveryCodesRegenerate", "recoveryCodes", input).await
}

fn recovery_codes(answer: &Answer) -> Vec<String> {
    answer.assert_done();
    let codes = answer.payload()["recoveryCodes"].as_array().unwrap();
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

/// A member who set up a second factor a minute ago.
async fn guarded(shop: &TestApp, role: Role) -> Guarded {
    let caller = shop.as_staff(role).await;
    let secret = shop.done(&caller, "staffTotpBegin", json!({})).await["secret"].as_str().unwrap().to_owned();
    let recovery_codes = recovery_codes(&confirm(shop, &caller, &code(shop, &secret, 0)).await);
    shop.clock.advance(TimeDelta::minutes(1));
    Guarded { caller, secret, recovery_codes }
}

async fn me(shop: &TestApp, caller: &Caller) -> Json {
    let query = "{ staffMe { member { id totpEnabled } steppedUpUntil recoveryCodesLeft } }";
    shop.graphql(caller, query, json!({})).await.at("/staffMe").clone()
}

both_engines! {
    async fn a_second_factor_is_in_force_once_it_is_confirmed(shop: &TestApp) {
        let sam = shop.as_staff(Role::Support).await;
        let begun = shop.done(&sam, "staffTotpBegin", json!({ "idempotencyKey": "begin" })).await;
        let secret = begun["secret"].as_str().unwrap();
        let email = sam.email.replace('@', "%40");
        let uri = format!("otpauth://totp/Regulars%20shop:{email}?secret={secret}&issuer=Regulars%20shop");
        assert_eq!((secret.len(), &begun["uri"]), (32, &json!(uri)));
        sign_in(shop, &sam.email, None).await.assert_done();
        let again = json!({ "idempotencyKey": "begin" });
        let replay = shop.unchanged_by(async || shop.done(&sam, "staffTotpBegin", again.clone()).await).await;
        assert_eq!((&replay["secret"], &replay["replayed"]), (&begun["secret"], &json!(true)));
        confirm(shop, &sam, &wrong(shop, secret)).await.assert_user_error(WRONG);
        let codes = recovery_codes(&confirm(shop, &sam, &code(shop, secret, 0)).await);
        assert_eq!(codes.len(), 10);
        assert!(codes.iter().all(|code| code.len() == 19), "{codes:?}");
        assert_eq!((&me(shop, &sam).await["member"]["totpEnabled"], &me(shop, &sam).await["recoveryCodesLeft"]),
            (&json!(true), &json!(10)));
        let replay = shop.unchanged_by(async || shop.done(&sam, "staffTotpBegin", again).await).await;
        assert_eq!((&replay["secret"], &replay["uri"]), (&Json::Null, &Json::Null));
        shop.refused(&sam, "staffTotpBegin", json!({}), "TOTP_IN_FORCE").await;
        let second = shop.unchanged_by(async || confirm(shop, &sam, &code(shop, secret, 30)).await).await;
        second.assert_user_error("TOTP_IN_FORCE");
        let refused = shop.unchanged_by(async || sign_in(shop, &sam.email, None).await).await;
        refused.assert_user_error("TOTP_REQUIRED");
    }

    async fn there_is_nothing_to_confirm_before_a_secret_is_made(shop: &TestApp) {
        let sam = shop.as_staff(Role::Support).await;
        let refused = shop.unchanged_by(async || confirm(shop, &sam, "000000").await).await;
        refused.assert_user_error("TOTP_NOT_BEGUN");
        let refused = shop.unchanged_by(async || regenerate(shop, &sam, "000000").await).await;
        refused.assert_user_error("TOTP_NOT_IN_FORCE");
    }

    async fn of_two_confirmations_at_once_one_gives_recovery_codes(shop: &TestApp) {
        let sam = shop.as_staff(Role::Support).await;
        let secret = shop.done(&sam, "staffTotpBegin", json!({})).await["secret"].as_str().unwrap().to_owned();
        let given = code(shop, &secret, 0);
        let answers = join_all((0..4).map(|_| confirm(shop, &sam, &given))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        let refused = answers.iter().filter(|answer| answer.user_error_codes() == ["TOTP_IN_FORCE"]).count();
        assert_eq!((done, refused), (1, 3));
        assert_eq!(shop.snapshot().await.count("staff_recovery_codes"), 10);
    }

    async fn a_code_signs_in_once(shop: &TestApp) {
        let sam = guarded(shop, Role::Support).await;
        let email = &sam.caller.email;
        let now = code(shop, &sam.secret, 0);
        let answers = join_all((0..4).map(|_| sign_in(shop, email, Some(&now)))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        let refused = answers.iter().filter(|answer| answer.user_error_codes() == [WRONG]).count();
        assert_eq!((done, refused), (1, 3));
        sign_in(shop, email, Some(&now)).await.assert_user_error(WRONG);
        // Nor is one of an earlier step taken any more; that of the next is.
        sign_in(shop, email, Some(&code(shop, &sam.secret, 30))).await.assert_done();
    }

    async fn a_code_is_good_a_step_early_or_late(shop: &TestApp) {
        let sam = guarded(shop, Role::Support).await;
        let email = &sam.caller.email;
        sign_in(shop, email, Some(&code(shop, &sam.secret, -60))).await.assert_user_error(WRONG);
        sign_in(shop, email, Some(&code(shop, &sam.secret, 60))).await.assert_user_error(WRONG);
        sign_in(shop, email, Some(&code(shop, &sam.secret, -30))).await.assert_done();
        sign_in(shop, email, Some(&code(shop, &sam.secret, 30))).await.assert_done();
    }

    async fn a_wrong_password_is_answered_alike_with_and_without_a_second_factor(shop: &TestApp) {
        let (sam, eve) = (guarded(shop, Role::Support).await, shop.as_staff(Role::Support).await);
        let mut told = Vec::new();
        for email in [&*sam.caller.email, &*eve.email, "nobody@example.org"] {
            for totp_code in [None, Some("000000")] {
                let input = json!({ "email": email, "password": "a wrong one", "totpCode": totp_code });
                let asked = "tokens { accessToken } staffId";
                let nobody = Caller::anonymous();
                let answer = shop.unchanged_by(async || send(shop, &nobody, "staffSignIn", asked, input).await).await;
                answer.assert_user_error(WRONG);
                told.push(answer.body);
            }
        }
        assert!(told.iter().all(|body| *body == told[0]), "{told:#?}");
    }

    async fn after_five_wrong_codes_the_right_one_fails_for_a_quarter_of_an_hour(shop: &TestApp) {
        let sam = guarded(shop, Role::Support).await;
        let email = &sam.caller.email;
        for given in ["", "nul\u{0}", "abcd-efgh-ijkm-npqr"] {
            sign_in(shop, email, Some(given)).await.assert_user_error(WRONG);
        }
        // At once, so that none slips past the limit.
        let bad = wrong(shop, &sam.secret);
        let answers = join_all((0..5).map(|_| sign_in(shop, email, Some(&bad)))).await;
        let counted = answers.iter().filter(|answer| answer.user_error_codes() == [WRONG]).count();
        let limited = answers.iter().filter(|answer| answer.user_error_codes() == [TOO_MANY]).count();
        assert_eq!((counted, limited), (2, 3));
        let right = code(shop, &sam.secret, 0);
        let refused = shop.unchanged_by(async || sign_in(shop, email, Some(&right)).await).await;
        refused.assert_user_error(TOO_MANY);
        let recovery = shop.unchanged_by(async || sign_in(shop, email, Some(&sam.recovery_codes[0])).await).await;
        recovery.assert_user_error(TOO_MANY);
        shop.clock.advance(TimeDelta::minutes(15) - TimeDelta::seconds(1));
        let right = code(shop, &sam.secret, 0);
        sign_in(shop, email, Some(&right)).await.assert_user_error(TOO_MANY);
        shop.clock.advance(TimeDelta::seconds(1));
        sign_in(shop, email, Some(&right)).await.assert_done();
    }

    async fn a_recovery_code_stands_in_once(shop: &TestApp) {
        let sam = guarded(shop, Role::Support).await;
        let email = &sam.caller.email;
        let given = sam.recovery_codes[3].replace('-', " ").to_uppercase();
        let answers = join_all((0..3).map(|_| sign_in(shop, email, Some(&given)))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        assert_eq!(done, 1);
        sign_in(shop, email, Some(&given)).await.assert_user_error(WRONG);
        assert_eq!(me(shop, &sam.caller).await["recoveryCodesLeft"], 9);
        let other = guarded(shop, Role::Support).await;
        sign_in(shop, &other.caller.email, Some(&sam.recovery_codes[4])).await.assert_user_error(WRONG);
    }

    async fn new_recovery_codes_take_the_place_of_the_old(shop: &TestApp) {
        let sam = guarded(shop, Role::Support).await;
        regenerate(shop, &sam.caller, &wrong(shop, &sam.secret)).await.assert_user_error(WRONG);
        let new = recovery_codes(&regenerate(shop, &sam.caller, &code(shop, &sam.secret, 0)).await);
        assert_eq!(new.len(), 10);
        sign_in(shop, &sam.caller.email, Some(&sam.recovery_codes[0])).await.assert_user_error(WRONG);
        sign_in(shop, &sam.caller.email, Some(&new[0])).await.assert_done();
    }

    async fn a_step_up_needs_the_password_and_the_second_factor(shop: &TestApp) {
        let sam = guarded(shop, Role::Owner).await;
        shop.clock.advance(TimeDelta::minutes(8));
        let invite = json!({ "email": "nora@example.org", "name": "Nora", "role": "OWNER" });
        shop.mutate(&sam.caller, "staffInvite", invite.clone()).await.assert_error("FORBIDDEN");
        let without = shop.unchanged_by(async || step_up(shop, &sam.caller, PASSWORD, None).await).await;
        without.assert_user_error("TOTP_REQUIRED");
        let right = code(shop, &sam.secret, 0);
        step_up(shop, &sam.caller, "a wrong one", Some(&right)).await.assert_user_error(WRONG);
        step_up(shop, &sam.caller, PASSWORD, Some(&wrong(shop, &sam.secret))).await.assert_user_error(WRONG);
        shop.mutate(&sam.caller, "staffInvite", invite.clone()).await.assert_error("FORBIDDEN");
        // A code that came with a wrong password was not looked at.
        let done = step_up(shop, &sam.caller, PASSWORD, Some(&right)).await;
        done.assert_done();
        assert_eq!(done.payload()["steppedUpUntil"], "2026-01-15T12:14:00+00:00");
        shop.clock.advance(TimeDelta::minutes(5) - TimeDelta::seconds(1));
        shop.done(&sam.caller, "staffInvite", invite.clone()).await;
        shop.clock.advance(TimeDelta::seconds(1));
        shop.mutate(&sam.caller, "staffInvite", invite).await.assert_error("FORBIDDEN");
        step_up(shop, &sam.caller, PASSWORD, Some(&right)).await.assert_user_error(WRONG);
    }

    async fn a_step_up_counts_for_its_own_session(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let elsewhere = Caller::signed_in("", &sign_in(shop, &owner.email, None).await);
        shop.clock.advance(TimeDelta::minutes(6));
        step_up(shop, &owner, PASSWORD, None).await.assert_done();
        let create = json!({ "name": "web", "scopes": ["orders:read"] });
        shop.mutate(&elsewhere, "apiKeyCreate", create.clone()).await.assert_error("FORBIDDEN");
        shop.done(&owner, "apiKeyCreate", create).await;
    }

    async fn wrong_passwords_shut_the_session_that_they_are_tried_in_and_no_other(shop: &TestApp) {
        let limited = Limited::open(shop, &["--max-credentials-per-mailbox", "4"]).await;
        let sam = guarded(shop, Role::Support).await;
        let email = &sam.caller.email;
        let elsewhere = Caller::signed_in(email, &sign_in(shop, email, Some(&code(shop, &sam.secret, 0))).await);
        let step_up = async |caller: &Caller, password: &str, code: &str| {
            let input = json!({ "input": { "password": password, "totpCode": code } });
            limited.serving.post(caller, STEP_UP, input).await
        };
        // At once, so that none slips past the limit.
        let answers = join_all((0..7).map(|_| step_up(&sam.caller, "a wrong one", "000000"))).await;
        let looked_at = answers.iter().filter(|answer| answer.status == 200);
        let looked_at: Vec<_> = looked_at.map(Answer::user_error_codes).collect();
        assert_eq!(looked_at, [[WRONG]; 4]);
        let right = code(shop, &sam.secret, 30);
        let refused = shop.unchanged_by(async || step_up(&sam.caller, PASSWORD, &right).await).await;
        refused.assert_refused(429, "RATE_LIMITED");
        // Who found the session open learns nothing more, and the member goes on everywhere else.
        step_up(&elsewhere, PASSWORD, &right).await.assert_done();
        shop.clock.advance(TimeDelta::minutes(1));
        sign_in(shop, email, Some(&code(shop, &sam.secret, 0))).await.assert_done();
        shop.clock.advance(TimeDelta::minutes(14));
        let late = Caller::signed_in(email, &sign_in(shop, email, Some(&code(shop, &sam.secret, 0))).await);
        step_up(&late, PASSWORD, &code(shop, &sam.secret, 30)).await.assert_done();
        limited.close().await;
    }

    async fn wrong_codes_of_step_ups_count_like_those_at_sign_in(shop: &TestApp) {
        let sam = guarded(shop, Role::Support).await;
        let bad = wrong(shop, &sam.secret);
        for _ in 0..6 {
            // With a wrong password nobody looks at the code, and it does not count.
            step_up(shop, &sam.caller, "a wrong one", Some(&bad)).await.assert_user_error(WRONG);
        }
        let answers = join_all((0..7).map(|_| step_up(shop, &sam.caller, PASSWORD, Some(&bad)))).await;
        let counted = answers.iter().filter(|answer| answer.user_error_codes() == [WRONG]).count();
        let limited = answers.iter().filter(|answer| answer.user_error_codes() == [TOO_MANY]).count();
        assert_eq!((counted, limited), (5, 2));
        let right = code(shop, &sam.secret, 0);
        let refused = shop.unchanged_by(async || step_up(shop, &sam.caller, PASSWORD, Some(&right)).await).await;
        refused.assert_user_error(TOO_MANY);
        sign_in(shop, &sam.caller.email, Some(&right)).await.assert_user_error(TOO_MANY);
        disable(shop, &sam.caller, PASSWORD, &right).await.assert_user_error(TOO_MANY);
        shop.clock.advance(TimeDelta::minutes(15));
        let email = &sam.caller.email;
        sign_in(shop, email, Some(&code(shop, &sam.secret, 0))).await.assert_done();
    }

    async fn a_right_password_alone_does_not_make_up_for_wrong_codes(shop: &TestApp) {
        let sam = guarded(shop, Role::Support).await;
        for _ in 0..4 {
            sign_in(shop, &sam.caller.email, Some(&wrong(shop, &sam.secret))).await.assert_user_error(WRONG);
        }
        sign_in(shop, &sam.caller.email, None).await.assert_user_error("TOTP_REQUIRED");
        let input = json!({ "currentPassword": PASSWORD, "newPassword": "a horse with a battery" });
        send(shop, &sam.caller, "staffPasswordChange", "changed", input).await.assert_done();
        let input = json!({ "currentPassword": "a horse with a battery", "newPassword": PASSWORD });
        send(shop, &sam.caller, "staffPasswordChange", "changed", input).await.assert_done();
        sign_in(shop, &sam.caller.email, Some(&wrong(shop, &sam.secret))).await.assert_user_error(WRONG);
        sign_in(shop, &sam.caller.email, Some(&code(shop, &sam.secret, 0))).await.assert_user_error(TOO_MANY);
    }

    async fn a_second_factor_is_given_up_with_password_and_code(shop: &TestApp) {
        let sam = guarded(shop, Role::Support).await;
        let right = code(shop, &sam.secret, 0);
        disable(shop, &sam.caller, "a wrong one", &right).await.assert_user_error(WRONG);
        disable(shop, &sam.caller, PASSWORD, &wrong(shop, &sam.secret)).await.assert_user_error(WRONG);
        let answers = join_all((0..2).map(|_| disable(shop, &sam.caller, PASSWORD, &right))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        assert_eq!(done, 1);
        assert_eq!(shop.snapshot().await.count("staff_recovery_codes"), 0);
        assert_eq!(me(shop, &sam.caller).await["member"]["totpEnabled"], false);
        sign_in(shop, &sam.caller.email, None).await.assert_done();
    }

    async fn an_owner_takes_away_what_a_colleague_lost(shop: &TestApp) {
        let sam = guarded(shop, Role::Support).await;
        let owner = shop.as_staff(Role::Owner).await;
        let id = me(shop, &sam.caller).await["member"]["id"].clone();
        let reset = shop.done(&owner, "staffTotpReset", json!({ "id": id })).await;
        assert_eq!(reset["member"]["totpEnabled"], false);
        shop.graphql(&sam.caller, "{ staffMe { permissions } }", json!({})).await.assert_refused(401, "UNAUTHENTICATED");
        sign_in(shop, &sam.caller.email, None).await.assert_done();
        shop.refused(&owner, "staffTotpReset", json!({ "id": id }), "TOTP_NOT_IN_FORCE").await;
        let query = "{ auditEntries(first: 1) { nodes { act subjectId actorKind } } }";
        let entry = json!({ "act": "staff.totp.reset", "subjectId": id, "actorKind": "STAFF" });
        assert_eq!(shop.graphql(&owner, query, json!({})).await.at("/auditEntries/nodes/0"), &entry);
    }

    async fn setting_up_needs_a_step_up(shop: &TestApp) {
        let sam = shop.as_staff(Role::Support).await;
        shop.clock.advance(TimeDelta::minutes(5));
        let late = shop.unchanged_by(async || shop.mutate(&sam, "staffTotpBegin", json!({})).await).await;
        late.assert_error("FORBIDDEN");
        let late = shop.unchanged_by(async || regenerate(shop, &sam, "000000").await).await;
        late.assert_error("FORBIDDEN");
        step_up(shop, &sam, PASSWORD, None).await.assert_done();
        shop.done(&sam, "staffTotpBegin", json!({})).await;
    }
}
