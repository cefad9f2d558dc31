//! A session is remembered where it is used, and its end is in effect everywhere within a second all the same.

use std::time::{Duration, Instant};

use entity::id::SessionId;
use entity::staff::Role;
use regulars::app::App;
use regulars::clock::IdGen;
use regulars::notices::{Heard, Notice};
use sea_orm::ConnectionTrait;
use serde_json::{Value as Json, json};

use crate::support::{
    Answer, Caller, CountingProxy, Engine, Neighbour, Serving, TestApp, both_engines, config, eventually,
};

/// Answered out of memory, but for the question who asks.
const NAME: &str = "{ shop { name } }";
const END: &str =
    "mutation ($input: SessionEndInput!) { sessionEnd(input: $input) { ended userErrors { code } } }";
const REFRESH: &str = "mutation ($input: SessionRefreshInput!) {
    sessionRefresh(input: $input) { tokens { accessToken refreshToken } userErrors { code } }
}";

async fn with_token(shop: &TestApp, mutation: &str, refresh_token: &str) -> Answer {
    let input = json!({ "input": { "refreshToken": refresh_token } });
    shop.graphql(&Caller::anonymous(), mutation, input).await
}

/// What an access token says.
fn claims(caller: &Caller) -> Json {
    use base64::Engine;
    let part = caller.token().split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Changes rows behind the server's back: nobody is told.
async fn untold(shop: &TestApp, sql: &str) {
    shop.app.db.write.execute_unprepared(sql).await.unwrap();
}

const REVOKE: &str = "UPDATE sessions SET revoked_at = created_at";

/// Asks until the session is over; fails if that takes longer than a second.
async fn assert_over_within_a_second(neighbour: &Neighbour, caller: &Caller) {
    let ended = Instant::now();
    loop {
        let answer = neighbour.graphql(caller, NAME, json!({})).await;
        if answer.status == 401 {
            answer.assert_rejected();
            return;
        }
        assert!(ended.elapsed() < Duration::from_secs(1), "signed in still after a second");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The fewest statements of several queries: the line to the others is checked meanwhile.
async fn least_statements(proxy: &CountingProxy, serving: &Serving, caller: &Caller) -> usize {
    let mut least = usize::MAX;
    for _ in 0..12 {
        let before = proxy.executed();
        assert_eq!(serving.post(caller, NAME, json!({})).await.at("/shop/name"), "Regulars shop");
        least = least.min(proxy.executed() - before);
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    least
}

both_engines! {
    async fn who_signs_out_is_out_on_another_instance_within_a_second(shop: &TestApp) {
        let (joan, anna) = (shop.as_customer().await, shop.as_customer().await);
        let neighbour = shop.neighbour().await;
        for caller in [&joan, &anna] {
            neighbour.graphql(caller, NAME, json!({})).await.data();
        }
        with_token(shop, END, &joan.refresh_token).await.assert_done();
        assert_over_within_a_second(&neighbour, &joan).await;
        neighbour.graphql(&anna, NAME, json!({})).await.data();
        neighbour.end().await;
    }

    async fn the_reuse_of_a_refresh_token_is_in_effect_on_another_instance_within_a_second(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let neighbour = shop.neighbour().await;
        let second = Caller::signed_in("", &with_token(shop, REFRESH, &joan.refresh_token).await);
        let third = Caller::signed_in("", &with_token(shop, REFRESH, &second.refresh_token).await);
        neighbour.graphql(&third, NAME, json!({})).await.data();
        with_token(shop, REFRESH, &joan.refresh_token).await.assert_user_error("REFRESH_TOKEN_INVALID");
        assert_over_within_a_second(&neighbour, &third).await;
        neighbour.end().await;
    }

    async fn who_is_here_is_out_here_at_once(shop: &TestApp) {
        let keeping = shop.app.keep_current(false);
        let joan = shop.as_customer().await;
        for _ in 0..3 {
            shop.graphql(&joan, NAME, json!({})).await.data();
        }
        with_token(shop, END, &joan.refresh_token).await.assert_done();
        shop.graphql(&joan, NAME, json!({})).await.assert_rejected();
        drop(keeping);
    }

    async fn a_remembered_session_costs_a_query_no_statement(shop: &TestApp) {
        if shop.database.engine() == Engine::Sqlite {
            return;
        }
        let joan = shop.as_customer().await;
        let (proxy, url) = CountingProxy::before(shop.database.url()).await;
        let neighbour = shop.neighbour_through(&url).await;
        assert_eq!(least_statements(&proxy, &neighbour.serving, &joan).await, 0);
        // An instance that does not hear the others asks each time.
        let deaf = App::build_with(config(&url), shop.clock.clone(), IdGen::seeded(9)).await.unwrap();
        let serving = Serving::begin(deaf.clone());
        neighbour.end().await;
        assert_eq!(least_statements(&proxy, &serving, &joan).await, 1);
        serving.end().await;
        deaf.db.clone().close().await.unwrap();
        proxy.end();
    }

    async fn a_mutation_asks_the_database_whoever_is_remembered(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let neighbour = shop.neighbour().await;
        let rename = "mutation { customerUpdate(input: { name: \"Eve\", idempotencyKey: \"rename\" }) {
            customer { name } userErrors { code } } }";
        neighbour.graphql(&joan, NAME, json!({})).await.data();
        untold(shop, REVOKE).await;
        let refused = shop.unchanged_by(async || neighbour.graphql(&joan, rename, json!({})).await).await;
        refused.assert_rejected();
        // What the mutation found out, queries know from then on.
        neighbour.graphql(&joan, NAME, json!({})).await.assert_rejected();
        neighbour.end().await;
    }

    async fn a_mutation_knows_the_role_that_staff_have_now(shop: &TestApp) {
        let sam = shop.as_staff(Role::Owner).await;
        let neighbour = shop.neighbour().await;
        neighbour.graphql(&sam, "{ shopSettings { version } }", json!({})).await.data();
        untold(shop, "UPDATE staff SET role = 'ANALYST'").await;
        let rename = "mutation { shopSettingsUpdate(input: { expectedVersion: 0, name: \"Eve's\", idempotencyKey: \"k\" }) {
            settings { version } } }";
        let refused = shop.unchanged_by(async || neighbour.graphql(&sam, rename, json!({})).await).await;
        refused.assert_error("FORBIDDEN");
        neighbour.graphql(&sam, "{ shopSettings { version } }", json!({})).await.assert_error("FORBIDDEN");
        neighbour.end().await;
    }

    async fn what_nobody_told_is_known_within_a_second_where_nothing_is_heard(shop: &TestApp) {
        let joan = shop.as_customer().await;
        shop.graphql(&joan, NAME, json!({})).await.data();
        untold(shop, REVOKE).await;
        let begun = Instant::now();
        while shop.graphql(&joan, NAME, json!({})).await.status != 401 {
            assert!(begun.elapsed() < Duration::from_secs(1), "signed in still after a second");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn while_the_line_is_cut_queries_ask_the_database(shop: &TestApp) {
        if shop.database.engine() == Engine::Sqlite {
            return;
        }
        let joan = shop.as_customer().await;
        let (proxy, url) = CountingProxy::before(shop.database.url()).await;
        let neighbour = shop.neighbour_through(&url).await;
        // Remembered, and relied on.
        assert_eq!(least_statements(&proxy, &neighbour.serving, &joan).await, 0);
        untold(shop, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'regulars notices'").await;
        untold(shop, REVOKE).await;
        assert_over_within_a_second(&neighbour, &joan).await;
        // Once it is there again, sessions are remembered again.
        eventually("it hears again", Duration::from_secs(10), || neighbour.app.notices.hears_others()).await;
        let anna = shop.as_customer().await;
        assert_eq!(least_statements(&proxy, &neighbour.serving, &anna).await, 0);
        neighbour.end().await;
        proxy.end();
    }

    async fn a_remembered_viewer_does_not_outlive_the_token_or_the_session(shop: &TestApp) {
        use chrono::TimeDelta;
        let joan = shop.as_customer().await;
        let neighbour = shop.neighbour().await;
        neighbour.graphql(&joan, NAME, json!({})).await.data();
        shop.clock.advance(TimeDelta::minutes(15));
        neighbour.graphql(&joan, NAME, json!({})).await.assert_rejected();
        let anna = shop.as_customer().await;
        untold(shop, "UPDATE sessions SET expires_at = '2026-01-15T12:20:00+00:00'").await;
        neighbour.graphql(&anna, NAME, json!({})).await.data();
        shop.clock.advance(TimeDelta::minutes(5));
        neighbour.graphql(&anna, NAME, json!({})).await.assert_rejected();
        neighbour.end().await;
    }

    async fn whoever_subscribes_hears_which_session_ended(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let session: SessionId = serde_json::from_value(claims(&joan)["sid"].clone()).unwrap();
        let neighbour = shop.neighbour().await;
        let mut here = shop.app.notices.subscribe();
        let mut there = neighbour.app.notices.subscribe();
        with_token(shop, END, &joan.refresh_token).await.assert_done();
        let next = async |subscriber: &mut regulars::notices::Subscriber| {
            tokio::time::timeout(Duration::from_secs(1), subscriber.next()).await.ok().flatten()
        };
        let ended = Some(Heard::Notice(Notice::SessionEnded(session)));
        assert_eq!(next(&mut here).await, ended);
        if shop.database.engine() == Engine::Postgres {
            assert_eq!(next(&mut there).await, ended);
        }
        neighbour.end().await;
    }
}
