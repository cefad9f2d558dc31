//! Customers who bring friends: where a referral is, who sees it, and what becomes of it when people or orders change.

use chrono::TimeDelta;
use entity::staff::Role;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines, line};

/// What either side gets here; orders earn nothing.
pub(crate) const REFERRER: i64 = 500;
pub(crate) const FRIEND: i64 = 250;

/// Rules for both sides, and the shop's server.
pub(crate) async fn begun(shop: &TestApp) -> Caller {
    let owner = shop.as_staff(Role::Owner).await;
    for (code, trigger, bonus) in [("inviting", "REFERRER", REFERRER), ("invited", "REFERRED", FRIEND)] {
        let rule = json!({ "code": code, "name": "Friends", "trigger": trigger, "bonus": bonus });
        let rule = shop.done(&owner, "earningRuleDraft", rule).await;
        shop.done(&owner, "earningRulePublish", json!({ "ruleId": rule["rule"]["id"] })).await;
    }
    shop.set_programme(json!({ "baseRates": [], "defaultRate": "0" })).await;
    regulars::worker::arm_recurring(&shop.app).await.unwrap();
    shop.as_server().await
}

/// The code of a customer, as friends are given it.
pub(crate) async fn code_of(shop: &TestApp, server: &Caller, who: &Caller) -> String {
    let query = "query ($id: ID!) { customer(id: $id) { referral { code } } }";
    let answer = shop.graphql(server, query, json!({ "id": who.customer_id() })).await;
    answer.text("/customer/referral/code").to_owned()
}

/// The friend names the code through the shop's server; answers what that was refused for.
pub(crate) async fn accepted(shop: &TestApp, server: &Caller, friend: &Caller, code: &str) -> Option<String> {
    let input = json!({ "customerId": friend.customer_id(), "code": code });
    let answer = shop.mutate(server, "referralAccept", input).await;
    answer.user_error_codes().first().map(|code| (*code).to_owned())
}

/// A customer, and a friend whom that one brought.
pub(crate) async fn pair(shop: &TestApp, server: &Caller) -> (Caller, Caller) {
    let (joan, fay) = (shop.as_member(server, 0).await, shop.as_member(server, 0).await);
    let code = code_of(shop, server, &joan).await;
    assert_eq!(accepted(shop, server, &fay, &code).await, None);
    (joan, fay)
}

/// Records and pays an order of a customer.
pub(crate) async fn bought(shop: &TestApp, server: &Caller, who: &Caller, mut order: Json) -> Json {
    order["customerId"] = json!(who.customer_id());
    let order = shop.record(server, order).await;
    shop.step(server, "orderPay", &order).await
}

/// The return windows of all orders end.
pub(crate) async fn window_ends(shop: &TestApp) {
    shop.clock.advance(TimeDelta::days(31));
    shop.run_jobs().await;
}

/// The referral of a customer, as the shop sees it.
pub(crate) async fn referral(shop: &TestApp, server: &Caller, customer_id: &str) -> Json {
    let query = "query ($filter: ReferralsFilter) { referrals(filter: $filter) { nodes {
        id state reason explanation referrerId friendId guestId orderId referrerPoints friendPoints vestsAt } } }";
    let answer = shop.graphql(server, query, json!({ "filter": { "customerId": customer_id } })).await;
    answer.at("/referrals/nodes/0").clone()
}

/// State, and reason if there is one.
pub(crate) fn told(referral: &Json) -> String {
    match (referral["state"].as_str(), referral["reason"].as_str()) {
        (Some(state), Some(reason)) => format!("{state} {reason}"),
        (state, _) => state.unwrap_or_default().to_owned(),
    }
}

/// Available and pending points of both.
pub(crate) async fn balances(shop: &TestApp, server: &Caller, both: [&Caller; 2]) -> [i64; 2] {
    let mut sums = [0; 2];
    for (sum, who) in sums.iter_mut().zip(both) {
        let [available, pending, _, debt] = shop.sums(server, who.customer_id()).await;
        *sum = available + pending - debt;
    }
    sums
}

pub(crate) fn home() -> Json {
    json!({ "line1": "Prinsengracht 263-A", "postalCode": "1016 GV", "city": "Amsterdam", "country": "NL" })
}

