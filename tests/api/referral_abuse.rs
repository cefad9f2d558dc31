//! Who tries to be their own friend gets nothing, and whoever asks at once is rewarded once.

use chrono::TimeDelta;
use futures_util::future::{join, join_all};
use regulars::jobs::{self, Job};
use serde_json::{Value as Json, json};

use crate::referrals::{
    FRIEND, REFERRER, accepted, balances, begun, bought, code_of, home, pair, referral, told, window_ends,
};
use crate::support::{Caller, TestApp, both_engines, line};

/// The same place, as somebody would write it who does not want to be found.
fn home_again() -> Json {
    json!({ "name": "F. Riend", "line1": "PRINSENGRACHT 263 a", "line2": "c/o Fay", "postalCode": "1016gv",
        "city": "A'dam", "country": "NL" })
}

/// A row of the table: what was tried, what became of it, and the points of referrer and friend.
type Row = (&'static str, String, [i64; 2]);

/// A friend at an address that is another spelling of the referrer's.
async fn respelled(shop: &TestApp, server: &Caller, what: &'static str, own: &str, twin: &str) -> Row {
    let (joan, fay) = (shop.as_customer_at(own).await, shop.as_customer_at(twin).await);
    let code = code_of(shop, server, &joan).await;
    let refused = accepted(shop, server, &fay, &code).await.unwrap();
    bought(shop, server, &fay, json!({})).await;
    window_ends(shop).await;
    (what, format!("refused {refused}"), balances(shop, server, [&joan, &fay]).await)
}

/// What an order of the friend says that the referrer's profile or order says too: found out at the end of the window.
async fn shared(shop: &TestApp, server: &Caller, what: &'static str, order: Json) -> Row {
    let (joan, fay) = pair(shop, server).await;
    if order.get("shippingAddress").is_some() {
        let address = json!({ "customerId": joan.customer_id(), "address": home() });
        shop.done(server, "customerAddressCreate", address).await;
    } else {
        bought(shop, server, &joan, order.clone()).await;
    }
    bought(shop, server, &fay, order).await;
    window_ends(shop).await;
    let told = told(&referral(shop, server, fay.customer_id()).await);
    (what, told, balances(shop, server, [&joan, &fay]).await)
}

async fn same_address_at_checkout(shop: &TestApp, server: &Caller) -> Row {
    let (joan, fay) = (shop.as_member(server, 0).await, shop.as_member(server, 0).await);
    let code = code_of(shop, server, &joan).await;
    bought(shop, server, &joan, json!({ "shippingAddress": home() })).await;
    let order = json!({ "referralCode": code, "shippingAddress": home_again() });
    let order = bought(shop, server, &fay, order).await;
    assert_eq!(order["flags"], json!(["REFERRAL_REFUSED"]));
    window_ends(shop).await;
    let refused = format!("refused {}", order["referralRefusal"].as_str().unwrap());
    ("same address, with the order", refused, balances(shop, server, [&joan, &fay]).await)
}

async fn existing_customer(shop: &TestApp, server: &Caller) -> Row {
    let (joan, old) = (shop.as_member(server, 0).await, shop.as_member(server, 0).await);
    bought(shop, server, &old, json!({})).await;
    let code = code_of(shop, server, &joan).await;
    let refused = accepted(shop, server, &old, &code).await.unwrap();
    bought(shop, server, &old, json!({})).await;
    window_ends(shop).await;
    ("existing customer", format!("refused {refused}"), balances(shop, server, [&joan, &old]).await)
}

async fn second_referrer(shop: &TestApp, server: &Caller) -> Row {
    let (joan, fay) = pair(shop, server).await;
    let second = shop.as_member(server, 0).await;
    let code = code_of(shop, server, &second).await;
    let refused = accepted(shop, server, &fay, &code).await.unwrap();
    let order = bought(shop, server, &fay, json!({ "referralCode": code })).await;
    assert_eq!(order["referralRefusal"], "ALREADY_REFERRED");
    window_ends(shop).await;
    assert_eq!(balances(shop, server, [&joan, &fay]).await, [REFERRER, FRIEND]);
    // The first one brought the friend.
    let sums = [balances(shop, server, [&second, &fay]).await[0], FRIEND];
    ("second referrer (the first is rewarded)", format!("refused {refused}"), sums)
}

async fn refunded(shop: &TestApp, server: &Caller, what: &'static str, after: bool) -> Row {
    let (joan, fay) = pair(shop, server).await;
    let order = bought(shop, server, &fay, json!({ "lines": [line("A-1", 2, "20.00")] })).await;
    shop.give_back(server, &order, 1).await;
    if after {
        window_ends(shop).await;
        assert_eq!(balances(shop, server, [&joan, &fay]).await, [REFERRER, FRIEND]);
    }
    shop.give_back(server, &order, 1).await;
    window_ends(shop).await;
    let told = told(&referral(shop, server, fay.customer_id()).await);
    (what, told, balances(shop, server, [&joan, &fay]).await)
}

async fn ring_of_ten(shop: &TestApp, server: &Caller) -> Row {
    let mut ring = Vec::new();
    for _ in 0..10 {
        ring.push(shop.as_member(server, 0).await);
    }
    for two in ring.windows(2) {
        let code = code_of(shop, server, &two[0]).await;
        assert_eq!(accepted(shop, server, &two[1], &code).await, None);
    }
    let code = code_of(shop, server, &ring[9]).await;
    let refused = accepted(shop, server, &ring[0], &code).await.unwrap();
    // Whoever closes the ring buys, and brings nobody anything.
    bought(shop, server, &ring[0], json!({})).await;
    window_ends(shop).await;
    let sums = balances(shop, server, [&ring[9], &ring[0]]).await;
    ("ten accounts in a ring", format!("refused {refused}"), sums)
}

async fn honest(shop: &TestApp, server: &Caller) -> Row {
    let (joan, fay) = pair(shop, server).await;
    bought(shop, server, &fay, json!({ "shippingAddress": home(), "cardFingerprint": "fays-card" })).await;
    window_ends(shop).await;
    let told = told(&referral(shop, server, fay.customer_id()).await);
    ("honest friend", told, balances(shop, server, [&joan, &fay]).await)
}

both_engines! {
    async fn referral_abuse_brings_nothing_and_an_honest_friend_does(shop: &TestApp) {
        let server = begun(shop).await;
        let card = || json!({ "cardFingerprint": "fp_1Abc" });
        let address = json!({ "shippingAddress": home_again() });
        let rows = [
            respelled(shop, &server, "self by plus-address", "joan.d@example.org", "joan.d+me@example.org").await,
            respelled(shop, &server, "self by dots", "ann.arc@example.org", "a.nnarc@Example.org").await,
            shared(shop, &server, "same address, by a later order", address).await,
            same_address_at_checkout(shop, &server).await,
            shared(shop, &server, "same card", card()).await,
            existing_customer(shop, &server).await,
            second_referrer(shop, &server).await,
            refunded(shop, &server, "refund before vesting", false).await,
            refunded(shop, &server, "refund after vesting", true).await,
            ring_of_ten(shop, &server).await,
            honest(shop, &server).await,
        ];
        println!("| tried | outcome | referrer | friend |\n|---|---|---|---|");
        for (what, outcome, [referrer, friend]) in &rows {
            println!("| {what} | `{outcome}` | {referrer} | {friend} |");
        }
        let nothing = [0, 0];
        let expected = [
            ("refused SAME_EMAIL", nothing),
            ("refused SAME_EMAIL", nothing),
            ("REFUSED SAME_ADDRESS", nothing),
            ("refused SAME_ADDRESS", nothing),
            ("REFUSED SAME_CARD", nothing),
            ("refused NOT_NEW_CUSTOMER", nothing),
            ("refused ALREADY_REFERRED", [0, FRIEND]),
            ("PENDING", nothing),
            ("CLAWED_BACK ORDER_RETURNED", nothing),
            ("refused CIRCULAR", nothing),
            ("REWARDED", [REFERRER, FRIEND]),
        ];
        let outcomes: Vec<_> = rows.iter().map(|(_, outcome, sums)| (outcome.as_str(), *sums)).collect();
        assert_eq!(outcomes, expected);
    }

    async fn of_twenty_codes_that_one_friend_names_at_once_one_binds(shop: &TestApp) {
        let server = begun(shop).await;
        let fay = shop.as_member(&server, 0).await;
        let mut codes = Vec::new();
        for _ in 0..20 {
            let one = shop.as_member(&server, 0).await;
            codes.push(code_of(shop, &server, &one).await);
        }
        let refused = join_all(codes.iter().map(|code| accepted(shop, &server, &fay, code))).await;
        let bound = refused.iter().filter(|refused| refused.is_none()).count();
        let late = refused.iter().flatten().filter(|code| *code == "ALREADY_REFERRED").count();
        assert_eq!((bound, late), (1, 19));
        // Orders that name them are recorded, and bind nobody anew.
        let order = |code: &String| json!({ "customerId": fay.customer_id(), "referralCode": code });
        let orders = join_all(codes.iter().map(|code| shop.record(&server, order(code)))).await;
        let counted = orders.iter().filter(|order| order["referralRefusal"].is_null()).count();
        assert_eq!(counted, 1);
    }

    async fn two_instances_that_reward_at_once_reward_once(shop: &TestApp) {
        let server = begun(shop).await;
        let mut pairs = Vec::new();
        for _ in 0..5 {
            let (joan, fay) = pair(shop, &server).await;
            bought(shop, &server, &fay, json!({})).await;
            pairs.push((joan, fay));
        }
        shop.clock.advance(TimeDelta::days(31));
        shop.change(async |tx| {
            for _ in 0..4 {
                let (kind, payload) = ("referrals.vest", json!({}));
                jobs::enqueue(tx, Job { kind, payload, due: None, dedup_key: None, max_attempts: 3 }).await?;
            }
            Ok(())
        })
        .await;
        let other = shop.another_instance().await;
        let worked = join(regulars::worker::run_due(&shop.app), regulars::worker::run_due(&other)).await;
        assert!(worked.0.unwrap() + worked.1.unwrap() >= 4);
        for (joan, fay) in &pairs {
            assert_eq!(balances(shop, &server, [joan, fay]).await, [REFERRER, FRIEND]);
        }
        other.db.clone().close().await.unwrap();
    }

    async fn an_order_that_comes_back_as_it_is_rewarded_leaves_nothing(shop: &TestApp) {
        let server = begun(shop).await;
        for _ in 0..6 {
            let (joan, fay) = pair(shop, &server).await;
            let order = bought(shop, &server, &fay, json!({})).await;
            shop.clock.advance(TimeDelta::days(31));
            join(shop.run_jobs(), shop.give_back(&server, &order, 1)).await;
            let told = told(&referral(shop, &server, fay.customer_id()).await);
            assert!(["PENDING", "CLAWED_BACK ORDER_RETURNED"].contains(&told.as_str()), "{told}");
            assert_eq!(balances(shop, &server, [&joan, &fay]).await, [0, 0]);
        }
    }

    async fn ten_who_invite_each_other_at_once_close_no_ring(shop: &TestApp) {
        let server = begun(shop).await;
        let (mut ring, mut codes) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            ring.push(shop.as_member(&server, 0).await);
        }
        for one in &ring {
            codes.push(code_of(shop, &server, one).await);
        }
        codes.rotate_right(1);
        let named = ring.iter().zip(&codes);
        join_all(named.map(|(friend, code)| accepted(shop, &server, friend, code))).await;
        for one in &ring {
            bought(shop, &server, one, json!({})).await;
        }
        window_ends(shop).await;
        let mut rewarded = 0;
        for one in &ring {
            let query = "query ($id: ID!) { customer(id: $id) { referral { received { state } } } }";
            let answer = shop.graphql(&server, query, json!({ "id": one.customer_id() })).await;
            let state = answer.data()["customer"]["referral"]["received"]["state"].as_str().map(str::to_owned);
            // Whoever could not bind has none.
            rewarded += i64::from(state.as_deref() == Some("REWARDED"));
        }
        assert!(rewarded <= 9, "the ring is closed");
        let mut sum = 0;
        for one in &ring {
            sum += shop.sums(&server, one.customer_id()).await[0];
        }
        assert_eq!(sum, rewarded * (REFERRER + FRIEND));
    }
}
