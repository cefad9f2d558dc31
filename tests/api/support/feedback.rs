//! What people had delivered, and messages that ask them what they think of it.

use entity::id::{MessageId, PersonId};
use entity::message::{Channel, MessageState};
use entity::outbox;
use regulars::feedback::{review_token, survey_url};
use regulars::graphql::global_id::read;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{Caller, TestApp, line};

/// Our own id in a global one.
pub(crate) fn uuid_of(id: &str) -> Uuid {
    read(&id.to_owned().into()).expect("one of our ids").1
}

impl TestApp {
    /// A product of the catalogue; answers its id.
    pub(crate) async fn product(&self, server: &Caller, sku: &str) -> String {
        let made =
            self.done(server, "productUpsert", json!({ "sku": sku, "name": format!("Thing {sku}") })).await;
        made["product"]["id"].as_str().unwrap().to_owned()
    }

    /// An order of two pieces of one product that has arrived; `whose` names a customer or an address.
    pub(crate) async fn delivered(&self, server: &Caller, mut whose: Json, sku: &str) -> Json {
        whose["state"] = json!("PAID");
        whose["lines"] = json!([line(sku, 2, "20.00")]);
        let order = self.record(server, whose).await;
        self.step(server, "orderShip", &order).await;
        self.step(server, "orderDeliver", &order).await
    }

    /// A message to a person, by the global id, about `facts`.
    pub(crate) async fn message_to(&self, person: &str, facts: Json) -> MessageId {
        let id = MessageId(Uuid::from_u128(u128::from(self.next_number())));
        let now = self.clock.now();
        let row = entity::message::ActiveModel {
            id: Set(id),
            person_id: Set(PersonId(uuid_of(person))),
            journey_id: Set(None),
            run_id: Set(None),
            template: Set("after_sale".to_owned()),
            template_version: Set(Some(0)),
            purpose: Set(None),
            channel: Set(Channel::Email),
            state: Set(MessageState::Sent),
            reason: Set(None),
            facts: Set(facts),
            attempts: Set(1),
            queued_at: Set(now),
            started_at: Set(Some(now)),
            ended_at: Set(Some(now)),
            address_hash: Set(None),
            bounced_at: Set(None),
            complained_at: Set(None),
        };
        row.insert(&self.app.db.write).await.unwrap();
        id
    }

    /// The token of a new message that asks a person to review what an order brought.
    pub(crate) async fn review_token(&self, person: &str, order: &Json) -> String {
        let facts = json!({ "order": uuid_of(order["id"].as_str().unwrap()) });
        review_token(&self.app, self.message_to(person, facts).await).unwrap()
    }

    /// The token of a new message that asks a person a survey.
    pub(crate) async fn survey_token(&self, person: &str, survey: &str) -> String {
        let message = self.message_to(person, json!({ "survey": survey })).await;
        let url = survey_url(&self.app, message).unwrap();
        let (before, token) = url.rsplit_once('/').unwrap();
        assert_eq!(before, format!("{}/survey", self.app.config.public_url));
        token.to_owned()
    }

    /// What was told under a topic, the first first.
    pub(crate) async fn events(&self, topic: &str) -> Vec<Json> {
        let rows = outbox::Entity::find()
            .filter(outbox::Column::Topic.eq(topic))
            .order_by_asc(outbox::Column::Seq)
            .all(&self.app.db.read)
            .await
            .unwrap();
        rows.into_iter().map(|row| row.payload).collect()
    }

    /// Puts a rule in force that gives points for an event.
    pub(crate) async fn event_gives(&self, owner: &Caller, event: &str, points: i64) {
        let code = event.replace('.', "-");
        let rule =
            json!({ "code": code, "name": "Feedback", "trigger": "EVENT", "event": event, "bonus": points });
        let drafted = self.done(owner, "earningRuleDraft", rule).await;
        self.done(owner, "earningRulePublish", json!({ "ruleId": drafted["rule"]["id"] })).await;
    }
}
