//! The addresses of a customer: bounds, whose they are, and one default of each kind whatever happens at once.

use entity::staff::Role;
use futures_util::future::join_all;
use regulars::graphql::global_id::{NodeType, global_id};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::support::{Caller, TestApp, both_engines};

fn home(number: usize) -> Json {
    json!({ "line1": format!("Kerkstraat {number}"), "city": "Amsterdam", "country": "NL" })
}

async fn keep(shop: &TestApp, caller: &Caller, number: usize) -> String {
    let made = shop.done(caller, "customerAddressCreate", json!({ "address": home(number) })).await;
    made["address"]["id"].as_str().unwrap().to_owned()
}

/// The addresses of the caller: first line, default for orders, default for invoices.
async fn mine(shop: &TestApp, caller: &Caller) -> Vec<(String, bool, bool)> {
    let query = "{ me { addresses { defaultShipping defaultBilling address { line1 } } } }";
    let answer = shop.graphql(caller, query, json!({})).await;
    let told = |row: &Json| {
        let line1 = row["address"]["line1"].as_str().unwrap().to_owned();
        (line1, row["defaultShipping"].as_bool().unwrap(), row["defaultBilling"].as_bool().unwrap())
    };
    answer.at("/me/addresses").as_array().unwrap().iter().map(told).collect()
}

fn defaults(addresses: &[(String, bool, bool)]) -> (usize, usize) {
    let count = |is: fn(&(String, bool, bool)) -> bool| addresses.iter().filter(|row| is(row)).count();
    (count(|row| row.1), count(|row| row.2))
}

