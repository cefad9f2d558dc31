//! Of whose mailbox something was said, and in whose it was confirmed.

use chrono::TimeDelta;
use entity::staff::Role;
use serde_json::{Value as Json, json};

use crate::consent::{ANNA, ask, confirm, granted, mine, newsletter, stands, token};
use crate::email_change::moved;
use crate::support::both_engines;

both_engines! {
    async fn what_else_is_asked_for_meanwhile_is_mailed_after_the_pause(shop: &TestApp) {
        let server = shop.as_server().await;
        // What anybody asks for uses up nothing of what the shop does.
        ask(shop, ANNA).await;
        let asked = async |purpose: &str| {
            let yes = json!([{ "purpose": purpose, "channel": "EMAIL", "granted": true }]);
            shop.done(&server, "consentUpdate", json!({ "email": ANNA, "consents": yes, "source": "CHECKOUT" })).await;
            shop.run_jobs().await;
            shop.mail.count()
        };
        assert_eq!(asked("NEWSLETTER").await, 2);
        shop.clock.advance(TimeDelta::minutes(5));
        assert_eq!([asked("NEWSLETTER").await, asked("OFFERS").await, asked("OFFERS").await], [2, 2, 2]);
        shop.clock.advance(TimeDelta::minutes(5));
        shop.run_jobs().await;
        assert_eq!(shop.mail.count(), 3);
        let token = token(shop, ANNA).await;
        assert_eq!(confirm(shop, &token).await.assert_done().payload()["purposes"], json!(["OFFERS"]));
    }

    async fn what_was_confirmed_in_one_mailbox_is_not_in_another(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let record = async |id: &str, email: &str| {
            let input = json!({ "externalId": id, "email": email });
            shop.done(&server, "customerRecord", input).await["customer"]["id"].clone()
        };
        let anna = record("c-1", ANNA).await;
        let yes = json!({ "customerId": anna, "consents": newsletter(true), "source": "IMPORT", "optIn": "DOUBLE",
            "proof": [{ "key": "list", "value": "old" }] });
        shop.done(&server, "consentUpdate", yes.clone()).await;
        let stands_of = async |id: &Json| {
            let query = "query ($id: ID!) { customer(id: $id) { consents { purpose channel state optIn source allowed } } }";
            stands(shop.graphql(&server, query, json!({ "id": id })).await.at("/customer/consents"))
        };
        shop.clock.advance(TimeDelta::minutes(1));
        record("c-1", "ANNA@example.org").await;
        assert_eq!(stands_of(&anna).await, granted("DOUBLE", "IMPORT", true));
        record("c-1", "typo@example.org").await;
        assert_eq!(stands_of(&anna).await, granted("SINGLE", "IMPORT", false));
        // Confirmed again, and then it is somebody who is written to elsewhere.
        shop.clock.advance(TimeDelta::minutes(1));
        shop.done(&server, "consentUpdate", yes).await;
        assert_eq!(stands_of(&anna).await, granted("DOUBLE", "IMPORT", true));
        shop.clock.advance(TimeDelta::minutes(1));
        let other = record("c-2", "other@example.org").await;
        let merge = json!({ "fromId": anna, "intoId": other, "reason": "the same person" });
        shop.done(&owner, "customerMerge", merge).await;
        assert_eq!(stands_of(&other).await, granted("SINGLE", "IMPORT", false));
    }

    async fn who_proves_another_mailbox_takes_along_what_was_confirmed(shop: &TestApp) {
        let server = shop.as_server().await;
        let joan = shop.as_customer_with_password().await;
        shop.done(&joan, "consentUpdate", json!({ "consents": newsletter(true) })).await;
        moved(shop, &joan, "joan@new.example.org").await;
        assert_eq!(mine(shop, &joan).await, granted("DOUBLE", "CONFIRMATION", true));
        // A word that is told late has all of them looked at again.
        let late = json!({ "customerId": joan.customer_id(), "consents": newsletter(true), "source": "IMPORT",
            "at": "2020-01-01T00:00:00Z" });
        shop.done(&server, "consentUpdate", late).await;
        assert_eq!(mine(shop, &joan).await, granted("DOUBLE", "CONFIRMATION", true));
    }
}
