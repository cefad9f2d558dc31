//! Rate limits: who asks too often is told when to come again, before anything is done, on every instance.

use std::time::Duration;

use chrono::TimeDelta;
use entity::rate_limit;
use futures_util::future::join_all;
use regulars::app::App;
use regulars::clock::IdGen;
use regulars::throttle;
use reqwest::{Method, RequestBuilder};
use sea_orm::EntityTrait;
use serde_json::{Value as Json, json};

use crate::support::{
    Answer, Caller, CountingProxy, Engine, PASSWORD, Serving, TestApp, both_engines, config_with,
};

const SHOP: &str = "{ shop { name } }";
const SIGN_IN: &str = "mutation ($input: SignInWithPasswordInput!) {
    signInWithPassword(input: $input) { tokens { accessToken refreshToken } customerId userErrors { code } } }";
const STAFF_SIGN_IN: &str = "mutation ($input: StaffSignInInput!) {
    staffSignIn(input: $input) { staffId userErrors { code } } }";
const REQUEST_CODE: &str = "mutation ($input: SignInRequestCodeInput!) {
    signInRequestCode(input: $input) { status userErrors { code } } }";
const REGISTER: &str = "mutation ($input: CustomerRegisterInput!) {
    customerRegister(input: $input) { status userErrors { code } } }";
const REFRESH: &str = "mutation ($input: SessionRefreshInput!) {
    sessionRefresh(input: $input) { userErrors { code } } }";

/// A server on the shop's database with limits of its own.
pub(crate) struct Limited {
    pub(crate) app: App,
    pub(crate) serving: Serving,
}

impl Limited {
    pub(crate) async fn open(shop: &TestApp, flags: &[&str]) -> Self {
        let app = shop.another_instance_with(flags).await;
        Self { serving: Serving::begin(app.clone()), app }
    }

    pub(crate) async fn ask(&self, caller: &Caller) -> Answer {
        self.serving.post(caller, SHOP, json!({})).await
    }

    /// Asks so often; answers how often that was answered.
    pub(crate) async fn answered(&self, caller: &Caller, times: usize) -> usize {
        let mut answered = 0;
        for _ in 0..times {
            answered += usize::from(self.ask(caller).await.status == 200);
        }
        answered
    }

    async fn try_credentials(&self, mutation: &str, input: Json) -> Answer {
        self.serving.post(&Caller::anonymous(), mutation, json!({ "input": input })).await
    }