both_engines! {
    async fn an_address_is_kept_as_written_and_the_first_is_the_default(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let written = json!({ "name": "Joan", "company": "Arc & Co", "line1": "1 rue de la Paix", "line2": "3e étage",
            "postalCode": "75002", "city": "Paris", "region": "Île-de-France", "country": "FR", "phone": "+33 1 23 45" });
        let made = shop.done(&joan, "customerAddressCreate", json!({ "address": written })).await;
        assert_eq!(made["address"]["address"], written);
        assert_eq!(made["customer"]["id"], joan.customer_id());
        assert_eq!(mine(shop, &joan).await, [("1 rue de la Paix".to_owned(), true, true)]);
    }

    async fn a_new_default_takes_the_place_of_the_old_one(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let first = keep(shop, &joan, 1).await;
        let second = json!({ "address": home(2), "makeDefaultShipping": true });
        let second = shop.done(&joan, "customerAddressCreate", second).await["address"]["id"].clone();
        let row = |line: &str, shipping, billing| (line.to_owned(), shipping, billing);
        assert_eq!(mine(shop, &joan).await, [row("Kerkstraat 1", false, true), row("Kerkstraat 2", true, false)]);
        let change = json!({ "addressId": second, "address": home(3), "makeDefaultBilling": true });
        shop.done(&joan, "customerAddressUpdate", change).await;
        assert_eq!(mine(shop, &joan).await, [row("Kerkstraat 1", false, false), row("Kerkstraat 3", true, true)]);
        shop.done(&joan, "customerAddressUpdate", json!({ "addressId": second })).await;
        assert_eq!(mine(shop, &joan).await[1], row("Kerkstraat 3", true, true));
        let gone = shop.done(&joan, "customerAddressDelete", json!({ "addressId": second })).await;
        assert_eq!((&gone["address"], gone["customer"]["addresses"][0]["id"].as_str()), (&Json::Null, Some(&*first)));
        assert_eq!(mine(shop, &joan).await, [row("Kerkstraat 1", true, true)]);
        shop.done(&joan, "customerAddressDelete", json!({ "addressId": first })).await;
        assert_eq!(mine(shop, &joan).await, []);
    }

    async fn there_is_one_default_of_each_kind_whatever_happens_at_once(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let make = |number| {
            let joan = &joan;
            let input = json!({ "address": home(number), "makeDefaultShipping": true, "makeDefaultBilling": true });
            async move { shop.done(joan, "customerAddressCreate", input).await["address"]["id"].clone() }
        };
        let kept = join_all((0..6).map(make)).await;
        assert_eq!(defaults(&mine(shop, &joan).await), (1, 1));
        let change = |(number, id): (usize, &Json)| {
            let (joan, id) = (&joan, id.clone());
            async move {
                if number % 2 == 0 {
                    return shop.done(joan, "customerAddressDelete", json!({ "addressId": id })).await;
                }
                let input = json!({ "addressId": id, "makeDefaultShipping": true });
                shop.done(joan, "customerAddressUpdate", input).await
            }
        };
        join_all(kept.iter().enumerate().map(change)).await;
        let left = mine(shop, &joan).await;
        assert_eq!((left.len(), defaults(&left)), (3, (1, 1)));
    }

    async fn a_customer_has_fifty_addresses_and_no_more_even_at_once(shop: &TestApp) {
        let joan = shop.as_customer().await;
        for number in 0..49 {
            keep(shop, &joan, number).await;
        }
        let make = |number| shop.mutate(&joan, "customerAddressCreate", json!({ "address": home(number) }));
        let both = futures_util::future::join(make(49), make(50)).await;
        let mut codes = [both.0.user_error_codes(), both.1.user_error_codes()];
        codes.sort();
        assert_eq!(codes, [vec![], vec!["ADDRESS_LIMIT"]]);
        assert_eq!(mine(shop, &joan).await.len(), 50);
        shop.refused(&joan, "customerAddressCreate", json!({ "address": home(51) }), "ADDRESS_LIMIT").await;
    }

    async fn addresses_of_nobody_and_of_others_are_one_refusal(shop: &TestApp) {
        let (joan, eve) = (shop.as_customer().await, shop.as_customer().await);
        let server = shop.as_server().await;
        let theirs = keep(shop, &joan, 1).await;
        let nothing = global_id(NodeType::CustomerAddress, Uuid::from_u128(7)).to_string();
        let mut told = Vec::new();
        for id in [theirs.as_str(), &nothing, joan.customer_id(), "x"] {
            for mutation in ["customerAddressUpdate", "customerAddressDelete"] {
                let answer = shop.refused(&eve, mutation, json!({ "addressId": id }), "NOT_FOUND").await;
                told.push(answer.payload()["userErrors"].clone());
            }
            let input = json!({ "customerId": id, "address": home(1) });
            shop.refused(&eve, "customerAddressCreate", input, "NOT_FOUND").await;
        }
        assert!(told.iter().all(|errors| *errors == told[0]), "{told:#?}");
        let by_server = json!({ "addressId": theirs, "address": home(2) });
        let done = shop.done(&server, "customerAddressUpdate", by_server).await;
        assert_eq!(done["address"]["address"]["line1"], "Kerkstraat 2");
    }

    async fn what_is_out_of_bounds_is_told_and_keeps_nothing(shop: &TestApp) {
        let joan = shop.as_customer().await;
        for (field, value) in
            [("line1", json!(" ")), ("city", json!("x".repeat(101))), ("postalCode", json!("1".repeat(21))),
                ("phone", json!("ring me")), ("company", json!("a\nb"))]
        {
            let mut address = home(1);
            address[field] = value;
            let input = json!({ "address": address });
            let answer = shop.unchanged_by(async || shop.mutate(&joan, "customerAddressCreate", input).await).await;
            answer.assert_error("BAD_USER_INPUT");
            let message = answer.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.starts_with(&format!("address.{field} ")), "{message}");
        }
        let mut nowhere = home(1);
        nowhere["country"] = json!("XX");
        let answer = shop.mutate(&joan, "customerAddressCreate", json!({ "address": nowhere })).await;
        assert_eq!(answer.error_codes().len(), 1, "{:#}", answer.body);
    }

    async fn a_replay_keeps_one_address(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let input = json!({ "address": home(1), "idempotencyKey": "once" });
        let first = shop.done(&joan, "customerAddressCreate", input.clone()).await;
        let again = shop.unchanged_by(async || shop.done(&joan, "customerAddressCreate", input).await).await;
        assert_eq!((&first["address"]["id"], &again["replayed"]), (&again["address"]["id"], &json!(true)));
    }

    async fn what_staff_change_of_addresses_is_written_down(shop: &TestApp) {
        let (joan, owner) = (shop.as_customer().await, shop.as_staff(Role::Owner).await);
        let input = json!({ "customerId": joan.customer_id(), "address": home(1) });
        let made = shop.done(&owner, "customerAddressCreate", input).await["address"]["id"].clone();
        shop.done(&owner, "customerAddressUpdate", json!({ "addressId": made, "address": home(2) })).await;
        shop.done(&owner, "customerAddressDelete", json!({ "addressId": made })).await;
        let query = "query ($filter: AuditFilter) { auditEntries(filter: $filter) { nodes { act detail } } }";
        let filter = json!({ "filter": { "customerId": joan.customer_id() } });
        let answer = shop.graphql(&owner, query, filter).await;
        let entries = answer.at("/auditEntries/nodes").as_array().unwrap();
        let of = |act: &str| entries.iter().find(|entry| entry["act"] == act).unwrap()["detail"].clone();
        assert_eq!(of("customer.address.create")["after"]["line1"], "Kerkstraat 1");
        let changed = json!({ "before": { "line1": "Kerkstraat 1" }, "after": { "line1": "Kerkstraat 2" } });
        assert_eq!(of("customer.address.update"), changed);
        assert_eq!(of("customer.address.delete")["before"]["line1"], "Kerkstraat 2");
    }
}
