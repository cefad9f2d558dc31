//! A person known to the shop by its external id, by a mailbox, or both.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::CustomerId;

/// What made a customer buy first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AcquisitionReason {
    /// An offer.
    #[sea_orm(string_value = "OFFER")]
    Offer,
    /// A need.
    #[sea_orm(string_value = "NEED")]
    Need,
    /// The moment.
    #[sea_orm(string_value = "IMPULSE")]
    Impulse,
    /// Somebody's word.
    #[sea_orm(string_value = "REFERRED")]
    Referred,
    /// Something else.
    #[sea_orm(string_value = "OTHER")]
    Other,
}

/// A person known to the shop by its external id, by a mailbox, or both.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customers")]
pub struct Model {
    /// Also the id of the points account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CustomerId,
    /// The shop's own id; unique.
    pub external_id: Option<String>,
    /// How the shop writes to the customer; identifies nobody.
    pub email: Option<String>,
    /// The mailbox that is this customer, proven or stated by an import; unique.
    pub email_key: Option<String>,
    /// As the customer or the shop wrote it.
    pub name: Option<String>,
    /// BCP 47.
    pub locale: Option<String>,
    /// argon2id, PHC string.
    pub password_hash: Option<String>,
    /// Since when there is an account with a proven mailbox.
    pub registered_at: Option<Instant>,
    /// Since when in the points programme.
    pub enrolled_at: Option<Instant>,
    /// Since when sign-in is refused.
    pub disabled_at: Option<Instant>,
    /// When first heard of.
    pub created_at: Instant,
    /// When last changed.
    pub updated_at: Instant,
    /// Day, month and year.
    pub birthday: Option<Date>,
    /// As written.
    pub phone: Option<String>,
    /// What made the customer buy first.
    pub acquisition_reason: Option<AcquisitionReason>,
    /// An object of texts by name.
    pub preferences: Option<Json>,
    /// The customer whom this one turned out to be: whoever names this one means that one.
    pub merged_into: Option<CustomerId>,
    /// When that was.
    pub merged_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
