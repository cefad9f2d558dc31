//! The people of the shop: invited by owners, joined by token, changed and disabled by others than themselves.

use std::time::Duration;

use chrono::TimeDelta;
use entity::staff::{self, Role};
use futures_util::future::join_all;
use regulars::tx::Tx;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value as Json, json};

use crate::support::{Answer, Caller, Engine, PASSWORD, TestApp, both_engines};

const ME: &str =
    "{ staffMe { member { id email name role totpEnabled } permissions steppedUpUntil recoveryCodesLeft } }";
const MEMBERS: &str = "{ staffMembers { totalCount nodes { id role disabledAt } } }";

fn invite(email: &str) -> Json {
    json!({ "email": email, "name": "Nora", "role": "MANAGER" })
}

/// The token in the last mail to an address.
async fn mailed_token(shop: &TestApp, email: &str) -> String {
    shop.run_jobs().await;
    let mails = shop.mail.to(email);
    let is_token = |line: &&str| line.len() == 64 && !line.contains(' ');
    let text = &mails.last().unwrap_or_else(|| panic!("no mail for {email}")).text();
    text.lines().map(str::trim).find(is_token).expect("no token").to_owned()
}

async fn accept(shop: &TestApp, token: &str, password: &str) -> Answer {
    let mutation = "mutation ($input: StaffInvitationAcceptInput!) { staffInvitationAccept(input: $input) {
        tokens { accessToken refreshToken } staffId userErrors { code field message } } }";
    let input = json!({ "token": token, "password": password });
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await
}

async fn sign_in(shop: &TestApp, email: &str, password: &str) -> Answer {
    let mutation = "mutation ($input: StaffSignInInput!) { staffSignIn(input: $input) {
        tokens { accessToken refreshToken } staffId userErrors { code } } }";
    let input = json!({ "email": email, "password": password });
    shop.graphql(&Caller::anonymous(), mutation, json!({ "input": input })).await
}

async fn change_password(shop: &TestApp, staff: &Caller, current: &str, new: &str) -> Answer {
    let mutation = "mutation ($input: StaffPasswordChangeInput!) { staffPasswordChange(input: $input) {
        changed userErrors { code field } } }";
    let input = json!({ "currentPassword": current, "newPassword": new });
    shop.graphql(staff, mutation, json!({ "input": input })).await
}

async fn me(shop: &TestApp, staff: &Caller) -> Answer {
    shop.graphql(staff, ME, json!({})).await
}

async fn id_of(shop: &TestApp, staff: &Caller) -> Json {
    me(shop, staff).await.at("/staffMe/member/id").clone()
}

async fn acts(shop: &TestApp, owner: &Caller) -> Vec<Json> {
    let query = "{ auditEntries(last: 100) { nodes { act subjectId detail } } }";
    let answer = shop.graphql(owner, query, json!({})).await;
    answer.at("/auditEntries/nodes").as_array().unwrap().iter().rev().cloned().collect()
}

