//! When a customer turned out to be another: what was disabled before stays shut, and what the merge itself ended is free.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, MigrationTrait, Query, SchemaManager, async_trait,
};
use sea_orm_migration::sea_query::Table;

use crate::columns::instant_null;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = instant_null("merged_at");
        manager.alter_table(Table::alter().table("customers").add_column(column).take()).await?;
        // A merge was the last that was written of whoever went.
        let known = Query::update()
            .table("customers")
            .value("merged_at", Expr::col("updated_at"))
            .and_where(Expr::col("merged_into").is_not_null())
            .take();
        manager.execute(known).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("customers").drop_column("merged_at").take()).await
    }
}
