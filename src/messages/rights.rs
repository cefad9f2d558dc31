//! What may be sent to whom: as the slice of consents answers it.
//!
//! Until that slice is there, a consent is what its last state says, and nothing is suppressed but what is listed by it.

use std::collections::HashMap;

use entity::Instant;
use entity::consent::{ConsentState, OptIn, Purpose};
use entity::consent_state::{Entity, Model};
use entity::id::{MessageId, PersonId};
use entity::message::{Channel, Reason};
use entity::suppression::SuppressionReason;
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter};

use super::class::Class;
use super::terms::MessageTerms;
use crate::app::App;
use crate::auth::keys::Keys;
use crate::db::dialect::is_among;
use crate::error::Fault;

/// What people said last.
#[derive(Debug, Default)]
pub(crate) struct Permissions(HashMap<(PersonId, Purpose, Channel), Model>);

/// What these people said last, in one statement.
pub(crate) async fn permissions(
    db: &impl ConnectionTrait,
    people: impl IntoIterator<Item = PersonId>,
) -> Result<Permissions, Fault> {
    let among = is_among(db.get_database_backend(), "person_id", people.into_iter().map(|person| person.0));
    let rows = Entity::find().filter(among).all(db).await?;
    let by = |row: Model| ((row.person_id, row.purpose, row.channel), row);
    Ok(Permissions(rows.into_iter().map(by).collect()))
}

impl Permissions {
    /// Whether a message for `purpose` may go to `person` by `channel`, or why not.
    pub(crate) fn allow(
        &self,
        terms: &MessageTerms,
        person: PersonId,
        purpose: Purpose,
        channel: Channel,
        asked_at: Option<Instant>,
    ) -> Result<(), Reason> {
        let said = self.0.get(&(person, purpose, channel));
        let needs_consent = Class::of(Some(purpose)).may_promote();
        match said.map(|said| (said.state, said.opt_in, said.at)) {
            Some((ConsentState::Withdrawn, _, at)) => {
                let asked_later = purpose == Purpose::BackInStock && asked_at.is_some_and(|asked| asked > at);
                if asked_later { Ok(()) } else { Err(Reason::Withdrawn) }
            }
            _ if !needs_consent || (purpose == Purpose::BackInStock && asked_at.is_some()) => Ok(()),
            Some((ConsentState::Granted, opt_in, _)) => {
                let is_sure = opt_in == Some(OptIn::Double) || channel != Channel::Email;
                if is_sure || !terms.double_opt_in { Ok(()) } else { Err(Reason::NotConfirmed) }
            }
            Some((ConsentState::Requested, _, _)) => Err(Reason::NotConfirmed),
            None => Err(Reason::NoConsent),
        }
    }
}

/// Which of these addresses are suppressed.
pub(crate) async fn suppressed(
    _db: &impl ConnectionTrait,
    _keys: &Keys,
    _channel: Channel,
    _addresses: &[String],
) -> Result<HashMap<String, SuppressionReason>, Fault> {
    Ok(HashMap::new())
}

/// Where a message can be ended.
pub(crate) fn unsubscribe_url(app: &App, message: MessageId) -> Result<String, Fault> {
    Ok(format!("{}/unsubscribe/{}", app.config.public_url, message.0.simple()))
}
