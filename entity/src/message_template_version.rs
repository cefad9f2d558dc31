//! A version of a template; a published one never changes.

use sea_orm::entity::prelude::*;

use crate::Instant;
use crate::id::{StaffId, TemplateId, TemplateVersionId};

/// A version of a template; a published one never changes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message_template_versions")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TemplateVersionId,
    /// Of which.
    pub template_id: TemplateId,
    /// From 1; unique with the template.
    pub version: i32,
    /// What it says, whole.
    pub body: Json,
    /// Who wrote it.
    pub staff_id: Option<StaffId>,
    /// When.
    pub created_at: Instant,
    /// When it was published; a draft, if none.
    pub published_at: Option<Instant>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
