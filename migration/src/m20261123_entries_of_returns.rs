//! A return takes from a lot once: only entries about returns are in the index that sees to it.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};

use crate::columns::{drop_index, index, only};

const COLUMNS: &[&str] = &["return_id", "lot_id", "from_bucket"];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_index(manager, "points_entries", "ix_points_entries_return_id_lot_id_from_bucket").await?;
        let mut once =
            Index::create().name("ix_points_entries_of_returns").table("points_entries").unique().take();
        for column in COLUMNS {
            once.col(*column);
        }
        only(manager, once, Expr::col("return_id").is_not_null()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_index(manager, "points_entries", "ix_points_entries_of_returns").await?;
        index(manager, "points_entries", COLUMNS, true).await
    }
}
