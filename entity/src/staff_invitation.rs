//! An invitation to the shop's staff; its token is derived from it.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{StaffId, StaffInvitationId};
use crate::staff::Role;

/// An invitation to the shop's staff; its token is derived from it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "staff_invitations")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StaffInvitationId,
    /// Where the token went.
    pub email: String,
    /// Normalised.
    pub email_key: String,
    /// Shown in the ledger.
    pub name: String,
    /// Which permissions.
    pub role: Role,
    /// By whom.
    pub invited_by: StaffId,
    /// When.
    pub created_at: Instant,
    /// Seven days later.
    pub expires_at: Instant,
    /// Accepted or withdrawn.
    pub ended_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
