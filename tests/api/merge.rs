//! Two customers turn out to be one: everything of the first is the second's, and whoever names the first means the
//! second.

use entity::staff::Role;
use futures_util::future::join;
use regulars::auth::viewer::Scope;
use serde_json::{Value as Json, json};

use crate::policies::sign_in_with;
use crate::support::{Caller, Mail, PASSWORD, TestApp, both_engines, import, line};

const PREVIEW: &str = "query ($from: ID!, $into: ID!) { customerMergePreview(fromId: $from, intoId: $into) {
    from { id } into { id } taken conflicts orders addresses points { available pending held debt }
    userErrors { code field } } }";

async fn preview(shop: &TestApp, staff: &Caller, from: &str, into: &str) -> Json {
    let answer = shop.graphql(staff, PREVIEW, json!({ "from": from, "into": into })).await;
    answer.at("/customerMergePreview").clone()
}

fn merging(from: &str, into: &str) -> Json {
    json!({ "fromId": from, "intoId": into, "reason": "the same person" })
}

async fn recorded(shop: &TestApp, server: &Caller, input: Json) -> String {
    shop.done(server, "customerRecord", input).await["customer"]["id"].as_str().unwrap().to_owned()
}

/// All buckets of both accounts, added up.
async fn sums_of_both(shop: &TestApp, server: &Caller, ids: [&str; 2]) -> Vec<i64> {
    let query = "query ($id: ID!) { node(id: $id) { ... on Customer {
        points { available pending held redeemed expired debt } } } }";
    let mut sums = vec![0; 6];
    for id in ids {
        let answer = shop.graphql(server, query, json!({ "id": id })).await;
        let points = answer.at("/node/points");
        let names = ["available", "pending", "held", "redeemed", "expired", "debt"];
        for (sum, name) in sums.iter_mut().zip(names) {
            let value = &points[name];
            *sum += value.as_i64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap());
        }
    }
    sums
}

/// Whom a mailbox finds.
async fn found_at(shop: &TestApp, server: &Caller, email: &str) -> String {
    let query = "query ($email: EmailAddress!) { customer(email: $email) { id } }";
    shop.graphql(server, query, json!({ "email": email })).await.text("/customer/id").to_owned()
}

async fn earn(shop: &TestApp, server: &Caller, id: &str, points: i64) {
    let grant = json!({ "customerId": id, "points": points, "reason": "welcome" });
    shop.done(server, "pointsEarn", grant).await;
}

