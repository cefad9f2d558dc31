//! Queues messages with the change that causes them: rows and jobs, each in one statement.

use entity::consent::Purpose;
use entity::id::{JourneyId, MessageId, PersonId, RunId};
use entity::message::{Channel, MessageState};
use sea_orm::ActiveEnum;
use serde_json::json;

use super::facts::Facts;
use super::send;
use crate::db::bulk::Rows;
use crate::error::Fault;
use crate::jobs::{self, Lane};
use crate::tx::Tx;

/// A message to be sent; its words are found when it is.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Ours.
    pub id: MessageId,
    /// To whom.
    pub person: PersonId,
    /// The journey that sends it.
    pub journey: Option<JourneyId>,
    /// Whose way through it.
    pub run: Option<RunId>,
    /// The code of its template.
    pub template: String,
    /// What right it needs; transactional, if none.
    pub purpose: Option<Purpose>,
    /// By which way.
    pub channel: Channel,
    /// What it is about.
    pub facts: Facts,
}

const COLUMNS: &[&str] = &[
    "id",
    "person_id",
    "journey_id",
    "run_id",
    "template",
    "purpose",
    "channel",
    "state",
    "facts",
    "attempts",
    "queued_at",
];

/// Queues `messages` with the change of this transaction.
pub async fn queue(tx: &Tx, messages: Vec<NewMessage>) -> Result<(), Fault> {
    let mut rows = Rows::new("messages", COLUMNS);
    let mut payloads = Vec::with_capacity(messages.len());
    for message in messages {
        // Whoever bought something waits for word of it; the rest is sent by the thousand.
        let lane = if message.purpose.is_none() { Lane::Urgent } else { Lane::Bulk };
        payloads.push((lane, json!({ "message": message.id })));
        rows.push([
            message.id.0.into(),
            message.person.0.into(),
            message.journey.map(|id| id.0).into(),
            message.run.map(|id| id.0).into(),
            message.template.into(),
            message.purpose.map(|purpose| purpose.to_value()).into(),
            message.channel.to_value().into(),
            MessageState::Queued.to_value().into(),
            message.facts.stored()?.into(),
            0_i32.into(),
            tx.now().into(),
        ]);
    }
    rows.insert(tx.db()).await?;
    jobs::enqueue_all(tx, send::KIND, payloads, send::ATTEMPTS).await
}
