//! Messages as journeys queue them, and what people said about getting them.

use async_graphql::ID;
use entity::consent::{ConsentSource, ConsentState, OptIn, Purpose};
use entity::id::{ConsentId, CustomerId, MessageId, PersonId};
use entity::message::{self, Channel};
use entity::points_entry::ActorKind;
use entity::{consent, consent_state};
use regulars::graphql::global_id::{NodeType, local_id};
use regulars::messages::facts::Facts;
use regulars::messages::{NewMessage, queue};
use regulars::tx::Tx;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use serde_json::json;

use super::{Caller, TestApp};

/// A message to be queued.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    pub(crate) person: PersonId,
    pub(crate) template: &'static str,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) channel: Channel,
    pub(crate) facts: Facts,
}

impl Fresh {
    /// By mail, about nothing.
    pub(crate) fn to(caller: &Caller, template: &'static str, purpose: Option<Purpose>) -> Self {
        let person = local::<CustomerId>(caller.customer_id(), NodeType::Customer).into();
        Self { person, template, purpose, channel: Channel::Email, facts: Facts::default() }
    }
}

/// The id that a global id carries.
pub(crate) fn local<T: From<uuid::Uuid>>(id: &str, of: NodeType) -> T {
    local_id(&ID(id.to_owned()), of).unwrap()
}

impl TestApp {
    /// Queues a message.
    pub(crate) async fn queue(&self, fresh: Fresh) -> MessageId {
        self.change(async |tx: &Tx| {
            let Fresh { person, template, purpose, channel, facts } = fresh.clone();
            let (id, template) = (tx.id(), template.to_owned());
            let new = NewMessage { id, person, journey: None, run: None, template, purpose, channel, facts };
            queue(tx, vec![new]).await?;
            Ok(id)
        })
        .await
    }

    /// The global id of a new message in a customer's inbox.
    pub(crate) async fn in_inbox(&self, caller: &Caller) -> String {
        let told = Fresh::to(caller, "points_expiring", Some(Purpose::Programme));
        self.queue(Fresh { channel: Channel::Inbox, ..told }).await;
        self.run_jobs().await;
        let inbox = self.graphql(caller, "{ me { inbox { nodes { id } } } }", json!({})).await;
        inbox.text("/me/inbox/nodes/0/id").to_owned()
    }

    /// A message as it is stored.
    pub(crate) async fn message(&self, id: MessageId) -> message::Model {
        message::Entity::find_by_id(id).one(&self.app.db.read).await.unwrap().unwrap()
    }

    /// Writes down that a customer said something, as the slice of consents does.
    pub(crate) async fn said(
        &self,
        caller: &Caller,
        purpose: Purpose,
        channel: Channel,
        state: ConsentState,
    ) {
        let (person, at) = (Fresh::to(caller, "", None).person, self.clock.now());
        let opt_in = (state == ConsentState::Granted).then_some(OptIn::Double);
        self.change(async |tx: &Tx| {
            let id: ConsentId = tx.id();
            let row = consent::Model {
                id,
                person_id: person,
                purpose,
                channel,
                state,
                opt_in,
                source: ConsentSource::Preferences,
                proof: json!({}),
                actor_kind: ActorKind::Customer,
                actor_id: Some(person.0),
                at,
                recorded_at: at,
                address_hash: None,
            };
            row.into_active_model().reset_all().insert(tx.db()).await?;
            let state = consent_state::Model {
                person_id: person,
                purpose,
                channel,
                state,
                opt_in,
                at,
                consent_id: id,
            };
            consent_state::Entity::delete_by_id((person, purpose, channel)).exec(tx.db()).await?;
            state.into_active_model().reset_all().insert(tx.db()).await?;
            Ok(())
        })
        .await;
    }
}
