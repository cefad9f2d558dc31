//! Since when an import tells of an account's past: what ends without activity waits for its end.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_query::Table;

use crate::columns::{index, instant_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = instant_null("history_since");
        manager.alter_table(Table::alter().table("points_accounts").add_column(column).take()).await?;
        index(manager, "points_accounts", &["history_since"], false).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut waiting = Index::drop();
        waiting.name("ix_points_accounts_history_since").table("points_accounts");
        manager.drop_index(waiting).await?;
        let table = Table::alter().table("points_accounts").drop_column("history_since").take();
        manager.alter_table(table).await
    }
}
