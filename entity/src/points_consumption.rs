//! Which lot a debit took from.

use crate::id::{EntryId, HoldId, LotId};
use sea_orm::entity::prelude::*;
/// Which lot a debit took from.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "points_consumptions")]
pub struct Model {
    /// The debit.
    #[sea_orm(primary_key, auto_increment = false)]
    pub entry_id: EntryId,
    /// The lot.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lot_id: LotId,
    /// The hold, if the debit was one.
    pub hold_id: Option<HoldId>,
    /// Points taken, above 0.
    pub amount: i32,
    /// Points put back since.
    pub refilled: i32,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