    /// The same as a request that proxies forwarded, or seem to have.
    fn forwarded(&self, headers: &[(&str, &str)], query: &str, variables: &Json) -> RequestBuilder {
        let body = json!({ "query": query, "variables": variables });
        let request = self.serving.request(Method::POST, "/graphql").json(&body);
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    async fn from(&self, address: &str) -> Answer {
        let request = self.forwarded(&[("x-forwarded-for", address)], SHOP, &json!({}));
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn close(self) {
        self.serving.end().await;
        self.app.db.clone().close().await.unwrap();
    }
}

/// Asserts the whole of a refusal.
fn assert_limited(answer: &Answer, seconds: u32) {
    answer.assert_refused(429, "RATE_LIMITED");
    assert_eq!(answer.header("retry-after"), seconds.to_string());
    let expected = json!({ "errors": [{
        "message": "Too many requests: try again later.",
        "extensions": {
            "code": "RATE_LIMITED", "retryAfterSeconds": seconds, "requestId": answer.header("x-request-id"),
        },
    }] });
    let mut found = answer.body.clone();
    if let Some(error) = found["errors"][0].as_object_mut() {
        // An operation that refuses says where it stands.
        error.remove("locations");
        error.remove("path");
    }
    assert_eq!(found, expected);
}

fn wrong_password(email: &str) -> Json {
    json!({ "email": email, "password": "not the password" })
}

both_engines! {
    async fn an_address_asks_so_often_and_again_when_the_window_has_passed(shop: &TestApp) {
        let limited = Limited::open(shop, &["--max-requests-per-address", "5"]).await;
        let nobody = Caller::anonymous();
        assert_eq!(limited.answered(&nobody, 5).await, 5);
        for _ in 0..3 {
            assert_limited(&limited.ask(&nobody).await, 72);
        }
        shop.clock.advance(TimeDelta::seconds(71));
        assert_limited(&limited.ask(&nobody).await, 1);
        shop.clock.advance(TimeDelta::seconds(1));
        assert_eq!(limited.answered(&nobody, 3).await, 1);
        shop.clock.advance(TimeDelta::minutes(2));
        assert_eq!(limited.answered(&nobody, 9).await, 5);
        limited.close().await;
    }

    async fn an_account_and_a_key_count_for_themselves(shop: &TestApp) {
        let flags = ["--max-requests-per-address", "1", "--max-requests-per-account", "3", "--max-requests-per-api-key", "4"];
        let limited = Limited::open(shop, &flags).await;
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let (key, other) = (shop.as_server().await, shop.as_server().await);
        assert_eq!(limited.answered(&Caller::anonymous(), 3).await, 1);
        assert_eq!(limited.answered(&joan, 6).await, 3);
        assert_eq!(limited.answered(&eve, 2).await, 2);
        assert_eq!(limited.answered(&key, 6).await, 4);
        assert_eq!(limited.answered(&other, 6).await, 4);
        assert_limited(&limited.ask(&joan).await, 80);
        assert_limited(&limited.ask(&key).await, 75);
        limited.close().await;
    }

    async fn zero_is_no_limit(shop: &TestApp) {
        let flags = ["--max-requests-per-address", "0", "--max-credentials-per-address", "0", "--max-credentials-per-mailbox", "0"];
        let limited = Limited::open(shop, &flags).await;
        assert_eq!(limited.answered(&Caller::anonymous(), 50).await, 50);
        for _ in 0..15 {
            limited.try_credentials(REQUEST_CODE, json!({ "email": "a@example.org" })).await.data();
        }
        limited.close().await;
    }

    async fn an_address_tries_so_many_credentials_of_whatever_kind(shop: &TestApp) {
        let limited = Limited::open(shop, &["--max-credentials-per-address", "6"]).await;
        limited.try_credentials(SIGN_IN, wrong_password("a@example.org")).await.data();
        limited.try_credentials(STAFF_SIGN_IN, wrong_password("b@example.org")).await.data();
        limited.try_credentials(REQUEST_CODE, json!({ "email": "c@example.org" })).await.data();
        limited.try_credentials(REGISTER, json!({ "email": "d@example.org" })).await.data();
        let prove = "mutation { mailboxProve(input: { challengeId: \"x\", code: \"1\" }) { userErrors { code } } }";
        let nobody = Caller::anonymous();
        limited.serving.post(&nobody, prove, json!({})).await.assert_user_error("CODE_INVALID");
        limited.try_credentials(SIGN_IN, wrong_password("e@example.org")).await.data();
        let anna = json!({ "email": "anna@example.org", "password": PASSWORD });
        for _ in 0..2 {
            let refused = shop.unchanged_by(async || limited.try_credentials(REGISTER, anna.clone()).await).await;
            assert_limited(&refused, 70);
        }
        // What tries none goes on, and so do refresh tokens.
        assert_eq!(limited.answered(&nobody, 3).await, 3);
        limited.try_credentials(REFRESH, json!({ "refreshToken": "x" })).await.assert_user_error("REFRESH_TOKEN_INVALID");
        shop.clock.advance(TimeDelta::seconds(70));
        limited.try_credentials(REGISTER, anna).await.data();
        limited.close().await;
    }

    async fn refresh_tokens_have_a_limit_of_their_own(shop: &TestApp) {
        let limited = Limited::open(shop, &["--max-refreshes-per-address", "2"]).await;
        for _ in 0..2 {
            limited.try_credentials(REFRESH, json!({ "refreshToken": "x" })).await.data();
        }
        let joan = shop.as_customer().await;
        let token = json!({ "refreshToken": joan.refresh_token });
        let refused = shop.unchanged_by(async || limited.try_credentials(REFRESH, token.clone()).await).await;
        assert_limited(&refused, 90);
        shop.clock.advance(TimeDelta::seconds(90));
        limited.try_credentials(REFRESH, token).await.assert_done();
        limited.close().await;
    }

    async fn codes_of_coupons_are_guessed_so_often_and_those_that_are_right_cost_nothing(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_member(&server, 0).await;
        let owner = shop.as_staff(entity::staff::Role::Owner).await;
        shop.done(&owner, "couponCreate", json!({ "code": "TEN", "name": "Ten per cent", "percent": "0.1" })).await;
        let limited = Limited::open(shop, &["--max-credentials-per-address", "3"]).await;
        let cart = json!({ "currency": "EUR", "lines": [{ "sku": "A-1", "lineTotal": "10.00" }] });
        let explain = async |caller: &Caller, code: &str| {
            let query = "query ($code: String!, $cart: CouponCartInput!) { explainCoupon(code: $code, cart: $cart) { refusal } }";
            limited.serving.post(caller, query, json!({ "code": code, "cart": cart })).await
        };
        let reserve = async |caller: &Caller, code: &str, key: &str| {
            let mutation = "mutation ($input: CouponReserveInput!) { couponReserve(input: $input) { userErrors { code } } }";
            let input = json!({ "code": code, "cart": cart, "idempotencyKey": key });
            limited.serving.post(caller, mutation, json!({ "input": input })).await
        };
        for _ in 0..5 {
            assert_eq!(explain(&joan, "TEN").await.at("/explainCoupon/refusal"), &Json::Null);
        }
        for code in ["ONE", "TWO"] {
            assert_eq!(explain(&Caller::anonymous(), code).await.at("/explainCoupon/refusal"), "NOT_FOUND");
        }
        assert_eq!(reserve(&joan, "THREE", "k-1").await.at("/couponReserve/userErrors/0/code"), "NOT_FOUND");
        // From then on nothing is looked up, whoever asks from there, right or wrong.
        explain(&Caller::anonymous(), "TEN").await.assert_error("RATE_LIMITED");
        explain(&joan, "FOUR").await.assert_error("RATE_LIMITED");
        reserve(&joan, "TEN", "k-2").await.assert_error("RATE_LIMITED");
        assert_eq!(explain(&server, "FIVE").await.at("/explainCoupon/refusal"), "NOT_FOUND");
        shop.clock.advance(TimeDelta::minutes(2));
        assert_eq!(explain(&Caller::anonymous(), "TEN").await.at("/explainCoupon/refusal"), &Json::Null);
        limited.close().await;
    }

    async fn a_document_that_is_not_parsed_tries_nothing(shop: &TestApp) {
        let limited = Limited::open(shop, &["--max-credentials-per-address", "1"]).await;
        let unknown = "mutation { signInWithPassword(input: { email: \"a@example.org\" }) { nothing } }";
        let twice = "mutation { a: sessionEnd(input: { refreshToken: \"x\" }) { ended } signInWithPassword: shop { name } }";
        for document in ["mutation {", twice] {
            assert_ne!(limited.serving.post(&Caller::anonymous(), document, json!({})).await.error_codes(), ["RATE_LIMITED"]);
        }
        limited.try_credentials(SIGN_IN, wrong_password("a@example.org")).await.data();
        // Limits go before validation, so that no document is validated for nothing.
        limited.serving.post(&Caller::anonymous(), unknown, json!({})).await.assert_refused(429, "RATE_LIMITED");
        limited.close().await;
    }

    async fn a_known_mailbox_is_limited_like_an_unknown_one(shop: &TestApp) {
        let limited = Limited::open(shop, &["--max-credentials-per-mailbox", "3"]).await;
        let challenge = shop.register("anna@example.org", Some(PASSWORD)).await;
        let code = shop.mailed_code("anna@example.org").await;
        shop.prove(&challenge, &code).await.assert_done();
        // Registering counted too, on PostgreSQL for this instance as well.
        shop.clock.advance(TimeDelta::hours(1));
        let mut told = Vec::new();
        for email in ["anna@example.org", "nobody@example.org"] {
            // Each is counted apart: whoever uses up one shuts none of the others.
            for _ in 0..3 {
                let wrong = limited.try_credentials(SIGN_IN, wrong_password(email)).await;
                wrong.assert_user_error("INVALID_CREDENTIALS");
                limited.try_credentials(REQUEST_CODE, json!({ "email": email.to_uppercase() })).await.data();
                let wrong = limited.try_credentials(STAFF_SIGN_IN, wrong_password(email)).await;
                wrong.assert_user_error("INVALID_CREDENTIALS");
            }
            for (mutation, input) in [
                (SIGN_IN, json!({ "email": email, "password": PASSWORD })),
                (STAFF_SIGN_IN, json!({ "email": email, "password": PASSWORD })),
                (REQUEST_CODE, json!({ "email": email })),
                (REGISTER, json!({ "email": email, "password": PASSWORD })),
            ] {
                let refused = shop.unchanged_by(async || limited.try_credentials(mutation, input).await).await;
                assert_limited(&refused, 800);
                let mut body = refused.body;
                body["errors"][0]["extensions"]["requestId"].take();
                told.push((mutation, body));
            }
        }
        assert_eq!(told[..4], told[4..]);
        shop.clock.advance(TimeDelta::seconds(800));
        let anna = json!({ "email": "anna@example.org", "password": PASSWORD });
        limited.try_credentials(SIGN_IN, anna).await.assert_done();
        limited.close().await;
    }

    async fn of_many_tries_at_once_no_more_than_the_limit_are_looked_at(shop: &TestApp) {
        let flags = ["--max-credentials-per-address", "9", "--max-credentials-per-mailbox", "4"];
        let one = Limited::open(shop, &flags).await;
        let answers = join_all((0..30).map(|_| one.try_credentials(SIGN_IN, wrong_password("a@example.org")))).await;
        let tried = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| answer.status == 429).count();
        assert_eq!((tried, refused), (4, 26));
        one.close().await;
    }

    async fn a_server_of_the_shop_signs_in_many_at_once(shop: &TestApp) {
        // A machine that is busy with other tests hashes slowly.
        let flags = ["--max-credentials-per-address", "1", "--max-seconds", "60"];
        let limited = Limited::open(shop, &flags).await;
        let key = shop.as_server().await;
        let sign_ins = (0..200).map(|number| {
            let input = wrong_password(&format!("visitor-{number}@example.org"));
            let (limited, key) = (&limited, &key);
            async move { limited.serving.post(key, SIGN_IN, json!({ "input": input })).await }
        });
        for answer in join_all(sign_ins).await {
            answer.assert_user_error("INVALID_CREDENTIALS");
        }
        limited.close().await;
    }

    async fn nobody_but_a_trusted_proxy_says_where_a_request_comes_from(shop: &TestApp) {
        let limited = Limited::open(shop, &["--max-requests-per-address", "2"]).await;
        for number in 1..=4 {
            let headers = [("x-forwarded-for", format!("198.51.100.{number}")), ("forwarded", format!("for=198.51.100.{number}"))];
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            let answer = Answer::of(limited.forwarded(&headers, SHOP, &json!({})).send().await.unwrap()).await;
            assert_eq!(answer.status, if number <= 2 { 200 } else { 429 });
        }
        limited.close().await;
    }

    async fn behind_trusted_proxies_each_client_counts_for_itself(shop: &TestApp) {
        let flags = ["--max-requests-per-address", "2", "--trusted-proxies", "127.0.0.1,10.0.0.0/8"];
        let limited = Limited::open(shop, &flags).await;
        let statuses = async |addresses: &[&str]| {
            let mut statuses = Vec::new();
            for address in addresses {
                statuses.push(limited.from(address).await.status);
            }
            statuses
        };
        assert_eq!(statuses(&["198.51.100.1", "198.51.100.1", "198.51.100.1", "198.51.100.2"]).await, [200, 200, 429, 200]);
        // What a client puts in front changes nothing.
        assert_eq!(statuses(&["203.0.113.1, 198.51.100.1", "198.51.100.9, 198.51.100.1, 10.1.1.1"]).await, [429, 429]);
        // An IPv6 client has a whole /64.
        assert_eq!(statuses(&["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"]).await, [200, 200, 429, 200]);
        let standard = limited.forwarded(&[("forwarded", "for=\"198.51.100.1:80\";proto=https")], SHOP, &json!({}));
        assert_eq!(Answer::of(standard.send().await.unwrap()).await.status, 429);
        limited.close().await;
    }

    async fn clients_behind_a_trusted_proxy_share_the_limit_of_a_mailbox_only(shop: &TestApp) {
        let flags = ["--max-credentials-per-address", "2", "--max-credentials-per-mailbox", "3", "--trusted-proxies", "127.0.0.1"];
        let limited = Limited::open(shop, &flags).await;
        let variables = json!({ "input": wrong_password("anna@example.org") });
        let mut statuses = Vec::new();
        for address in ["198.51.100.1", "198.51.100.1", "198.51.100.1", "198.51.100.2", "198.51.100.3"] {
            let request = limited.forwarded(&[("x-forwarded-for", address)], SIGN_IN, &variables);
            statuses.push(request.send().await.unwrap().status().as_u16());
        }
        assert_eq!(statuses, [200, 200, 429, 200, 429]);
        limited.close().await;
    }

    async fn refusals_are_counted_by_limit(shop: &TestApp) {
        let limited = Limited::open(shop, &["--max-requests-per-address", "1"]).await;
        limited.answered(&Caller::anonymous(), 3).await;
        let numbers = limited.serving.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        assert!(numbers.contains("regulars_rate_limited_total{limit=\"address\"} 2"), "{numbers}");
        limited.close().await;
    }

    async fn without_the_database_requests_are_limited_and_credentials_refused(shop: &TestApp) {
        let limited = Limited::open(shop, &["--max-requests-per-address", "4"]).await;
        limited.app.db.clone().close().await.unwrap();
        let tried = limited.try_credentials(SIGN_IN, wrong_password("a@example.org")).await;
        tried.assert_error("UNAVAILABLE");
        if shop.database.engine() == Engine::Postgres {
            // Not even begun, because the limit cannot be asked.
            tried.assert_refused(503, "UNAVAILABLE");
        }
        assert_eq!(limited.answered(&Caller::anonymous(), 5).await, 3);
        limited.serving.end().await;
    }
}

/// Runs `test` on `PostgreSQL`, which alone has several instances.
async fn on_postgres(test: impl AsyncFnOnce(&TestApp)) {
    crate::support::run(Engine::Postgres, test).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_limited_to_the_try_over_two_instances() {
    on_postgres(async |shop| {
        let flags = ["--max-credentials-per-address", "20", "--max-credentials-per-mailbox", "7"];
        let (one, other) = (Limited::open(shop, &flags).await, Limited::open(shop, &flags).await);
        let sent = (0..40).map(|number| {
            let instance = if number % 2 == 0 { &one } else { &other };
            let email = if number < 20 { "anna@example.org" } else { "nobody@example.org" };
            instance.try_credentials(SIGN_IN, wrong_password(email))
        });
        let answers = join_all(sent).await;
        let tried = |answers: &[Answer]| answers.iter().filter(|answer| answer.status == 200).count();
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 429)));
        assert!(tried(&answers[..20]) <= 7 && tried(&answers[20..]) <= 7);
        let counts: Vec<i64> = rows(shop).await.iter().map(|row| row.count).collect();
        let tries_of_mailboxes: i64 = counts.iter().filter(|count| **count <= 7).sum();
        assert!(counts.contains(&20), "{counts:?}");
        assert_eq!(i64::try_from(tried(&answers)).unwrap(), tries_of_mailboxes, "{counts:?}");
        // Who was refused by one instance is refused by both, and again later.
        for instance in [&one, &other] {
            let refused = instance.try_credentials(SIGN_IN, wrong_password("c@example.org")).await;
            assert_limited(&refused, 63);
        }
        shop.clock.advance(TimeDelta::seconds(63));
        other
            .try_credentials(SIGN_IN, wrong_password("c@example.org"))
            .await
            .assert_user_error("INVALID_CREDENTIALS");
        one.try_credentials(SIGN_IN, wrong_password("c@example.org"))
            .await
            .assert_refused(429, "RATE_LIMITED");
        one.close().await;
        other.close().await;
    })
    .await;
}