both_engines! {
    async fn orders_points_addresses_and_profile_become_one_persons(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let joan = shop.as_customer().await;
        let from = recorded(shop, &server, json!({ "externalId": "shop-1", "phone": "12345", "name": "J. Arc" })).await;
        let into = joan.customer_id();
        let home = json!({ "line1": "Kerkstraat 1", "city": "Amsterdam", "country": "NL" });
        let mut twin = home.clone();
        twin["line1"] = json!("KERKSTRAAT 1");
        let work = json!({ "line1": "Dam 1", "city": "Amsterdam", "country": "NL" });
        shop.done(&joan, "customerAddressCreate", json!({ "address": home })).await;
        for address in [twin, work] {
            shop.done(&server, "customerAddressCreate", json!({ "customerId": from, "address": address })).await;
        }
        let order = shop.place(&server, &from, "70.00", 7).await;
        shop.step(&server, "orderPay", &order).await;
        earn(shop, &server, into, 5).await;
        let expected = json!({
            "from": { "id": from }, "into": { "id": into }, "taken": ["EXTERNAL_ID", "PHONE"], "conflicts": [],
            "orders": 1, "addresses": 1, "points": { "available": 70, "pending": 0, "held": 0, "debt": 0 }, "userErrors": [],
        });
        assert_eq!(preview(shop, &owner, &from, into).await, expected);
        let done = shop.done(&owner, "customerMerge", merging(&from, into)).await;
        let told = ["id", "externalId", "phone", "name"].map(|field| done["customer"][field].clone());
        assert_eq!(told, [json!(into), json!("shop-1"), json!("12345"), json!("Joan")]);
        assert_eq!(shop.sums(&server, into).await, [75, 0, 0, 0]);
        let query = "{ me { orders { nodes { id } } addresses { defaultShipping address { line1 } } } }";
        let mine = shop.graphql(&joan, query, json!({})).await;
        assert_eq!(mine.at("/me/orders/nodes"), &json!([{ "id": order["id"] }]));
        let addresses = json!([
            { "defaultShipping": true, "address": { "line1": "Kerkstraat 1" } },
            { "defaultShipping": false, "address": { "line1": "Dam 1" } },
        ]);
        assert_eq!(mine.at("/me/addresses"), &addresses);
    }

    async fn whoever_names_the_one_who_went_means_the_one_who_stays(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let (ann, anna) = (shop.as_customer().await, shop.as_customer().await);
        let from = recorded(shop, &server, json!({ "externalId": "shop-1", "email": "first@example.org" })).await;
        let into = recorded(shop, &server, json!({ "externalId": "shop-2" })).await;
        shop.done(&owner, "customerMerge", merging(ann.customer_id(), anna.customer_id())).await;
        shop.done(&owner, "customerMerge", merging(&from, &into)).await;
        // A step further: who turned out to be the one who goes now goes along.
        shop.done(&owner, "customerMerge", merging(&into, anna.customer_id())).await;
        let stays = anna.customer_id();
        for buyer in [
            json!({ "customerId": from }), json!({ "externalCustomerId": "shop-1" }), json!({ "externalCustomerId": "shop-2" }),
            json!({ "email": ann.email }), json!({ "customerId": ann.customer_id() }),
        ] {
            let order = shop.record(&server, buyer.clone()).await;
            assert_eq!(order["customerId"], stays, "{buyer}");
        }
        for (field, value) in [("id", from.as_str()), ("externalId", "shop-1"), ("email", &ann.email)] {
            let of = if field == "id" { "ID!" } else if field == "email" { "EmailAddress!" } else { "String!" };
            let query = format!("query ($by: {of}) {{ customer({field}: $by) {{ id }} }}");
            let answer = shop.graphql(&server, &query, json!({ "by": value })).await;
            assert_eq!(answer.at("/customer/id"), stays, "{field}");
        }
        let again = shop.done(&server, "customerRecord", json!({ "externalId": "shop-1", "locale": "nl" })).await;
        assert_eq!((&again["customer"]["id"], &again["customer"]["locale"]), (&json!(stays), &json!("nl")));
        let found = "{ customers(filter: { query: \"first@example.org\" }) { nodes { id } } }";
        let answer = shop.graphql(&server, found, json!({})).await;
        assert_eq!(answer.at("/customers/nodes"), &json!([{ "id": stays }]));
        let gone = "query ($id: ID!) { node(id: $id) { ... on Customer { disabled mergedInto { id } } } }";
        let answer = shop.graphql(&server, gone, json!({ "id": from })).await;
        assert_eq!(answer.at("/node/mergedInto/id"), stays);
        assert_eq!(answer.at("/node/disabled"), "2026-01-15T12:00:00+00:00");
    }

    async fn returns_of_moved_orders_take_from_the_moved_points_and_give_back_what_was_redeemed(shop: &TestApp) {
        shop.set_programme(json!({ "returnPolicy": "ALLOW_DEBT" })).await;
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let from = recorded(shop, &server, json!({ "externalId": "shop-1" })).await;
        let into = recorded(shop, &server, json!({ "externalId": "shop-2" })).await;
        earn(shop, &server, &from, 1_000).await;
        let hold = shop.done(&server, "pointsHold", json!({ "customerId": from, "points": 700 })).await;
        let lines = json!([line("A-1", 7, "70.00")]);
        let order = json!({ "customerId": from, "holdId": hold["hold"]["id"], "lines": lines });
        let order = shop.record(&server, order).await;
        shop.step(&server, "orderPay", &order).await;
        shop.give_back(&server, &order, 1).await;
        // € 70 less € 7 earned 63, of which a seventh went; a seventh of 700 came back.
        assert_eq!(shop.sums(&server, &from).await, [1_000 - 700 + 63 - 9 + 100, 0, 0, 0]);
        let before = sums_of_both(shop, &server, [&from, &into]).await;
        shop.done(&owner, "customerMerge", merging(&from, &into)).await;
        assert_eq!(sums_of_both(shop, &server, [&from, &into]).await, before);
        assert_eq!(shop.sums(&server, &into).await, [454, 0, 0, 0]);
        shop.give_back(&server, &order, 6).await;
        assert_eq!(shop.sums(&server, &into).await, [454 + 600 - 54, 0, 0, 0]);
        shop.assert_ledger_adds_up().await;
    }

    async fn open_holds_pending_points_and_debts_go_along(shop: &TestApp) {
        shop.set_programme(json!({ "returnPolicy": "ALLOW_DEBT", "activation": { "when": "DAYS_AFTER_DELIVERY", "days": 14 } })).await;
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let from = recorded(shop, &server, json!({ "externalId": "shop-1" })).await;
        let into = recorded(shop, &server, json!({ "externalId": "shop-2" })).await;
        earn(shop, &server, &from, 500).await;
        let order = shop.place(&server, &from, "70.00", 7).await;
        shop.step(&server, "orderPay", &order).await;
        let free = shop.done(&server, "pointsHold", json!({ "customerId": from, "points": 200 })).await["hold"].clone();
        let pinned = shop.done(&server, "pointsHold", json!({ "customerId": from, "points": 100 })).await["hold"].clone();
        let waiting = shop.record(&server, json!({ "customerId": from, "holdId": pinned["id"] })).await;
        let before = sums_of_both(shop, &server, [&from, &into]).await;
        assert_eq!(before, [200, 70, 300, 0, 0, 0]);
        shop.done(&owner, "customerMerge", merging(&from, &into)).await;
        assert_eq!(sums_of_both(shop, &server, [&from, &into]).await, before);
        assert_eq!(shop.sums(&server, &into).await, [200, 70, 300, 0]);
        shop.assert_ledger_adds_up().await;
        shop.done(&server, "pointsVoid", json!({ "holdId": free["id"] })).await;
        shop.step(&server, "orderPay", &waiting).await;
        assert_eq!(shop.sums(&server, &into).await, [400, 70 + 9, 0, 0]);
        shop.step(&server, "orderDeliver", &order).await;
        shop.clock.advance(chrono::TimeDelta::days(15));
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.clock.advance(chrono::TimeDelta::minutes(2));
        shop.run_jobs().await;
        assert_eq!(shop.sums(&server, &into).await, [470, 9, 0, 0]);
    }

    async fn of_two_merges_at_once_exactly_one_is_done(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        for round in 0..4 {
            let [a, b] = ["a", "b"].map(|side| json!({ "externalId": format!("{side}-{round}") }));
            let (a, b) = (recorded(shop, &server, a).await, recorded(shop, &server, b).await);
            earn(shop, &server, &a, 10).await;
            earn(shop, &server, &b, 5).await;
            let there = shop.mutate(&owner, "customerMerge", merging(&a, &b));
            let back = shop.mutate(&owner, "customerMerge", merging(&b, &a));
            let (there, back) = join(there, back).await;
            let mut codes = [there.user_error_codes(), back.user_error_codes()];
            codes.sort();
            assert_eq!(codes, [vec![], vec!["ALREADY_MERGED"]]);
            assert_eq!(sums_of_both(shop, &server, [&a, &b]).await[0], 15);
        }
    }

    async fn orders_that_are_recorded_meanwhile_are_the_ones_who_stays(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let from = recorded(shop, &server, json!({ "externalId": "shop-1" })).await;
        let into = recorded(shop, &server, json!({ "externalId": "shop-2" })).await;
        let orders = (0..8).map(|number| {
            let buyer = if number % 2 == 0 { json!({ "customerId": from }) } else { json!({ "externalCustomerId": "shop-1" }) };
            let mut order = shop.order_input(buyer);
            order["state"] = json!("PAID");
            shop.done(&server, "orderRecord", order)
        });
        let merge = shop.done(&owner, "customerMerge", merging(&from, &into));
        join(futures_util::future::join_all(orders), merge).await;
        assert_eq!(shop.sums(&server, &into).await, [80, 0, 0, 0]);
        let query = "query ($id: ID!) { customer(id: $id) { orders { totalCount } } }";
        let answer = shop.graphql(&server, query, json!({ "id": into })).await;
        assert_eq!(answer.at("/customer/orders/totalCount"), 8);
    }

    async fn who_signed_in_as_the_one_who_went_is_out_and_the_account_moves_to_who_has_none(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let joan = shop.as_customer().await;
        let into = recorded(shop, &server, json!({ "externalId": "shop-1" })).await;
        assert_eq!(preview(shop, &owner, joan.customer_id(), &into).await["taken"], json!(["ACCOUNT", "NAME"]));
        shop.done(&owner, "customerMerge", merging(joan.customer_id(), &into)).await;
        shop.graphql(&joan, "{ me { id } }", json!({})).await.assert_refused(401, "UNAUTHENTICATED");
        let challenge = shop.register(&joan.email, None).await;
        let code = shop.mailed_code(&joan.email).await;
        let back = Caller::signed_in(&joan.email, &shop.prove(&challenge, &code).await);
        assert_eq!(back.customer_id(), into);
    }

    async fn the_mailbox_of_who_went_is_anybodys_who_proves_it(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let (ann, anna) = (shop.as_customer_with_password().await, shop.as_customer().await);
        shop.done(&owner, "customerMerge", merging(ann.customer_id(), anna.customer_id())).await;
        let before = shop.record(&server, json!({ "email": ann.email })).await;
        assert_eq!(before["customerId"], anna.customer_id());
        shop.sign_in(&ann.email, PASSWORD).await.assert_user_error("INVALID_CREDENTIALS");
        let next = shop.as_customer_at(&ann.email).await;
        assert!(![ann.customer_id(), anna.customer_id()].contains(&next.customer_id()));
        let order = shop.record(&server, json!({ "email": ann.email })).await;
        assert_eq!(order["customerId"], next.customer_id());
        for (order, points) in [(&before, [0; 4]), (&order, [10, 0, 0, 0])] {
            shop.step(&server, "orderPay", order).await;
            assert_eq!(shop.sums(&server, next.customer_id()).await, points);
        }
        assert_eq!(shop.sums(&server, anna.customer_id()).await, [10, 0, 0, 0]);
        assert_eq!(found_at(shop, &server, &ann.email).await, next.customer_id());
        // Ids go on meaning the one who stays.
        let order = shop.record(&server, json!({ "customerId": ann.customer_id() })).await;
        assert_eq!(order["customerId"], anna.customer_id());
        // So it is with the mailbox of an import that gave way to an account.
        import(shop, "old@example.org").await;
        let into = found_at(shop, &server, "old@example.org").await;
        shop.done(&owner, "customerMerge", merging(next.customer_id(), &into)).await;
        assert_eq!(found_at(shop, &server, "old@example.org").await, into);
        let another = shop.as_customer_at("old@example.org").await;
        assert_ne!(another.customer_id(), into);
        assert_eq!(found_at(shop, &server, &ann.email).await, into);
    }

    async fn the_mailbox_of_who_went_can_be_changed_to_and_invited(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let anna = shop.as_customer().await;
        let mut gone = Vec::new();
        for _ in 0..3 {
            let one = shop.as_customer().await;
            shop.done(&owner, "customerMerge", merging(one.customer_id(), anna.customer_id())).await;
            gone.push(one.email);
        }
        let eve = shop.as_customer().await;
        for (who, new) in [(&eve, &gone[0]), (&anna, &gone[1])] {
            let code = shop.email_change_code(who, new).await;
            shop.credential(who, "emailChangeConfirm", code).await.assert_done();
            let order = shop.record(&server, json!({ "email": new })).await;
            assert_eq!(order["customerId"], who.customer_id());
        }
        let invited = shop.done(&owner, "customerInvite", json!({ "email": gone[2] })).await;
        assert_eq!(found_at(shop, &server, &gone[2]).await, anna.customer_id());
        shop.run_jobs().await;
        let token = shop.mail.to(&gone[2]).iter().rev().find_map(Mail::token).unwrap();
        let next = Caller::signed_in(&gone[2], &sign_in_with(shop, &token).await);
        assert_eq!(invited["customer"]["id"], next.customer_id());
        assert_eq!(found_at(shop, &server, &gone[2]).await, next.customer_id());
    }

    async fn a_proof_of_the_mailbox_comes_before_a_merge_or_after_it(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        for round in 0..16 {
            let joan = shop.as_customer().await;
            let into = match round % 2 {
                0 => recorded(shop, &server, json!({ "externalId": format!("shop-{round}") })).await,
                _ => shop.as_customer().await.customer_id().to_owned(),
            };
            let challenge = shop.register(&joan.email, None).await;
            let code = shop.mailed_code(&joan.email).await;
            let merge = shop.mutate(&owner, "customerMerge", merging(joan.customer_id(), &into));
            let (merged, proven) = join(merge, shop.prove(&challenge, &code)).await;
            merged.assert_done();
            let proven = Caller::signed_in(&joan.email, &proven);
            let found = found_at(shop, &server, &joan.email).await;
            if proven.customer_id() == joan.customer_id() {
                shop.graphql(&proven, "{ me { id } }", json!({})).await.assert_refused(401, "UNAUTHENTICATED");
                assert_eq!(found, into);
            } else {
                assert!(shop.is_in(&proven).await);
                assert_eq!(found, proven.customer_id());
                // An account that moved is who stays; one of two leaves its mailbox to whoever proves it.
                assert_eq!(found == into, round % 2 == 0);
            }
        }
    }

    async fn a_change_of_the_mailbox_comes_before_a_merge_or_after_it(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        for round in 0..16 {
            let joan = shop.as_customer().await;
            let into = recorded(shop, &server, json!({ "externalId": format!("shop-{round}") })).await;
            let new = shop.fresh_address("new");
            let code = shop.email_change_code(&joan, &new).await;
            let merge = shop.mutate(&owner, "customerMerge", merging(joan.customer_id(), &into));
            let change = shop.credential(&joan, "emailChangeConfirm", code);
            let (merged, changed) = join(merge, change).await;
            merged.assert_done();
            let told = match changed.error_codes() {
                codes if codes.is_empty() => changed.user_error_codes(),
                codes => codes,
            };
            let is_changed = told.is_empty();
            assert!(matches!(told[..], [] | ["UNAUTHENTICATED" | "CODE_INVALID" | "REAUTHENTICATE"]), "{told:?}");
            let (own, free) = if is_changed { (&new, &joan.email) } else { (&joan.email, &new) };
            assert_eq!(found_at(shop, &server, own).await, into);
            assert_ne!(shop.as_customer_at(free).await.customer_id(), into);
        }
    }

    async fn a_merge_opens_no_mailbox_that_was_shut(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let (ann, anna) = (shop.as_customer().await, shop.as_customer().await);
        let disable = json!({ "customerId": ann.customer_id(), "reason": "fraud" });
        shop.done(&owner, "customerDisable", disable).await;
        shop.clock.advance(chrono::TimeDelta::seconds(1));
        shop.done(&owner, "customerMerge", merging(ann.customer_id(), anna.customer_id())).await;
        let challenge = shop.register(&ann.email, None).await;
        shop.run_jobs().await;
        let told = shop.mail.to(&ann.email);
        assert_eq!(told.last().unwrap().code(), None, "{told:?}");
        shop.prove(&challenge, "no code").await.assert_user_error("CODE_INVALID");
        shop.refused(&owner, "customerInvite", json!({ "email": ann.email }), "ALREADY_REGISTERED").await;
        assert_eq!(found_at(shop, &server, &ann.email).await, anna.customer_id());
    }

    async fn what_cannot_be_merged_is_refused_and_changes_nothing(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let [a, b, c] = ["a", "b", "c"].map(|id| json!({ "externalId": id }));
        let a = recorded(shop, &server, a).await;
        let b = recorded(shop, &server, b).await;
        let c = recorded(shop, &server, c).await;
        shop.done(&owner, "customerMerge", merging(&a, &b)).await;
        let nobody = "Q3VzdG9tZXI6MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDc";
        for (from, into, code, field) in [
            (b.as_str(), b.as_str(), "SAME_CUSTOMER", "intoId"),
            (&a, &c, "ALREADY_MERGED", "fromId"),
            (&c, &a, "ALREADY_MERGED", "intoId"),
            (nobody, &c, "NOT_FOUND", "fromId"),
            (&c, nobody, "NOT_FOUND", "intoId"),
            ("x", &c, "NOT_FOUND", "fromId"),
        ] {
            let answer = shop.refused(&owner, "customerMerge", merging(from, into), code).await;
            assert_eq!(answer.user_errors()[0]["field"], json!(["input", field]));
            let previewed = preview(shop, &owner, from, into).await;
            assert_eq!(previewed["userErrors"][0]["code"], code);
        }
        earn(shop, &server, &b, 2_000_000_000).await;
        earn(shop, &server, &c, 2_000_000_000).await;
        shop.refused(&owner, "customerMerge", merging(&c, &b), "BALANCE_LIMIT").await;
        assert_eq!(preview(shop, &owner, &c, &b).await["userErrors"][0]["code"], "BALANCE_LIMIT");
    }

    async fn points_given_to_the_one_who_went_reach_the_one_who_stays(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let [a, b] = ["a", "b"].map(|id| json!({ "externalId": id }));
        let (a, b) = (recorded(shop, &server, a).await, recorded(shop, &server, b).await);
        shop.done(&owner, "customerMerge", merging(&a, &b)).await;
        let grant = json!({ "customerId": a, "points": 10, "reason": "late" });
        let done = shop.done(&server, "pointsEarn", grant.clone()).await;
        assert_eq!((&done["points"], &done["account"]["available"]), (&json!(10), &json!(10)));
        let mut spend = json!({ "customerId": a, "points": 4, "reference": "a gift" });
        spend["idempotencyKey"] = json!("once");
        for replayed in [false, true] {
            let done = shop.done(&server, "pointsRedeem", spend.clone()).await;
            assert_eq!((&done["replayed"], &done["account"]["available"]), (&json!(replayed), &json!(6)));
        }
        assert_eq!(shop.sums(&server, &b).await, [6, 0, 0, 0]);
    }

    async fn a_replay_merges_once_and_a_merge_is_written_down(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let [a, b] = ["a", "b"].map(|id| json!({ "externalId": id, "name": format!("Person {id}") }));
        let (a, b) = (recorded(shop, &server, a).await, recorded(shop, &server, b).await);
        let mut input = merging(&a, &b);
        input["idempotencyKey"] = json!("once");
        shop.done(&owner, "customerMerge", input.clone()).await;
        let again = shop.done(&owner, "customerMerge", input).await;
        assert_eq!((&again["replayed"], &again["customer"]["id"]), (&json!(true), &json!(b)));
        let query = "{ auditEntries(filter: { act: \"customer.merge\" }) { nodes { customerId detail } } }";
        let answer = shop.graphql(&owner, query, json!({})).await;
        let entries = answer.at("/auditEntries/nodes").as_array().unwrap();
        let [entry] = entries.as_slice() else { panic!("{entries:#?}") };
        assert_eq!((&entry["customerId"], &entry["detail"]["reason"]), (&json!(b), &json!("the same person")));
    }

    async fn only_staff_who_manage_customers_and_lately_showed_that_it_is_they_merge(shop: &TestApp) {
        let (owner, server) = (shop.as_staff(Role::Owner).await, shop.as_server().await);
        let [a, b] = ["a", "b"].map(|id| json!({ "externalId": id }));
        let (a, b) = (recorded(shop, &server, a).await, recorded(shop, &server, b).await);
        let (support, key) = (shop.as_staff(Role::Support).await, shop.as_shop_key(Scope::ALL).await);
        shop.clock.advance(chrono::TimeDelta::minutes(5));
        for caller in [&owner, &support, &key] {
            let answer =
                shop.unchanged_by(async || shop.mutate(caller, "customerMerge", merging(&a, &b)).await).await;
            answer.assert_error("FORBIDDEN");
        }
        let answer = shop.mutate(&owner, "customerMerge", merging(&a, &b)).await;
        assert_eq!(answer.body["errors"][0]["extensions"]["reason"], "STEP_UP_REQUIRED");
    }
}
