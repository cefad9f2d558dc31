//! An address of a customer.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{AddressId, CustomerId};

/// An address of a customer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer_addresses")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AddressId,
    /// Whose.
    pub customer_id: CustomerId,
    /// Of the person there.
    pub name: Option<String>,
    /// Of the company there.
    pub company: Option<String>,
    /// Street and number.
    pub line1: String,
    /// What else there is to it.
    pub line2: Option<String>,
    /// As written.
    pub postal_code: Option<String>,
    /// As written.
    pub city: String,
    /// State or province.
    pub region: Option<String>,
    /// ISO 3166-1, two letters.
    pub country: String,
    /// For the carrier.
    pub phone: Option<String>,
    /// Where orders go; one of a customer's at most.
    pub default_shipping: bool,
    /// Where invoices go; one of a customer's at most.
    pub default_billing: bool,
    /// When.
    pub created_at: Instant,
    /// When last changed.
    pub updated_at: Instant,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