both_engines! {
    async fn who_is_signed_in_sees_what_they_may_do(shop: &TestApp) {
        let support = shop.as_staff(Role::Support).await;
        let told = me(shop, &support).await;
        let expected = json!({ "staffMe": {
            "member": { "id": told.at("/staffMe/member/id"), "email": support.email, "name": "Sam of the staff",
                "role": "SUPPORT", "totpEnabled": false },
            "permissions": [
                "orders.read", "customers.read", "customers.write", "points.adjust", "catalog.read", "carts.read",
                "memberships.write", "reviews.write", "staff.self",
            ],
            "steppedUpUntil": "2026-01-15T12:05:00+00:00",
            "recoveryCodesLeft": 0,
        } });
        assert_eq!(told.data(), &expected);
    }

    async fn an_invitation_makes_a_member_once(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let mut input = invite("nora@example.org");
        input["idempotencyKey"] = json!("once");
        let invited = shop.done(&owner, "staffInvite", input.clone()).await;
        let invitation = &invited["invitation"];
        let expected = json!({ "id": invitation["id"], "email": "nora@example.org", "name": "Nora", "role": "MANAGER",
            "invitedBy": id_of(shop, &owner).await, "expiresAt": "2026-01-22T12:00:00+00:00", "endedAt": null, "open": true });
        assert_eq!(invitation, &expected);
        let replay = shop.unchanged_by(async || shop.done(&owner, "staffInvite", input).await).await;
        assert_eq!((&replay["replayed"], &replay["invitation"]), (&json!(true), invitation));
        let token = mailed_token(shop, "nora@example.org").await;
        assert_eq!(shop.mail.to("nora@example.org").len(), 1);
        let nora = Caller::signed_in("nora@example.org", &accept(shop, &token, PASSWORD).await);
        assert_eq!(me(shop, &nora).await.at("/staffMe/member/role"), "MANAGER");
        let again = shop.unchanged_by(async || accept(shop, &token, "another password").await).await;
        again.assert_user_error("INVITATION_INVALID");
        sign_in(shop, "nora@example.org", PASSWORD).await.assert_done();
        shop.refused(&owner, "staffInvite", invite("Nora@Example.org"), "ADDRESS_TAKEN").await;
        let revoke = json!({ "id": invitation["id"] });
        shop.refused(&owner, "staffInvitationRevoke", revoke, "INVITATION_ENDED").await;
    }

    async fn of_many_who_accept_at_once_one_joins(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        shop.done(&owner, "staffInvite", invite("nora@example.org")).await;
        let token = mailed_token(shop, "nora@example.org").await;
        let answers = join_all((0..5).map(|_| accept(shop, &token, PASSWORD))).await;
        let done = answers.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        let refused = answers.iter().filter(|answer| answer.user_error_codes() == ["INVITATION_INVALID"]).count();
        assert_eq!((done, refused), (1, 4));
        assert_eq!(shop.snapshot().await.count("staff"), 2);
    }

    async fn a_token_is_good_for_seven_days_and_only_as_mailed(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        shop.done(&owner, "staffInvite", invite("nora@example.org")).await;
        let token = mailed_token(shop, "nora@example.org").await;
        let mut changed = token.clone();
        changed.replace_range(40..41, if &token[40..41] == "A" { "B" } else { "A" });
        for wrong in ["", "x", &changed, &token[..63]] {
            let refused = shop.unchanged_by(async || accept(shop, wrong, PASSWORD).await).await;
            refused.assert_user_error("INVITATION_INVALID");
        }
        let poor = shop.unchanged_by(async || accept(shop, &token, "short").await).await;
        poor.assert_user_error("PASSWORD_TOO_SHORT");
        shop.clock.advance(TimeDelta::days(7) - TimeDelta::seconds(1));
        shop.done(&shop.as_staff(Role::Owner).await, "staffInvite", invite("late@example.org")).await;
        shop.clock.advance(TimeDelta::seconds(1));
        let late = shop.unchanged_by(async || accept(shop, &token, PASSWORD).await).await;
        late.assert_user_error("INVITATION_INVALID");
        let second = mailed_token(shop, "late@example.org").await;
        accept(shop, &second, PASSWORD).await.assert_done();
    }

    async fn inviting_again_replaces_the_open_invitation(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        shop.done(&owner, "staffInvite", invite("nora@example.org")).await;
        let first = mailed_token(shop, "nora@example.org").await;
        shop.clock.advance(TimeDelta::seconds(1));
        let both = join_all((0..2).map(|_| shop.mutate(&owner, "staffInvite", invite("nora@example.org")))).await;
        for answer in &both {
            answer.assert_done();
        }
        let open = "{ staffInvitations { totalCount nodes { open } } }";
        let listed = shop.graphql(&owner, open, json!({})).await;
        let nodes = listed.at("/staffInvitations/nodes").as_array().unwrap();
        assert_eq!((nodes.len(), nodes.iter().filter(|node| node["open"] == true).count()), (3, 1));
        accept(shop, &first, PASSWORD).await.assert_user_error("INVITATION_INVALID");
    }

    async fn an_invitation_can_be_withdrawn(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let invited = shop.done(&owner, "staffInvite", invite("nora@example.org")).await;
        let token = mailed_token(shop, "nora@example.org").await;
        let revoke = json!({ "id": invited["invitation"]["id"] });
        let revoked = shop.done(&owner, "staffInvitationRevoke", revoke.clone()).await;
        assert_eq!((&revoked["invitation"]["open"], &revoked["invitation"]["endedAt"]),
            (&json!(false), &json!("2026-01-15T12:00:00+00:00")));
        accept(shop, &token, PASSWORD).await.assert_user_error("INVITATION_INVALID");
        shop.refused(&owner, "staffInvitationRevoke", revoke, "INVITATION_ENDED").await;
        for id in ["x", "", shop.as_customer().await.customer_id()] {
            shop.refused(&owner, "staffInvitationRevoke", json!({ "id": id }), "NOT_FOUND").await;
        }
    }

    async fn a_withdrawn_invitation_is_not_mailed(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        let invited = shop.done(&owner, "staffInvite", invite("nora@example.org")).await;
        shop.done(&owner, "staffInvitationRevoke", json!({ "id": invited["invitation"]["id"] })).await;
        shop.run_jobs().await;
        assert_eq!(shop.mail.to("nora@example.org").len(), 0);
    }

    async fn another_role_is_in_force_at_once(shop: &TestApp) {
        let (owner, sam) = (shop.as_staff(Role::Owner).await, shop.as_staff(Role::Manager).await);
        let id = id_of(shop, &sam).await;
        shop.graphql(&sam, "{ shopSettings { version } }", json!({})).await.data();
        let update = json!({ "id": id, "role": "ANALYST", "name": "Sam the second" });
        let changed = shop.done(&owner, "staffUpdate", update).await;
        assert_eq!((&changed["member"]["role"], &changed["member"]["name"]), (&json!("ANALYST"), &json!("Sam the second")));
        shop.graphql(&sam, "{ shopSettings { version } }", json!({})).await.assert_error("FORBIDDEN");
        let written = acts(shop, &owner).await;
        let entry = written.last().unwrap();
        assert_eq!((&entry["act"], &entry["subjectId"]), (&json!("staff.update"), &id));
        assert_eq!(entry["detail"]["before"], json!({ "name": "Sam of the staff", "role": "MANAGER", "disabled": false }));
        assert_eq!(entry["detail"]["after"], json!({ "name": "Sam the second", "role": "ANALYST", "disabled": false }));
    }

    async fn a_disabled_member_is_signed_out_everywhere(shop: &TestApp) {
        let (owner, sam) = (shop.as_staff(Role::Owner).await, shop.as_staff(Role::Manager).await);
        let id = id_of(shop, &sam).await;
        let disabled = shop.done(&owner, "staffUpdate", json!({ "id": id, "disabled": true })).await;
        assert_eq!(disabled["member"]["disabledAt"], "2026-01-15T12:00:00+00:00");
        me(shop, &sam).await.assert_refused(401, "UNAUTHENTICATED");
        sign_in(shop, &sam.email, PASSWORD).await.assert_user_error("INVALID_CREDENTIALS");
        let enabled = shop.done(&owner, "staffUpdate", json!({ "id": id, "disabled": false })).await;
        assert_eq!(enabled["member"]["disabledAt"], Json::Null);
        me(shop, &sam).await.assert_refused(401, "UNAUTHENTICATED");
        sign_in(shop, &sam.email, PASSWORD).await.assert_done();
    }

    async fn nobody_changes_their_own_role_or_disables_themselves(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        shop.as_staff(Role::Owner).await;
        let id = id_of(shop, &owner).await;
        shop.refused(&owner, "staffUpdate", json!({ "id": id, "role": "MANAGER" }), "OWN_ACCOUNT").await;
        shop.refused(&owner, "staffUpdate", json!({ "id": id, "disabled": true }), "OWN_ACCOUNT").await;
        shop.refused(&owner, "staffTotpReset", json!({ "id": id }), "OWN_ACCOUNT").await;
        let renamed = shop.done(&owner, "staffUpdate", json!({ "id": id, "name": "Eva", "role": "OWNER" })).await;
        assert_eq!(renamed["member"]["name"], "Eva");
    }

    async fn of_two_owners_who_disable_each_other_at_once_one_is_left(shop: &TestApp) {
        let (one, other) = (shop.as_staff(Role::Owner).await, shop.as_staff(Role::Owner).await);
        let (one_id, other_id) = (id_of(shop, &one).await, id_of(shop, &other).await);
        let (first, second) = tokio::join!(
            shop.mutate(&one, "staffUpdate", json!({ "id": other_id, "disabled": true })),
            shop.mutate(&other, "staffUpdate", json!({ "id": one_id, "role": "ANALYST" })),
        );
        // The slower of them may not any more.
        let is_refused = |answer: &Answer| match answer.error_codes().as_slice() {
            [] => answer.user_error_codes() == ["NOT_FOUND"],
            codes => codes == ["UNAUTHENTICATED"] || codes == ["FORBIDDEN"],
        };
        assert_eq!([&first, &second].iter().filter(|answer| is_refused(answer)).count(), 1, "{first:?} {second:?}");
        let left = if is_refused(&first) { &other } else { &one };
        let listed = shop.graphql(left, MEMBERS, json!({})).await;
        let nodes = listed.at("/staffMembers/nodes").as_array().unwrap();
        let owners = nodes.iter().filter(|node| node["role"] == "OWNER" && node["disabledAt"].is_null());
        assert_eq!((nodes.len(), owners.count()), (2, 1));
    }

    async fn whoever_may_not_invite_any_more_leaves_no_open_invitations(shop: &TestApp) {
        let (owner, sam) = (shop.as_staff(Role::Owner).await, shop.as_staff(Role::Owner).await);
        shop.done(&sam, "staffInvite", invite("nora@example.org")).await;
        shop.done(&owner, "staffInvite", invite("eva@example.org")).await;
        let (noras, evas) = (mailed_token(shop, "nora@example.org").await, mailed_token(shop, "eva@example.org").await);
        let id = id_of(shop, &sam).await;
        shop.done(&owner, "staffUpdate", json!({ "id": id, "role": "MANAGER" })).await;
        accept(shop, &noras, PASSWORD).await.assert_user_error("INVITATION_INVALID");
        accept(shop, &evas, PASSWORD).await.assert_done();
    }

    async fn a_right_that_ends_meanwhile_changes_nobody(shop: &TestApp) {
        let (sam, eva) = (shop.as_staff(Role::Owner).await, shop.as_staff(Role::Owner).await);
        shop.done(&eva, "staffTotpBegin", json!({})).await;
        let evas = id_of(shop, &eva).await;
        let calls = [
            ("staffInvite", invite("nora@example.org")),
            ("staffUpdate", json!({ "id": evas, "role": "ANALYST" })),
            ("staffTotpReset", json!({ "id": evas })),
        ];
        let begun = tokio::sync::Notify::new();
        let ends = shop.change(async |tx: &Tx| {
            if shop.database.engine() == Engine::Postgres {
                let turn = "SELECT pg_advisory_xact_lock(hashtextextended('staff', 0))";
                tx.db().execute_unprepared(turn).await?;
            }
            let sams = staff::Entity::update_many().filter(staff::Column::Email.eq(&sam.email));
            sams.col_expr(staff::Column::Role, Expr::val("ANALYST")).exec(tx.db()).await?;
            begun.notify_one();
            // Long enough for all of them to be let through and to wait for their turn.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            Ok(())
        });
        let tries = async {
            begun.notified().await;
            join_all(calls.map(|(mutation, input)| shop.mutate(&sam, mutation, input))).await
        };
        let ((), answers) = tokio::join!(ends, tries);
        for answer in answers {
            answer.assert_user_error("NOT_FOUND");
        }
        let listed = shop.graphql(&eva, "{ staffInvitations { totalCount } }", json!({})).await;
        assert_eq!(listed.at("/staffInvitations/totalCount"), 0);
        assert_eq!(me(shop, &eva).await.at("/staffMe/member/role"), "OWNER");
        let kept = staff::Entity::find().filter(staff::Column::TotpSecret.is_not_null());
        assert_eq!(kept.count(&shop.app.db.read).await.unwrap(), 1);
    }

    async fn members_of_nothing_and_poor_names_are_refused(shop: &TestApp) {
        let owner = shop.as_staff(Role::Owner).await;
        for id in ["x", "", shop.as_customer().await.customer_id()] {
            shop.refused(&owner, "staffUpdate", json!({ "id": id, "role": "MANAGER" }), "NOT_FOUND").await;
            shop.refused(&owner, "staffTotpReset", json!({ "id": id }), "NOT_FOUND").await;
        }
        let id = id_of(shop, &owner).await;
        shop.refused(&owner, "staffUpdate", json!({ "id": id, "name": " " }), "INVALID").await;
        let mut nameless = invite("nora@example.org");
        nameless["name"] = json!("two\nlines");
        shop.refused(&owner, "staffInvite", nameless, "INVALID").await;
    }

    async fn inviting_and_changing_need_a_step_up(shop: &TestApp) {
        let (owner, sam) = (shop.as_staff(Role::Owner).await, shop.as_staff(Role::Manager).await);
        let id = id_of(shop, &sam).await;
        shop.clock.advance(TimeDelta::minutes(5));
        let calls = [
            ("staffInvite", invite("nora@example.org")),
            ("staffUpdate", json!({ "id": id, "role": "OWNER" })),
            ("staffTotpReset", json!({ "id": id })),
        ];
        for (mutation, input) in calls {
            let late = shop.unchanged_by(async || shop.mutate(&owner, mutation, input).await).await;
            late.assert_error("FORBIDDEN");
            assert_eq!(late.body["errors"][0]["extensions"]["reason"], "STEP_UP_REQUIRED");
        }
    }

    async fn a_new_password_ends_every_other_session(shop: &TestApp) {
        let sam = shop.as_staff(Role::Support).await;
        let elsewhere = Caller::signed_in("", &sign_in(shop, &sam.email, PASSWORD).await);
        change_password(shop, &sam, PASSWORD, "a horse with a battery").await.assert_done();
        me(shop, &sam).await.data();
        me(shop, &elsewhere).await.assert_refused(401, "UNAUTHENTICATED");
        sign_in(shop, &sam.email, PASSWORD).await.assert_user_error("INVALID_CREDENTIALS");
        sign_in(shop, &sam.email, "a horse with a battery").await.assert_done();
    }

    async fn a_password_is_changed_only_by_who_knows_it_to_one_that_may_be_set(shop: &TestApp) {
        let sam = shop.as_staff(Role::Support).await;
        let poor = shop.unchanged_by(async || change_password(shop, &sam, PASSWORD, "short").await).await;
        poor.assert_user_error("PASSWORD_TOO_SHORT");
        assert_eq!(poor.user_errors()[0]["field"], json!(["input", "newPassword"]));
        let wrong = shop.unchanged_by(async || change_password(shop, &sam, "a wrong one", "a horse with a battery").await).await;
        wrong.assert_user_error("INVALID_CREDENTIALS");
        change_password(shop, &sam, PASSWORD, "a horse with a battery").await.assert_done();
    }

    async fn of_two_changes_of_a_password_at_once_one_is_made(shop: &TestApp) {
        let sam = shop.as_staff(Role::Support).await;
        let new = ["a horse with a battery", "a horse with two batteries"];
        let answers = join_all(new.map(|new| change_password(shop, &sam, PASSWORD, new))).await;
        let refused = answers.iter().filter(|answer| answer.user_error_codes() == ["INVALID_CREDENTIALS"]).count();
        assert_eq!(refused, 1);
        let signs_in = join_all(new.map(|new| sign_in(shop, &sam.email, new))).await;
        let good = signs_in.iter().filter(|answer| answer.user_error_codes().is_empty()).count();
        assert_eq!(good, 1);
    }
}
