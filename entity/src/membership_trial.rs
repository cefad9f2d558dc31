//! Somebody, or some card, had a trial: one hash outlives the data of the person.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::MembershipId;

/// Somebody, or some card, had a trial: one hash outlives the data of the person.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "membership_trials")]
pub struct Model {
    /// Keyed hash of a mailbox or card.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: Vec<u8>,
    /// When.
    pub used_at: Instant,
    /// With which membership.
    pub membership_id: Option<MembershipId>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
