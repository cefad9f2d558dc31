//! What customers and shops state of a customer: what is left out stays, what is null is forgotten.

use chrono::TimeDelta;
use entity::staff::Role;
use serde_json::{Value as Json, json};

use crate::support::{Caller, TestApp, both_engines};

const PROFILE: &str = "query ($id: ID!) { customer(id: $id) {
    name locale birthday nextBirthday phone preferences { key value } acquisitionReason } }";

async fn profile(shop: &TestApp, server: &Caller, joan: &Caller) -> Json {
    let answer = shop.graphql(server, PROFILE, json!({ "id": joan.customer_id() })).await;
    answer.at("/customer").clone()
}

fn whole() -> Json {
    json!({
        "name": "Joan of Arc", "locale": "fr-FR", "birthday": "2004-02-29", "phone": "+33 1 23 45 67 89",
        "preferences": [{ "key": "tea.size", "value": "large" }, { "key": "colour", "value": "bleu" }],
        "acquisitionReason": "REFERRED",
    })
}

both_engines! {
    async fn a_profile_is_what_was_stated_last(shop: &TestApp) {
        let (server, joan) = (shop.as_server().await, shop.as_customer().await);
        shop.done(&joan, "customerUpdate", whole()).await;
        let mut expected = whole();
        expected["nextBirthday"] = json!("2026-02-28");
        // Preferences come in the order of their keys.
        expected["preferences"] = json!([{ "key": "colour", "value": "bleu" }, { "key": "tea.size", "value": "large" }]);
        assert_eq!(profile(shop, &server, &joan).await, expected);
        shop.done(&joan, "customerUpdate", json!({ "locale": "nl", "phone": null, "preferences": null })).await;
        for (field, value) in [("locale", json!("nl")), ("phone", Json::Null), ("preferences", json!([]))] {
            expected[field] = value;
        }
        assert_eq!(profile(shop, &server, &joan).await, expected);
        let nothing = json!({ "name": null, "locale": null, "birthday": null, "acquisitionReason": null });
        shop.done(&server, "customerUpdate", {
            let mut input = nothing.clone();
            input["customerId"] = json!(joan.customer_id());
            input
        }).await;
        let mut forgotten = nothing;
        for (field, value) in [("nextBirthday", Json::Null), ("phone", Json::Null), ("preferences", json!([]))] {
            forgotten[field] = value;
        }
        assert_eq!(profile(shop, &server, &joan).await, forgotten);
    }

    async fn a_shop_records_a_profile_and_leaves_out_what_it_does_not_know(shop: &TestApp) {
        let server = shop.as_server().await;
        let mut input = whole();
        input["externalId"] = json!("shop-1");
        let made = shop.done(&server, "customerRecord", input).await;
        assert_eq!(made["customer"]["birthday"], "2004-02-29");
        let again = json!({ "externalId": "shop-1", "name": null, "phone": null });
        let kept = shop.done(&server, "customerRecord", again).await;
        let told = ["name", "phone", "acquisitionReason", "birthday"].map(|field| kept["customer"][field].clone());
        assert_eq!(told, [json!("Joan of Arc"), Json::Null, json!("REFERRED"), json!("2004-02-29")]);
    }

    async fn what_is_out_of_bounds_is_told_and_changes_nothing(shop: &TestApp) {
        let joan = shop.as_customer().await;
        let many: Vec<Json> = (0..51).map(|n| json!({ "key": n.to_string(), "value": "x" })).collect();
        for (field, value) in [
            ("name", json!(" ")),
            ("locale", json!("nl_BE")),
            ("birthday", json!("2026-01-16")),
            ("birthday", json!("1899-12-31")),
            ("phone", json!("ring me")),
            ("preferences", json!(many)),
            ("preferences", json!([{ "key": "A", "value": "x" }])),
            ("preferences", json!([{ "key": "a", "value": "" }])),
        ] {
            let input = json!({ field: value });
            let answer = shop.unchanged_by(async || shop.mutate(&joan, "customerUpdate", input).await).await;
            answer.assert_error("BAD_USER_INPUT");
            let message = answer.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.starts_with(field), "{message}");
        }
        for birthday in ["2025-02-29", "2004-2-9", "yesterday"] {
            let answer = shop.mutate(&joan, "customerUpdate", json!({ "birthday": birthday })).await;
            assert_eq!(answer.error_codes().len(), 1, "{birthday}");
        }
    }

    async fn somebody_born_on_a_leap_day_has_a_birthday_as_the_shop_says_and_in_its_time_zone(shop: &TestApp) {
        let (server, joan) = (shop.as_server().await, shop.as_customer().await);
        let owner = shop.as_staff(Role::Owner).await;
        shop.done(&joan, "customerUpdate", json!({ "birthday": "2004-02-29" })).await;
        assert_eq!(profile(shop, &server, &joan).await["nextBirthday"], "2026-02-28");
        let update = json!({ "expectedVersion": 0, "leapDayBirthday": "MARCH_1" });
        shop.done(&owner, "shopSettingsUpdate", update).await;
        let asked = shop.graphql(&owner, "{ shopSettings { leapDayBirthday } }", json!({})).await;
        assert_eq!(asked.at("/shopSettings/leapDayBirthday"), "MARCH_1");
        assert_eq!(profile(shop, &server, &joan).await["nextBirthday"], "2026-03-01");
        // 23:30 in London is 00:30 in Amsterdam, where the shop is.
        let until = "2026-03-01T23:30:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        shop.clock.advance(until - shop.clock.now() - TimeDelta::hours(1));
        assert_eq!(profile(shop, &server, &joan).await["nextBirthday"], "2026-03-01");
        shop.clock.advance(TimeDelta::hours(1));
        assert_eq!(profile(shop, &server, &joan).await["nextBirthday"], "2027-03-01");
    }

    async fn what_staff_change_is_written_down_with_what_differs(shop: &TestApp) {
        let (joan, owner) = (shop.as_customer().await, shop.as_staff(Role::Owner).await);
        shop.done(&joan, "customerUpdate", json!({ "phone": "12345" })).await;
        let input = json!({ "customerId": joan.customer_id(), "phone": "54321", "locale": "nl" });
        shop.done(&owner, "customerUpdate", input.clone()).await;
        shop.done(&owner, "customerUpdate", input).await;
        let query = "query ($filter: AuditFilter) { auditEntries(filter: $filter) { nodes { actorKind detail } } }";
        let filter = json!({ "act": "customer.update", "customerId": joan.customer_id() });
        let written = shop.graphql(&owner, query, json!({ "filter": filter })).await;
        let expected = json!([{ "actorKind": "STAFF", "detail": {
            "before": { "phone": "12345", "locale": null }, "after": { "phone": "54321", "locale": "nl" } } }]);
        assert_eq!(written.at("/auditEntries/nodes"), &expected);
    }
}
