//! A signing key or secret of this deployment, shared by its instances.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::ServerKeyId;
/// What a key of the server is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyPurpose {
    /// Signs access tokens of customers.
    #[sea_orm(string_value = "CUSTOMER_TOKEN")]
    CustomerToken,
    /// Signs access tokens of staff.
    #[sea_orm(string_value = "STAFF_TOKEN")]
    StaffToken,
    /// Derives six-digit codes.
    #[sea_orm(string_value = "MAILBOX_CODE")]
    MailboxCode,
    /// Derives long tokens: of claims, first sign-ins and invitations.
    #[sea_orm(string_value = "LINK_TOKEN")]
    LinkToken,
    /// Hashes what people are compared by, such as cards. It stays: what one key hashed no other finds again.
    #[sea_orm(string_value = "COMPARISON")]
    Comparison,
}

/// A signing key or secret of this deployment, shared by its instances.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "server_keys")]
pub struct Model {
    /// The `kid` of a token.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ServerKeyId,
    /// What it is used for.
    pub purpose: KeyPurpose,
    /// PKCS#8 of a signing key, 32 random bytes of a secret.
    pub material: Vec<u8>,
    /// When it was made.
    pub created_at: Instant,
    /// Since when it signs no more; it still verifies.
    pub retired_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
