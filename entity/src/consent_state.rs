//! What may be sent to somebody for a purpose by a channel, as was said last.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::consent::{ConsentState, OptIn, Purpose};
use crate::id::{ConsentId, PersonId};
use crate::message::Channel;

/// What may be sent to somebody for a purpose by a channel, as was said last.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "consent_states")]
pub struct Model {
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: PersonId,
    /// What for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub purpose: Purpose,
    /// By which way.
    #[sea_orm(primary_key, auto_increment = false)]
    pub channel: Channel,
    /// What was said last.
    pub state: ConsentState,
    /// The surest of the grants since the last withdrawal.
    pub opt_in: Option<OptIn>,
    /// When it was said.
    pub at: Instant,
    /// The evidence.
    pub consent_id: ConsentId,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
