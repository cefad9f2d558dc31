//! What somebody did or read: written once, sealed into a chain soon after.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{AuditEntryId, CustomerId};
use crate::points_entry::ActorKind;

/// What somebody did or read: written once, sealed into a chain soon after.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entries")]
pub struct Model {
    /// Given at insert.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// Ours.
    pub id: AuditEntryId,
    /// When.
    pub at: Instant,
    /// Which kind of caller.
    pub actor_kind: ActorKind,
    /// Who; none for the system.
    pub actor_id: Option<Uuid>,
    /// What, such as `customer.read`.
    pub act: String,
    /// What kind of thing it was done to.
    pub subject_kind: Option<String>,
    /// Which.
    pub subject_id: Option<Uuid>,
    /// On whose behalf; the detail is encrypted with this customer's key.
    pub customer_id: Option<CustomerId>,
    /// Of the request that did it.
    pub request_id: Option<String>,
    /// JSON with reason, before and after; ciphertext if it is about a customer.
    pub detail: Vec<u8>,
    /// Place in the chain, from 1 without gaps; none until sealed.
    pub position: Option<i64>,
    /// SHA-256 of the hash before it and of this row.
    pub hash: Option<Vec<u8>>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
