//! A pause of a membership.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::MembershipId;

/// A pause of a membership.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "membership_pauses")]
pub struct Model {
    /// Of which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub membership_id: MembershipId,
    /// The number of what asked for it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    /// Since when.
    pub from_at: Instant,
    /// Until when; none while nobody knows.
    pub until_at: Option<Instant>,
    /// The number of what said so last.
    pub until_seq: i64,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
