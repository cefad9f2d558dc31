//! What everybody may know of the shop.

use entity::staff::Role;
use regulars::auth::viewer::Scope;
use serde_json::json;

use crate::support::{Caller, both_engines};

both_engines! {
    async fn everybody_may_ask_what_the_shop_is_called(shop: &TestApp) {
        let callers = [
            Caller::anonymous(),
            shop.as_customer().await,
            shop.as_shop_key(&[Scope::CatalogWrite]).await,
            shop.as_staff(Role::Analyst).await,
        ];
        for caller in callers {
            let answer = shop.graphql(&caller, "{ shop { name currency locale timeZone } }", json!({})).await;
            let expected =
                json!({ "name": "Regulars shop", "currency": "EUR", "locale": "en", "timeZone": "Europe/Amsterdam" });
            assert_eq!(answer.at("/shop"), &expected);
        }
    }
}
