//! Stand-ins while neighbours are built; goes at the merge.
#![expect(clippy::unused_async, missing_docs, reason = "goes at the merge")]
use crate::auth::keys::Keys;
use crate::error::Fault;
use crate::messages::facts::Facts;
use crate::messages::terms::MessageTerms;
use crate::tx::Tx;
use entity::Instant;
use entity::consent::Purpose;
use entity::id::{JourneyId, MessageId, PersonId, RunId};
use entity::message::{Channel, Reason};
use entity::suppression::SuppressionReason;
use sea_orm::ConnectionTrait;
use std::collections::HashMap;
pub(crate) struct Permissions;
pub(crate) async fn permissions(
    _db: &impl ConnectionTrait,
    _people: impl IntoIterator<Item = PersonId>,
) -> Result<Permissions, Fault> {
    Ok(Permissions)
}
impl Permissions {
    pub(crate) fn allow(
        &self,
        _terms: &MessageTerms,
        _person: PersonId,
        _purpose: Purpose,
        _channel: Channel,
        _asked_at: Option<Instant>,
    ) -> Result<(), Reason> {
        Ok(())
    }
}
pub(crate) async fn suppressed(
    _db: &impl ConnectionTrait,
    _keys: &Keys,
    _channel: Channel,
    _addresses: &[String],
) -> Result<HashMap<String, SuppressionReason>, Fault> {
    Ok(HashMap::new())
}
pub(crate) struct NewMessage {
    pub id: MessageId,
    pub person: PersonId,
    pub journey: Option<JourneyId>,
    pub run: Option<RunId>,
    pub template: String,
    pub purpose: Option<Purpose>,
    pub channel: Channel,
    pub facts: Facts,
}
pub(crate) async fn queue(_tx: &Tx, _messages: Vec<NewMessage>) -> Result<(), Fault> {
    Ok(())
}
pub(crate) struct PublishedTemplate {
    pub code: String,
    pub version: i32,
    pub purpose: Option<Purpose>,
    pub channels: Vec<Channel>,
}
pub(crate) async fn published_template(
    _db: &impl ConnectionTrait,
    code: &str,
) -> Result<Option<PublishedTemplate>, Fault> {
    Ok(Some(PublishedTemplate { code: code.to_owned(), version: 0, purpose: None, channels: vec![] }))
}
