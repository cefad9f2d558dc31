//! People see their own sessions and end them, and nobody else's.

use chrono::TimeDelta;
use entity::staff::Role;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

const SESSIONS: &str = "query ($first: Int, $after: String) { sessions(first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor }
    nodes { id createdAt lastSeenAt expiresAt endedAt userAgent current } } }";

async fn sessions(shop: &TestApp, caller: &Caller) -> Vec<Json> {
    let answer = shop.graphql(caller, SESSIONS, json!({})).await;
    let nodes = answer.at("/sessions/nodes").as_array().unwrap().clone();
    assert_eq!(answer.at("/sessions/totalCount"), nodes.len());
    nodes
}

/// The session that `caller` is in.
async fn own(shop: &TestApp, caller: &Caller) -> String {
    let found = sessions(shop, caller).await;
    let [current] = &found.iter().filter(|session| session["current"] == true).collect::<Vec<_>>()[..] else {
        panic!("not one current session: {found:#?}")
    };
    current["id"].as_str().unwrap().to_owned()
}

fn revoke(id: &str, key: &str) -> Json {
    json!({ "sessionId": id, "idempotencyKey": key })
}

async fn is_in(shop: &TestApp, caller: &Caller) -> bool {
    shop.graphql(caller, SESSIONS, json!({})).await.status == 200
}

