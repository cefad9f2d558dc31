//! A double opt-in under way, until whoever reads the mailbox confirms it.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::consent::ConsentSource;
use crate::id::{ConsentRequestId, PersonId};

/// A double opt-in under way, until whoever reads the mailbox confirms it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "consent_requests")]
pub struct Model {
    /// Ours; the token in the mail is derived from it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConsentRequestId,
    /// Who, if the shop said so; else whoever the mailbox is of when it is confirmed.
    pub person_id: Option<PersonId>,
    /// To whom the mail goes.
    pub email: String,
    /// The mailbox.
    pub email_key: String,
    /// An array of purposes.
    pub purposes: Json,
    /// Where it was asked for.
    pub source: ConsentSource,
    /// What shows it; an object of texts.
    pub proof: Json,
    /// BCP 47, of the mail.
    pub locale: Option<String>,
    /// When.
    pub created_at: Instant,
    /// Until when it can be confirmed.
    pub expires_at: Instant,
    /// When it was.
    pub confirmed_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
