//! An address that nothing, or little, is sent to; kept as a keyed hash, which outlives the person.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{MessageId, SuppressionId};
use crate::message::Channel;

/// Why nothing is sent to an address; the gravest first.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SuppressionReason {
    /// There is no such mailbox, says its server: nothing at all is sent.
    #[sea_orm(string_value = "BOUNCED")]
    Bounced,
    /// Its reader called a message spam: nothing but what is transactional is sent.
    #[sea_orm(string_value = "COMPLAINED")]
    Complained,
    /// The shop's staff said so: nothing but what is transactional is sent.
    #[sea_orm(string_value = "STAFF")]
    Staff,
}

/// An address that nothing, or little, is sent to; kept as a keyed hash, which outlives the person.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "suppressions")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SuppressionId,
    /// Of which channel.
    pub channel: Channel,
    /// Keyed hash of the normalised address; unique with the channel and the reason.
    pub address_hash: Vec<u8>,
    /// Why.
    pub reason: SuppressionReason,
    /// The message that showed it.
    pub message_id: Option<MessageId>,
    /// Such as the status code 5.1.1; no address.
    pub detail: Option<String>,
    /// When.
    pub created_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