both_engines! {
    async fn a_customer_sees_each_session_and_which_one_asks(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        shop.as_customer().await;
        shop.clock.advance(TimeDelta::minutes(1));
        let other = shop.another_session(&joan.email).await;
        shop.clock.advance(TimeDelta::minutes(1));
        let input = json!({ "refreshToken": joan.refresh_token });
        shop.credential(&Caller::anonymous(), "sessionRefresh", input).await.assert_done();
        let found = sessions(shop, &joan).await;
        let session = |index: usize, created: &str, seen: &str, ends: &str, current: bool| {
            json!({ "id": found[index]["id"], "createdAt": created, "lastSeenAt": seen, "expiresAt": ends,
                "endedAt": null, "userAgent": null, "current": current })
        };
        let expected = [
            session(0, "2026-01-15T12:01:00+00:00", "2026-01-15T12:01:00+00:00", "2026-04-15T12:01:00+00:00", false),
            session(1, "2026-01-15T12:00:00+00:00", "2026-01-15T12:02:00+00:00", "2026-04-15T12:00:00+00:00", true),
        ];
        assert_eq!(found, expected);
        assert_eq!(own(shop, &other).await, found[0]["id"]);
        let page = shop.graphql(&joan, SESSIONS, json!({ "first": 1 })).await;
        assert_eq!(page.at("/sessions/nodes").as_array().unwrap()[..], found[..1]);
        assert_eq!((page.at("/sessions/pageInfo/hasNextPage"), page.at("/sessions/totalCount")), (&json!(true), &json!(2)));
        let after = page.at("/sessions/pageInfo/endCursor");
        let page = shop.graphql(&joan, SESSIONS, json!({ "first": 1, "after": after })).await;
        assert_eq!(page.at("/sessions/nodes").as_array().unwrap()[..], found[1..]);
        assert_eq!(page.at("/sessions/pageInfo/hasNextPage"), false);
    }

    async fn a_session_that_cannot_go_on_is_not_shown(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        shop.clock.advance(TimeDelta::days(29));
        let other = shop.another_session(&joan.email).await;
        assert_eq!(sessions(shop, &other).await.len(), 2);
        shop.clock.advance(TimeDelta::days(1));
        let next = shop.another_session(&joan.email).await;
        assert_eq!(sessions(shop, &next).await.len(), 2);
        let ended = json!({ "refreshToken": joan.refresh_token });
        shop.credential(&Caller::anonymous(), "sessionRefresh", ended).await.assert_user_error("REFRESH_TOKEN_INVALID");
    }

    async fn a_session_that_is_revoked_is_out_at_once(shop: &TestApp) {
        let joan = shop.as_customer_with_password().await;
        let other = shop.another_session(&joan.email).await;
        let id = own(shop, &other).await;
        let ended = shop.credential(&joan, "sessionRevoke", revoke(&id, "k-1")).await;
        ended.assert_done();
        let expected = json!({ "id": id, "endedAt": "2026-01-15T12:00:00+00:00", "current": false });
        assert_eq!((&ended.payload()["session"], &ended.payload()["replayed"]), (&expected, &json!(false)));
        assert_eq!((shop.is_in(&joan).await, shop.is_in(&other).await), (true, false));
        let input = json!({ "refreshToken": other.refresh_token });
        shop.credential(&Caller::anonymous(), "sessionRefresh", input).await.assert_user_error("REFRESH_TOKEN_INVALID");
        shop.clock.advance(TimeDelta::seconds(1));
        let replayed = shop.unchanged_by(async || {
            shop.credential(&joan, "sessionRevoke", revoke(&id, "k-1")).await
        }).await;
        assert_eq!((&replayed.payload()["session"], &replayed.payload()["replayed"]), (&expected, &json!(true)));
        let again = shop.credential(&joan, "sessionRevoke", revoke(&id, "k-2")).await;
        assert_eq!(again.payload()["session"], expected, "ended anew");
        let audited = shop.audited(joan.customer_id()).await;
        assert_eq!(audited, [("session.revoke".to_owned(), "CUSTOMER".to_owned(), json!({}))]);
    }

    async fn one_may_revoke_the_session_one_is_in(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let id = own(shop, &joan).await;
        shop.credential(&joan, "sessionRevoke", revoke(&id, "k-1")).await.assert_done();
        assert!(!shop.is_in(&joan).await);
    }

    async fn sessions_of_nobody_and_of_others_are_one_refusal(shop: &TestApp) {
        let (joan, eve, sam) = (shop.as_customer().await, shop.as_customer().await, shop.as_staff(Role::Owner).await);
        let (joans, sams) = (own(shop, &joan).await, own(shop, &sam).await);
        let mut answers = Vec::new();
        for id in [joans.as_str(), sams.as_str(), eve.customer_id(), "x", ""] {
            let refused = shop.unchanged_by(async || {
                shop.credential(&eve, "sessionRevoke", revoke(id, "k-1")).await
            }).await;
            refused.assert_user_error("NOT_FOUND");
            answers.push(refused.body);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        let refused = shop.unchanged_by(async || {
            shop.credential(&sam, "sessionRevoke", revoke(&joans, "k-1")).await
        }).await;
        refused.assert_user_error("NOT_FOUND");
        assert_eq!((shop.is_in(&joan).await, is_in(shop, &sam).await), (true, true));
    }

    async fn all_sessions_but_the_one_that_asks_end(shop: &TestApp) {
        let (joan, eve) = (shop.as_customer_with_password().await, shop.as_customer().await);
        let others = [shop.another_session(&joan.email).await, shop.another_session(&joan.email).await];
        let input = json!({ "idempotencyKey": "k-1" });
        let ended = shop.credential(&joan, "sessionsRevokeOthers", input.clone()).await;
        assert_eq!((&ended.payload()["ended"], &ended.payload()["replayed"]), (&json!(2), &json!(false)));
        assert_eq!((shop.is_in(&joan).await, shop.is_in(&eve).await), (true, true));
        for other in &others {
            assert!(!shop.is_in(other).await);
        }
        let new = shop.another_session(&joan.email).await;
        let replayed = shop.credential(&joan, "sessionsRevokeOthers", input).await;
        assert_eq!((&replayed.payload()["ended"], &replayed.payload()["replayed"]), (&json!(2), &json!(true)));
        assert!(shop.is_in(&new).await, "a replay ends what was begun since");
        let expected = ("session.revoke_others".to_owned(), "CUSTOMER".to_owned(), json!({ "sessionsEnded": 2 }));
        assert_eq!(shop.audited(joan.customer_id()).await, [expected]);
    }

    async fn staff_see_and_end_their_own(shop: &TestApp) {
        let (sam, olga) = (shop.as_staff(Role::Analyst).await, shop.as_staff(Role::Owner).await);
        let mutation = "mutation ($input: StaffSignInInput!) {
            staffSignIn(input: $input) { tokens { accessToken refreshToken } userErrors { code } } }";
        let input = json!({ "input": { "email": sam.email, "password": crate::support::PASSWORD } });
        let again = Caller::signed_in(&sam.email, &shop.graphql(&Caller::anonymous(), mutation, input).await);
        let (first, second) = (own(shop, &sam).await, own(shop, &again).await);
        assert_eq!(sessions(shop, &sam).await.len(), 2);
        shop.credential(&sam, "sessionRevoke", revoke(&second, "k-1")).await.assert_done();
        assert_eq!((is_in(shop, &sam).await, is_in(shop, &again).await), (true, false));
        let none = shop.credential(&olga, "sessionsRevokeOthers", json!({ "idempotencyKey": "k-1" })).await;
        assert_eq!(none.payload()["ended"], 0);
        assert_eq!(own(shop, &sam).await, first);
        let query = "{ auditEntries(first: 10, filter: { act: \"session.revoke\" }) { nodes { act actorKind subjectKind subjectId } } }";
        let answer = shop.graphql(&olga, query, json!({})).await;
        let expected = json!([{ "act": "session.revoke", "actorKind": "STAFF", "subjectKind": "Session", "subjectId": second }]);
        assert_eq!(answer.at("/auditEntries/nodes"), &expected);
    }
}
