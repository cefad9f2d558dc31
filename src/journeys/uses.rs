//! What journeys in force send, for whoever changes that.

use std::collections::{BTreeSet, HashMap};

use entity::consent::Purpose;
use entity::id::JourneyId;
use entity::journey;
use entity::message::Channel;
use sea_orm::EntityTrait;

use super::live::Journeys;
use super::lock;
use crate::error::Fault;
use crate::tx::Tx;

/// What a journey in force, paused or not, needs of a template that it sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// Its code.
    pub(crate) journey: String,
    /// What its messages are for.
    pub(crate) purpose: Option<Purpose>,
    /// By which ways they go.
    pub(crate) channels: BTreeSet<Channel>,
}

/// How journeys in force use this template. Until the transaction ends, none is put in force that uses it otherwise.
pub(crate) async fn uses_of_template(tx: &Tx, code: &str) -> Result<Vec<Use>, Fault> {
    lock(tx).await?;
    let journeys = Journeys::load(tx.db()).await?;
    let rows = journey::Entity::find().all(tx.db()).await?;
    let codes: HashMap<JourneyId, String> = rows.into_iter().map(|row| (row.id, row.code)).collect();
    let uses = journeys.iter().filter_map(|live| {
        let steps = live.definition.steps.iter().filter(|step| step.template == code);
        let channels: BTreeSet<Channel> = steps.flat_map(|step| step.channels.iter().copied()).collect();
        let journey = codes.get(&live.id).filter(|_| !channels.is_empty())?.clone();
        Some(Use { journey, purpose: live.definition.purpose, channels })
    });
    Ok(uses.collect())
}