/// Waits until all instances together told of so many requests of the one address.
async fn until_counted(shop: &TestApp, count: i64) {
    for _ in 0..600 {
        if rows(shop).await.iter().any(|row| row.count == count) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not {count}: {:?}", rows(shop).await);
}

async fn rows(shop: &TestApp) -> Vec<rate_limit::Model> {
    rate_limit::Entity::find().all(&shop.app.db.read).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_tell_each_other_of_ordinary_requests() {
    on_postgres(async |shop| {
        let flags = ["--max-requests-per-address", "20", "--max-requests-per-api-key", "30"];
        let (one, other) = (Limited::open(shop, &flags).await, Limited::open(shop, &flags).await);
        let (nobody, key) = (Caller::anonymous(), shop.as_server().await);
        assert_eq!(one.answered(&nobody, 12).await, 12);
        assert_eq!(other.answered(&nobody, 5).await, 5);
        assert_eq!(one.answered(&key, 20).await, 20);
        for instance in [&one, &other, &one] {
            throttle::exchange(&instance.app).await.unwrap();
        }
        // The second learned of the first when it told its own, the first when it next has something to tell.
        assert_eq!(other.answered(&nobody, 9).await, 3);
        assert_eq!(other.answered(&key, 10).await, 10);
        throttle::exchange(&other.app).await.unwrap();
        assert_eq!(other.answered(&key, 10).await, 0);
        assert_eq!(one.answered(&nobody, 2).await, 2);
        throttle::exchange(&one.app).await.unwrap();
        assert_eq!(one.answered(&nobody, 9).await, 0);
        // The window before counts on both.
        shop.clock.advance(TimeDelta::minutes(1));
        assert_eq!((one.answered(&nobody, 9).await, other.answered(&nobody, 9).await), (0, 0));
        shop.clock.advance(TimeDelta::minutes(2));
        assert_eq!((one.answered(&nobody, 9).await, other.answered(&nobody, 9).await), (9, 9));
        one.close().await;
        other.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_share_exchange_by_themselves() {
    on_postgres(async |shop| {
        let flags = ["--max-requests-per-address", "10"];
        let (one, other) = (Limited::open(shop, &flags).await, Limited::open(shop, &flags).await);
        let sharing = [&one, &other].map(|instance| tokio::spawn(throttle::share(instance.app.clone())));
        let nobody = Caller::anonymous();
        assert_eq!(one.answered(&nobody, 6).await, 6);
        until_counted(shop, 6).await;
        assert_eq!(other.answered(&nobody, 1).await, 1);
        until_counted(shop, 7).await;
        // What is counted is learned with the answer of the same statement.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(other.answered(&nobody, 9).await, 3);
        sharing.iter().for_each(tokio::task::JoinHandle::abort);
        one.close().await;
        other.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordinary_requests_cost_no_statement_and_refused_credentials_none_either() {
    on_postgres(async |shop| {
        let (door, url) = CountingProxy::before(shop.database.url()).await;
        let flags = ["--max-requests-per-address", "1000", "--max-credentials-per-mailbox", "2"];
        let app =
            App::build_with(config_with(&url, &flags), shop.clock.clone(), IdGen::seeded(77)).await.unwrap();
        let limited = Limited { serving: Serving::begin(app.clone()), app };
        let before = door.executed();
        assert_eq!(limited.answered(&Caller::anonymous(), 150).await, 150);
        assert_eq!(door.executed() - before, 0);
        throttle::exchange(&limited.app).await.unwrap();
        assert_eq!(door.executed() - before, 1, "one caller, one statement");
        throttle::exchange(&limited.app).await.unwrap();
        assert_eq!(door.executed() - before, 1, "nothing to tell, no statement");
        for _ in 0..3 {
            limited.try_credentials(SIGN_IN, wrong_password("a@example.org")).await;
        }
        let before = door.executed();
        let refused = limited.try_credentials(SIGN_IN, wrong_password("a@example.org")).await;
        assert_limited(&refused, 900);
        assert_eq!(door.executed() - before, 1, "the address is counted, the mailbox is known to be refused");
        limited.close().await;
        door.end();
    })
    .await;
}