both_engines! {
    async fn what_was_spent_is_owed_if_the_shop_says_so_and_taken_back_once(shop: &TestApp) {
        let server = begun(shop).await;
        shop.set_programme(json!({ "returnPolicy": "ALLOW_DEBT" })).await;
        let (joan, fay) = pair(shop, &server).await;
        let order = bought(shop, &server, &fay, json!({ "lines": [line("A-1", 2, "20.00")] })).await;
        window_ends(shop).await;
        let spend = json!({ "customerId": joan.customer_id(), "points": 400, "reference": "a gift" });
        shop.done(&server, "pointsRedeem", spend).await;
        shop.step(&server, "orderCancel", &order).await;
        // Of 500 there are 100 left: 400 are owed. The friend's 250 are there.
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0, 0, 0, 400]);
        assert_eq!(shop.sums(&server, fay.customer_id()).await, [0, 0, 0, 0]);
        assert_eq!(told(&referral(shop, &server, fay.customer_id()).await), "CLAWED_BACK ORDER_RETURNED");
    }

    async fn the_next_order_counts_if_the_first_comes_back(shop: &TestApp) {
        let server = begun(shop).await;
        let (joan, fay) = pair(shop, &server).await;
        let first = bought(shop, &server, &fay, json!({})).await;
        let second = bought(shop, &server, &fay, json!({})).await;
        assert_eq!(referral(shop, &server, fay.customer_id()).await["orderId"], first["id"]);
        shop.give_back(&server, &first, 1).await;
        let now = referral(shop, &server, fay.customer_id()).await;
        assert_eq!((told(&now).as_str(), &now["orderId"]), ("QUALIFIED", &second["id"]));
        // The window begins anew when the order arrives.
        shop.clock.advance(TimeDelta::days(20));
        shop.step(&server, "orderDeliver", &second).await;
        shop.clock.advance(TimeDelta::days(29));
        shop.run_jobs().await;
        assert_eq!(balances(shop, &server, [&joan, &fay]).await, [0, 0]);
        shop.clock.advance(TimeDelta::days(1));
        shop.run_jobs().await;
        assert_eq!(balances(shop, &server, [&joan, &fay]).await, [REFERRER, FRIEND]);
    }

    async fn a_guest_is_bound_by_the_order_and_gets_the_points_with_the_account(shop: &TestApp) {
        let server = begun(shop).await;
        let joan = shop.as_member(&server, 0).await;
        let code = code_of(shop, &server, &joan).await;
        let typed = format!(" {}-{} ", &code[..6].to_lowercase(), &code[6..]);
        let unknown = json!({ "email": "eve@example.org", "referralCode": "ABCD-EFGH-2345" });
        assert_eq!(shop.record(&server, unknown).await["referralRefusal"], "CODE_UNKNOWN");
        let order = |email: &str| json!({ "email": email, "referralCode": typed, "state": "DELIVERED" });
        let [first, later] = ["first@example.org", "later@example.org"];
        for email in [first, later] {
            assert_eq!(shop.record(&server, order(email)).await["referralRefusal"], Json::Null);
        }
        let before = shop.as_customer_at(first).await;
        window_ends(shop).await;
        assert_eq!(shop.guest_sums(&server, later).await, [0, FRIEND, 0, 0]);
        let after = shop.as_customer_at(later).await;
        for fay in [&before, &after] {
            assert_eq!(shop.sums(&server, fay.customer_id()).await, [FRIEND, 0, 0, 0]);
            assert_eq!(told(&referral(shop, &server, fay.customer_id()).await), "REWARDED");
        }
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [2 * REFERRER, 0, 0, 0]);
    }

    async fn whoever_is_their_own_guest_brought_nobody(shop: &TestApp) {
        let server = begun(shop).await;
        let joan = shop.as_member(&server, 0).await;
        let code = code_of(shop, &server, &joan).await;
        let email = "elsewhere@example.org";
        let order = json!({ "email": email, "referralCode": code, "state": "PAID" });
        assert_eq!(shop.record(&server, order).await["referralRefusal"], Json::Null);
        window_ends(shop).await;
        assert_eq!(shop.guest_sums(&server, email).await, [0, FRIEND, 0, 0]);
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [REFERRER, 0, 0, 0]);
        // The mailbox was hers all along.
        let joan = shop.as_customer_at(&joan.email).await;
        let change = shop.email_change_code(&joan, email).await;
        shop.credential(&joan, "emailChangeConfirm", change).await.assert_done();
        assert_eq!(told(&referral(shop, &server, joan.customer_id()).await), "CLAWED_BACK SAME_PERSON");
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [0, 0, 0, 0]);
    }

    async fn a_merge_carries_referrals_and_nobody_is_their_own_friend(shop: &TestApp) {
        let server = begun(shop).await;
        let merge = async |from: &Caller, into: &Caller| {
            let owner = shop.as_staff(Role::Owner).await;
            let merge = json!({ "fromId": from.customer_id(), "intoId": into.customer_id(), "reason": "one person" });
            shop.done(&owner, "customerMerge", merge).await;
        };
        // The friend turns out to be another: the referral goes along, and is rewarded.
        let (joan, fay) = pair(shop, &server).await;
        let other = shop.as_member(&server, 0).await;
        let order = bought(shop, &server, &fay, json!({})).await;
        merge(&fay, &other).await;
        window_ends(shop).await;
        assert_eq!(balances(shop, &server, [&joan, &other]).await, [REFERRER, FRIEND]);
        // So does the referrer: the code is theirs, and a return takes back what was given to the one who went.
        let heir = shop.as_member(&server, 0).await;
        let code = code_of(shop, &server, &joan).await;
        merge(&joan, &heir).await;
        let late = shop.as_member(&server, 0).await;
        assert_eq!(accepted(shop, &server, &late, &code).await, None);
        assert_eq!(balances(shop, &server, [&heir, &other]).await, [REFERRER, FRIEND]);
        shop.give_back(&server, &order, 1).await;
        assert_eq!(balances(shop, &server, [&heir, &other]).await, [0, 0]);
        // Both are one person, found out before and after.
        for is_rewarded in [false, true] {
            let (ann, anna) = pair(shop, &server).await;
            bought(shop, &server, &anna, json!({})).await;
            if is_rewarded {
                window_ends(shop).await;
            }
            merge(&anna, &ann).await;
            let expected = if is_rewarded { "CLAWED_BACK SAME_PERSON" } else { "REFUSED SAME_PERSON" };
            assert_eq!(told(&referral(shop, &server, ann.customer_id()).await), expected);
            window_ends(shop).await;
            assert_eq!(shop.sums(&server, ann.customer_id()).await, [0, 0, 0, 0]);
        }
        // Of two referrals of one friend the first stays.
        let ((first, one), (second, two)) = (pair(shop, &server).await, pair(shop, &server).await);
        for who in [&one, &two] {
            bought(shop, &server, who, json!({})).await;
        }
        window_ends(shop).await;
        merge(&one, &two).await;
        assert_eq!(balances(shop, &server, [&first, &two]).await, [REFERRER, FRIEND]);
        assert_eq!(balances(shop, &server, [&second, &two]).await, [0, FRIEND]);
    }

    async fn customers_see_where_theirs_are_and_nothing_of_the_other(shop: &TestApp) {
        let server = begun(shop).await;
        shop.set(json!({ "storefrontUrl": "https://shop.example.org" })).await;
        let (joan, fay) = (shop.as_member(&server, 0).await, shop.as_member(&server, 0).await);
        let codes = join_all((0..10).map(|_| code_of(shop, &server, &joan))).await;
        let code = codes[0].clone();
        assert!(codes.iter().all(|other| *other == code) && code.len() == 12);
        shop.refused(&joan, "referralAccept", json!({ "code": code }), "SAME_PERSON").await;
        shop.refused(&fay, "referralAccept", json!({ "code": "ABCDEFGH2345" }), "CODE_UNKNOWN").await;
        // Whoever knows a code cannot try where its owner lives.
        let address = json!({ "address": home() });
        shop.done(&joan, "customerAddressCreate", address.clone()).await;
        let eve = shop.as_member(&server, 0).await;
        shop.done(&eve, "customerAddressCreate", address).await;
        shop.refused(&eve, "referralAccept", json!({ "code": code }), "NOT_ELIGIBLE").await;
        let server_says = json!({ "customerId": eve.customer_id(), "code": code });
        shop.refused(&server, "referralAccept", server_says, "SAME_ADDRESS").await;
        let done = shop.done(&fay, "referralAccept", json!({ "code": code, "idempotencyKey": "k" })).await;
        let again = shop.done(&fay, "referralAccept", json!({ "code": code, "idempotencyKey": "k" })).await;
        assert_eq!((&again["replayed"], &again["referral"]), (&json!(true), &done["referral"]));
        let order = bought(shop, &server, &fay, json!({})).await;
        window_ends(shop).await;
        let (joan, fay) = (shop.as_customer_at(&joan.email).await, shop.as_customer_at(&fay.email).await);
        let query = "{ me { referral { code url invited rewarded invitations { nodes { ...R } } received { ...R } } } }
            fragment R on Referral { state referrerPoints friendPoints
                reason explanation code referrerId friendId guestId orderId }";
        let seen = json!({ "state": "REWARDED", "referrerPoints": REFERRER, "friendPoints": FRIEND, "reason": null,
            "explanation": null, "code": null, "referrerId": null, "friendId": null, "guestId": null, "orderId": null });
        let mine = shop.graphql(&joan, query, json!({})).await;
        let url = format!("https://shop.example.org/?referral={code}");
        let expected = json!({ "code": code, "url": url, "invited": 1, "rewarded": 1,
            "invitations": { "nodes": [seen] }, "received": null });
        assert_eq!(mine.at("/me/referral"), &expected);
        assert_eq!(shop.graphql(&fay, query, json!({})).await.at("/me/referral/received"), &seen);
        // The ledger tells why, of either side and of its end.
        assert_eq!(explained(shop, &joan).await, ["You earned 500 points on 15 February 2026 for inviting a friend: Friends."]);
        shop.give_back(&server, &order, 1).await;
        assert_eq!(explained(shop, &fay).await, [
            "250 points that you had earned as a friend who was invited were taken back on 15 February 2026, because the \
             invitation does not count any more.",
            "You earned 250 points on 15 February 2026 as a friend who was invited: Friends.",
        ]);
        let refused = json!({ "email": "eve@example.org", "referralCode": "ABCDEFGH2345" });
        shop.record(&server, refused).await;
        let eve = shop.as_customer_at("eve@example.org").await;
        let own = shop.graphql(&eve, "{ me { orders { nodes { flags referralRefusal } } } }", json!({})).await;
        let flagged = json!([{ "flags": ["REFERRAL_REFUSED"], "referralRefusal": null }]);
        assert_eq!(own.at("/me/orders/nodes"), &flagged);
    }

    async fn a_referrer_is_rewarded_as_often_as_the_shop_says_in_a_year(shop: &TestApp) {
        let server = begun(shop).await;
        shop.set(json!({ "referrals": { "vestingDays": 0, "yearlyLimit": 2 } })).await;
        let joan = shop.as_member(&server, 0).await;
        let code = code_of(shop, &server, &joan).await;
        let mut orders = Vec::new();
        for _ in 0..4 {
            let fay = shop.as_member(&server, 0).await;
            assert_eq!(accepted(shop, &server, &fay, &code).await, None);
            orders.push(shop.place(&server, fay.customer_id(), "10.00", 1).await);
        }
        join_all(orders.iter().map(|order| shop.step(&server, "orderPay", order))).await;
        shop.clock.advance(TimeDelta::minutes(1));
        shop.run_jobs().await;
        let query = "query ($filter: ReferralsFilter) { referrals(filter: $filter) { totalCount } }";
        let mut counts = Vec::new();
        for filter in [json!({ "state": "REWARDED" }), json!({ "reason": "REFERRER_LIMIT", "state": "REFUSED" })] {
            let answer = shop.graphql(&server, query, json!({ "filter": filter })).await;
            counts.push(answer.at("/referrals/totalCount").clone());
        }
        assert_eq!(counts, [2, 2]);
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [2 * REFERRER, 0, 0, 0]);
        shop.clock.advance(TimeDelta::days(365));
        let fay = shop.as_member(&server, 0).await;
        assert_eq!(accepted(shop, &server, &fay, &code).await, None);
        bought(shop, &server, &fay, json!({})).await;
        shop.clock.advance(TimeDelta::minutes(1));
        shop.run_jobs().await;
        assert_eq!(shop.sums(&server, joan.customer_id()).await, [3 * REFERRER, 0, 0, 0]);
        let owner = shop.as_staff(Role::Owner).await;
        for (terms, field) in [
            (json!({ "vestingDays": 366 }), "vestingDays"),
            (json!({ "vestingDays": 0, "yearlyLimit": 0 }), "yearlyLimit"),
        ] {
            let input = json!({ "expectedVersion": 2, "referrals": terms });
            let refused = shop.refused(&owner, "shopSettingsUpdate", input, "INVALID").await;
            assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["input", "referrals", field]));
        }
    }

    async fn without_rules_nothing_is_given_and_rules_count_as_of_the_order(shop: &TestApp) {
        let server = shop.as_server().await;
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        let (joan, fay) = pair(shop, &server).await;
        shop.set_programme(json!({ "baseRates": [], "defaultRate": "0" })).await;
        bought(shop, &server, &fay, json!({})).await;
        shop.clock.advance(TimeDelta::days(1));
        // Rules that are published later are not for that order.
        let server = begun(shop).await;
        let (ann, bea) = pair(shop, &server).await;
        bought(shop, &server, &bea, json!({ "cardFingerprint": "beas" })).await;
        window_ends(shop).await;
        assert_eq!(told(&referral(shop, &server, fay.customer_id()).await), "REWARDED");
        assert_eq!(balances(shop, &server, [&joan, &fay]).await, [0, 0]);
        assert_eq!(balances(shop, &server, [&ann, &bea]).await, [REFERRER, FRIEND]);
    }

    async fn somebody_who_is_disabled_by_then_brings_nobody(shop: &TestApp) {
        let server = begun(shop).await;
        let (joan, fay) = pair(shop, &server).await;
        bought(shop, &server, &fay, json!({})).await;
        let owner = shop.as_staff(Role::Owner).await;
        let code = code_of(shop, &server, &joan).await;
        let disable = json!({ "customerId": joan.customer_id(), "reason": "fraud" });
        shop.done(&owner, "customerDisable", disable).await;
        let late = shop.as_member(&server, 0).await;
        assert_eq!(accepted(shop, &server, &late, &code).await.as_deref(), Some("CODE_UNKNOWN"));
        window_ends(shop).await;
        let end = referral(shop, &server, fay.customer_id()).await;
        assert_eq!(told(&end), "REFUSED LEFT_PROGRAMME");
        let why = "Refused on 2026-02-15: One of them takes no part in the programme, or is disabled.";
        assert_eq!(end["explanation"], why);
        assert_eq!(balances(shop, &server, [&joan, &fay]).await, [0, 0]);
    }

    async fn a_card_that_is_known_at_payment_is_compared_too(shop: &TestApp) {
        let server = begun(shop).await;
        let (joan, fay) = pair(shop, &server).await;
        for who in [&joan, &fay] {
            let order = shop.place(&server, who.customer_id(), "10.00", 1).await;
            let pay = json!({ "id": order["id"], "cardFingerprint": "fp_one" });
            shop.done(&server, "orderPay", pay).await;
        }
        let input = shop.order_input(json!({ "email": "x@example.org", "cardFingerprint": "x".repeat(256) }));
        shop.refused(&server, "orderRecord", input, "INVALID").await;
        window_ends(shop).await;
        assert_eq!(told(&referral(shop, &server, fay.customer_id()).await), "REFUSED SAME_CARD");
        // What the payment provider calls the card is nowhere.
        let kept = format!("{:?}", shop.snapshot().await);
        assert!(!kept.contains("fp_one") && kept.contains("REFUSED"));
    }
}

/// Why the points of a customer moved, the last first.
async fn explained(shop: &TestApp, who: &Caller) -> Vec<String> {
    let query = "{ me { points { entries { nodes { id } } } } }";
    let entries = shop.graphql(who, query, json!({})).await;
    let mut told = Vec::new();
    for entry in entries.at("/me/points/entries/nodes").as_array().unwrap() {
        let query = "query ($id: ID!) { explainPoints(entryId: $id) { text } }";
        let answer = shop.graphql(who, query, json!({ "id": entry["id"] })).await;
        told.push(answer.text("/explainPoints/text").to_owned());
    }
    told
}
