//! Lots that no line of an order earned are not in the index by line: they cost nothing there when they are written.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};

use crate::columns::{drop_index, index, only};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_index(manager, "points_lots", "ix_points_lots_order_line_id").await?;
        let by_line =
            Index::create().name("ix_points_lots_of_lines").table("points_lots").col("order_line_id").take();
        only(manager, by_line, Expr::col("order_line_id").is_not_null()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_index(manager, "points_lots", "ix_points_lots_of_lines").await?;
        index(manager, "points_lots", &["order_line_id"], false).await
    }
}
