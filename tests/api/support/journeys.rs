//! What journeys sent in a test.

use chrono::{DateTime, Utc};
use entity::message::{self, MessageState};
use entity::staff::Role;
use regulars::worker;
use sea_orm::{ActiveEnum, EntityTrait, QueryOrder};
use serde_json::{Value as Json, json};

use super::{Caller, TestApp};

impl TestApp {
    /// Publishes built-in journeys, as an owner.
    pub(crate) async fn publish(&self, codes: &[&str]) -> Caller {
        worker::arm_recurring(&self.app).await.unwrap();
        let owner = self.as_staff(Role::Owner).await;
        for code in codes {
            self.done(&owner, "journeyPublish", json!({ "code": code })).await;
        }
        owner
    }

    /// Somebody said yes by mail, and confirmed it elsewhere.
    pub(crate) async fn consent(&self, server: &Caller, who: Json, purposes: &[&str]) {
        self.say(server, who, purposes, true).await;
    }

    /// Somebody says yes or no to mail for these purposes.
    pub(crate) async fn say(&self, server: &Caller, mut who: Json, purposes: &[&str], granted: bool) {
        let choice = |purpose: &&str| json!({ "purpose": purpose, "channel": "EMAIL", "granted": granted });
        who["consents"] = purposes.iter().map(choice).collect();
        who["source"] = json!("CHECKOUT");
        if granted {
            who["optIn"] = json!("DOUBLE");
            who["proof"] = json!([{ "key": "form", "value": "confirmed elsewhere" }]);
        }
        self.done(server, "consentUpdate", who).await;
    }

    /// Moves the clock to `at`, and runs what is due then.
    pub(crate) async fn pass_to(&self, at: &str) {
        let at: DateTime<Utc> = at.parse().unwrap();
        self.clock.advance(at - self.clock.now());
        self.run_jobs().await;
    }

    /// The template, state and reason of every message that was queued, the first first; runs what is due.
    pub(crate) async fn messages(&self) -> Vec<String> {
        self.run_jobs().await;
        let rows = message::Entity::find()
            .order_by_asc(message::Column::QueuedAt)
            .order_by_asc(message::Column::Template)
            .all(&self.app.db.read)
            .await
            .unwrap();
        let text = |row: message::Model| match (row.state, row.reason) {
            (MessageState::Sent, _) => row.template,
            (state, reason) => {
                let reason = reason.map(|reason| reason.to_value()).unwrap_or_default();
                format!("{} {} {reason}", row.template, state.to_value())
            }
        };
        rows.into_iter().map(text).collect()
    }

    /// State, reason and due instant of a customer's last way through a journey.
    pub(crate) async fn explained(&self, asker: &Caller, customer: &str, journey: &str) -> Json {
        let query = "query ($journey: String!, $id: ID!) {
            explainNotSent(journey: $journey, customerId: $id) { runs { state reason dueAt unsent { reason } } } }";
        let answer = self.graphql(asker, query, json!({ "journey": journey, "id": customer })).await;
        answer.at("/explainNotSent/runs/0").clone()
    }
}
