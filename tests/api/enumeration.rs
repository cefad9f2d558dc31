//! Whether an address is known shows nowhere: not in the answer, and not in the work behind it.

use entity::customer::{Column, Entity};
use regulars::app::App;
use regulars::clock::IdGen;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value as Json, json};

use crate::support::{
    Answer, Caller, CountingProxy, Engine, PASSWORD, Serving, TestApp, both_engines, config,
};

/// Addresses that the shop knows in different ways; of the last it knows nothing.
async fn addresses(shop: &TestApp) -> Vec<String> {
    let server = shop.as_server().await;
    let with_password = shop.as_customer_with_password().await.email;
    let without = shop.as_customer().await.email;
    let disabled = shop.as_customer_with_password().await.email;
    let unregistered = shop.as_customer_with_password().await.email;
    shop.record(&server, json!({ "email": "guest@example.org" })).await;
    set(shop, &disabled, Column::DisabledAt, Some(shop.clock.now())).await;
    set(shop, &unregistered, Column::RegisteredAt, None).await;
    vec![
        with_password,
        without,
        disabled,
        unregistered,
        "guest@example.org".into(),
        "nobody@example.org".into(),
    ]
}

async fn set(shop: &TestApp, email: &str, column: Column, to: Option<entity::Instant>) {
    let update = Entity::update_many().col_expr(column, Expr::val(to)).filter(Column::EmailKey.eq(email));
    assert_eq!(update.exec(&shop.app.db.write).await.unwrap().rows_affected, 1);
}

/// What anybody may send about an address.
fn requests(email: &str) -> [(&'static str, &'static str, Json); 5] {
    [
        ("customerRegister", "status challengeId", json!({ "email": email, "password": PASSWORD })),
        ("signInRequestCode", "status challengeId", json!({ "email": email })),
        ("passwordResetRequest", "status challengeId", json!({ "email": email })),
        ("consentRequest", "status", json!({ "email": email, "purposes": ["NEWSLETTER"] })),
        ("signInWithPassword", "customerId", json!({ "email": email, "password": "a wrong password" })),
    ]
}

async fn send(serving: &Serving, (mutation, selection, input): &(&str, &str, Json)) -> Answer {
    let of = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation ($input: {of}!) {{ {mutation}(input: $input) {{ {selection} userErrors {{ code message field }} }} }}"
    );
    serving.post(&Caller::anonymous(), &query, json!({ "input": input })).await
}

/// What can be told from an answer: all but the challenge, which is another each time.
fn told(answer: &Answer) -> (u16, Json) {
    let mut body = answer.body.clone();
    if let Some(id) =
        body["data"].as_object_mut().and_then(|data| data.values_mut().next()?.get_mut("challengeId"))
    {
        assert!(id.take().is_string());
    }
    (answer.status, body)
}

both_engines! {
    async fn every_address_is_answered_alike(shop: &TestApp) {
        let addresses = addresses(shop).await;
        for index in 0..5 {
            let mut answers = Vec::new();
            for email in &addresses {
                answers.push(told(&send(&shop.serving, &requests(email)[index]).await));
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        }
    }

    async fn every_address_takes_the_same_statements(shop: &TestApp) {
        // Only between us and a server can statements be counted.
        if shop.database.engine() == Engine::Sqlite {
            return;
        }
        let addresses = addresses(shop).await;
        let (proxy, url) = CountingProxy::before(shop.database.url()).await;
        let app = App::build_with(config(&url), shop.clock.clone(), IdGen::seeded(9)).await.unwrap();
        let serving = Serving::begin(app.clone());
        for index in 0..5 {
            let mut least = Vec::new();
            for email in &addresses {
                let request = &requests(email)[index];
                let mut taken = Vec::new();
                // Several times: the server looks for newer settings meanwhile.
                for _ in 0..3 {
                    let before = proxy.executed();
                    send(&serving, request).await.data();
                    taken.push(proxy.executed() - before);
                    tokio::time::sleep(std::time::Duration::from_millis(70)).await;
                }
                least.push(taken.into_iter().min().unwrap());
            }
            assert!(least.iter().all(|count| *count == least[0] && *count > 0), "{}: {least:?}", requests("")[index].0);
        }
        serving.end().await;
        app.db.clone().close().await.unwrap();
        proxy.end();
    }

    async fn a_wrong_password_changes_nothing_whoever_it_is_of(shop: &TestApp) {
        for email in addresses(shop).await {
            let input = json!({ "email": email, "password": "a wrong password" });
            shop.credential_refused(&Caller::anonymous(), "signInWithPassword", input, "INVALID_CREDENTIALS").await;
        }
    }

    async fn the_right_password_of_a_closed_account_is_refused_like_a_wrong_one(shop: &TestApp) {
        let addresses = addresses(shop).await;
        let expected = told(&shop.sign_in("nobody@example.org", PASSWORD).await);
        for email in &addresses[1..] {
            assert_eq!(told(&shop.sign_in(email, PASSWORD).await), expected, "{email}");
        }
        shop.sign_in(&addresses[0], PASSWORD).await.assert_done();
    }
}
