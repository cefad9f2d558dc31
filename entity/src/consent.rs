//! What somebody said about what may be sent to them: evidence, never changed.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{ConsentId, PersonId};
use crate::message::Channel;
use crate::points_entry::ActorKind;

/// What a message that needs a right to be sent is for; what is needed for an order or an account itself has none.
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
pub enum Purpose {
    /// News of the shop.
    #[sea_orm(string_value = "NEWSLETTER")]
    Newsletter,
    /// Offers: on a birthday, to come back, to buy again, to join.
    #[sea_orm(string_value = "OFFERS")]
    Offers,
    /// Reminders of a cart, and of what is used up.
    #[sea_orm(string_value = "REMINDERS")]
    Reminders,
    /// What somebody waited for; asking for it is the consent, for that product.
    #[sea_orm(string_value = "BACK_IN_STOCK")]
    BackInStock,
    /// About something bought: thanks, care tips, the question after delivery.
    #[sea_orm(string_value = "CARE")]
    Care,
    /// Updates of a product, to who owns it.
    #[sea_orm(string_value = "PRODUCT_UPDATES")]
    ProductUpdates,
    /// Points, tiers, and the standing of the account.
    #[sea_orm(string_value = "PROGRAMME")]
    Programme,
}

/// How sure it is that a grant is the word of whom it is of.
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
pub enum OptIn {
    /// Somebody said so, or the shop did.
    #[sea_orm(string_value = "SINGLE")]
    Single,
    /// Whoever reads the mailbox confirmed it.
    #[sea_orm(string_value = "DOUBLE")]
    Double,
}

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConsentState {
    /// Asked for, and to be confirmed in the mailbox.
    #[sea_orm(string_value = "REQUESTED")]
    Requested,
    /// Yes.
    #[sea_orm(string_value = "GRANTED")]
    Granted,
    /// No, or not any more.
    #[sea_orm(string_value = "WITHDRAWN")]
    Withdrawn,
}

/// Where it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConsentSource {
    /// While ordering.
    #[sea_orm(string_value = "CHECKOUT")]
    Checkout,
    /// In the preference centre.
    #[sea_orm(string_value = "PREFERENCES")]
    Preferences,
    /// In a form for it.
    #[sea_orm(string_value = "SIGN_UP")]
    SignUp,
    /// With the button behind the link of a confirmation.
    #[sea_orm(string_value = "CONFIRMATION")]
    Confirmation,
    /// With the button behind the link in a message.
    #[sea_orm(string_value = "UNSUBSCRIBE_LINK")]
    UnsubscribeLink,
    /// By the mail program, as RFC 8058 has it.
    #[sea_orm(string_value = "ONE_CLICK")]
    OneClick,
    /// By calling a message spam.
    #[sea_orm(string_value = "COMPLAINT")]
    Complaint,
    /// To the shop's staff.
    #[sea_orm(string_value = "STAFF")]
    Staff,
    /// Elsewhere, and brought over.
    #[sea_orm(string_value = "IMPORT")]
    Import,
}

/// What somebody said about what may be sent to them: evidence, never changed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "consents")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConsentId,
    /// Who.
    pub person_id: PersonId,
    /// What for.
    pub purpose: Purpose,
    /// By which way.
    pub channel: Channel,
    /// What was said.
    pub state: ConsentState,
    /// Of a grant.
    pub opt_in: Option<OptIn>,
    /// Where.
    pub source: ConsentSource,
    /// What shows it: the words that were shown, the page, the order; an object of texts.
    pub proof: Json,
    /// Who told us.
    pub actor_kind: ActorKind,
    /// Which of those.
    pub actor_id: Option<Uuid>,
    /// When it was said.
    pub at: Instant,
    /// When we were told.
    pub recorded_at: Instant,
    /// Of what was confirmed in a mailbox: which, as suppressions know it; not known of what was confirmed before that was kept.
    pub address_hash: Option<Vec<u8>>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
