//! Something that whoever takes the money told us.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::MembershipId;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EventState {
    /// Not looked into yet.
    #[sea_orm(string_value = "RECEIVED")]
    Received,
    /// What it is about was looked up and taken over.
    #[sea_orm(string_value = "APPLIED")]
    Applied,
    /// It concerns nothing of ours.
    #[sea_orm(string_value = "IGNORED")]
    Ignored,
    /// It could not be looked into as often as it was tried.
    #[sea_orm(string_value = "FAILED")]
    Failed,
}

/// Something that whoever takes the money told us.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "billing_events")]
pub struct Model {
    /// Theirs.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Where.
    pub account: String,
    /// Such as `invoice.paid`.
    pub kind: String,
    /// What it is about.
    pub object: Option<String>,
    /// The subscription that it concerns.
    pub subscription: Option<String>,
    /// When it happened there.
    pub created_at: Instant,
    /// When it came here.
    pub received_at: Instant,
    /// The customer that it concerns, as whoever takes the money calls them.
    pub customer: Option<String>,
    /// The payment that it concerns: of one that may name no customer.
    pub payment: Option<String>,
    /// The membership that it says it concerns; there may be no such one.
    pub names: Option<MembershipId>,
    /// What became of it.
    pub state: EventState,
    /// Which membership it concerned.
    pub membership_id: Option<MembershipId>,
    /// When it was looked into.
    pub applied_at: Option<Instant>,
    /// Why nothing came of it.
    pub problem: Option<String>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
