//! Rejected credentials: a network that sends many gets none looked up any more, and good ones go on from there all the same.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use entity::staff::Role;
use regulars::app::App;
use regulars::clock::IdGen;
use serde_json::{Value as Json, json};

use crate::support::{Caller, CountingProxy, Engine, Serving, TestApp, both_engines, config_with};
use crate::throttle::Limited;

const FLAGS: [&str; 2] = ["--max-requests-per-address", "3"];

/// A key that nobody has.
fn guessed() -> Caller {
    Caller::bearer(&format!("rg_abcd2345_{}", "a".repeat(43)))
}

/// The token of somebody with another signature.
fn forged(of: &Caller) -> Caller {
    let (signed, signature) = of.token().rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    Caller::bearer(&format!("{signed}.{other}{}", &signature[1..]))
}

/// The token of somebody as if another key had signed it.
fn of_another_key(of: &Caller) -> Caller {
    let (header, rest) = of.token().split_once('.').unwrap();
    let mut header: Json = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"] = json!("00000000-0000-7000-8000-000000000007");
    Caller::bearer(&format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string())))
}

/// Has the network rejected until it is over the limit.
async fn reject(limited: &Limited) {
    for _ in 0..3 {
        limited.ask(&guessed()).await.assert_refused(401, "UNAUTHENTICATED");
    }
    limited.ask(&guessed()).await.assert_refused(429, "RATE_LIMITED");
}

both_engines! {
    async fn good_credentials_go_on_wherever_others_are_rejected(shop: &TestApp) {
        let limited = Limited::open(shop, &FLAGS).await;
        let (key, unused) = (shop.as_server().await, shop.as_server().await);
        let (joan, sam) = (shop.as_customer().await, shop.as_staff(Role::Support).await);
        limited.ask(&key).await.data();
        reject(&limited).await;
        for good in [&key, &joan, &sam, &joan] {
            limited.ask(good).await.data();
        }
        // A key that was not used here of late may be a guess.
        limited.ask(&unused).await.assert_refused(429, "RATE_LIMITED");
        // What is wrong without looking is told so; what may be right is not looked up.
        limited.ask(&forged(&joan)).await.assert_refused(401, "UNAUTHENTICATED");
        limited.ask(&of_another_key(&joan)).await.assert_refused(429, "RATE_LIMITED");
        // Anonymous requests of that address are counted apart.
        assert_eq!(limited.answered(&Caller::anonymous(), 5).await, 3);
        shop.clock.advance(TimeDelta::seconds(59));
        limited.ask(&key).await.data();
        shop.clock.advance(TimeDelta::minutes(2));
        assert_eq!(limited.answered(&unused, 5).await, 5);
        limited.close().await;
    }

    async fn a_key_is_known_for_a_minute(shop: &TestApp) {
        let limited = Limited::open(shop, &FLAGS).await;
        let key = shop.as_server().await;
        limited.ask(&key).await.data();
        shop.clock.advance(TimeDelta::seconds(60));
        // For half a second it is remembered too, without a statement.
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        reject(&limited).await;
        limited.ask(&key).await.assert_refused(429, "RATE_LIMITED");
        limited.close().await;
    }

    async fn a_token_of_a_session_that_ended_is_looked_up_only_so_often(shop: &TestApp) {
        let flags = [FLAGS.as_slice(), &["--max-requests-per-account", "4"]].concat();
        let limited = Limited::open(shop, &flags).await;
        let joan = shop.as_customer().await;
        let end = json!({ "input": { "refreshToken": joan.refresh_token } });
        let mutation = "mutation ($input: SessionEndInput!) { sessionEnd(input: $input) { ended } }";
        limited.serving.post(&Caller::anonymous(), mutation, end).await.data();
        reject(&limited).await;
        for _ in 0..4 {
            limited.ask(&joan).await.assert_refused(401, "UNAUTHENTICATED");
        }
        limited.ask(&joan).await.assert_refused(429, "RATE_LIMITED");
        limited.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_may_be_guesses_cost_no_statement_beyond_the_limit() {
    crate::support::run(Engine::Postgres, async |shop: &TestApp| {
        let (door, url) = CountingProxy::before(shop.database.url()).await;
        let config = config_with(&url, &FLAGS);
        let app = App::build_with(config, shop.clock.clone(), IdGen::seeded(78)).await.unwrap();
        let limited = Limited { serving: Serving::begin(app.clone()), app };
        let joan = shop.as_customer().await;
        reject(&limited).await;
        let before = door.executed();
        for guess in [guessed(), forged(&joan), of_another_key(&joan), Caller::bearer("no token")] {
            assert_eq!(limited.answered(&guess, 5).await, 0);
        }
        assert_eq!(door.executed() - before, 0);
        limited.ask(&joan).await.data();
        assert_eq!(door.executed() - before, 1, "good ones cost what they always cost");
        limited.close().await;
        door.end();
    })
    .await;
}
