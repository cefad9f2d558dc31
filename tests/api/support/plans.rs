//! Plans, and members who paid for them in the sandbox.

use entity::staff::Role;
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::{Caller, TestApp};

impl TestApp {
    /// A plan that can be joined, of so much a month if `more` does not say otherwise.
    pub(crate) async fn plan_at(&self, code: &str, price: &str, mut more: Json) {
        let owner = self.as_staff(Role::Owner).await;
        for (name, value) in [("code", code), ("name", &format!("Plan {code}")), ("price", price)] {
            more[name] = json!(value);
        }
        if more.get("billed").is_none() {
            more["billed"] = json!("MONTH");
        }
        self.done(&owner, "membershipPlanUpsert", more).await;
    }

    /// A plan of € 9.99 a month with these benefits.
    pub(crate) async fn plan(&self, code: &str, benefits: Json) {
        self.plan_at(code, "9.99", json!({ "benefits": benefits })).await;
    }

    /// Asks for a membership, to be confirmed on the member's own device.
    pub(crate) async fn begin_membership(&self, who: &Caller, plan: &str) -> Json {
        self.done(who, "membershipJoin", json!({ "plan": plan, "payOn": "DEVICE" })).await
    }

    /// Confirms what is to be confirmed with a card of the sandbox; answers the status.
    pub(crate) async fn confirm_membership(&self, begun: &Json, card: &str) -> u16 {
        let secret = &begun["confirmation"]["clientSecret"];
        let confirmed = json!({ "clientSecret": secret, "card": card });
        let answer = self.serving.request(Method::POST, "/sandbox/confirm").json(&confirmed).send().await;
        self.run_jobs().await;
        answer.unwrap().status().as_u16()
    }

    /// Joins a plan and pays for it; answers the id of the membership.
    pub(crate) async fn join(&self, who: &Caller, plan: &str) -> String {
        let begun = self.begin_membership(who, plan).await;
        assert_eq!(self.confirm_membership(&begun, "pays").await, 204);
        begun["membership"]["id"].as_str().unwrap().to_owned()
    }
}
