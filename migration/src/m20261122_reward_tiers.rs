//! For members of which tiers a reward is.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};
use sea_orm_migration::schema::json_binary;
use sea_orm_migration::sea_query::Table;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The codes of the tiers; for everybody, if empty.
        let tiers = json_binary("tiers").default("[]").take();
        manager.alter_table(Table::alter().table("rewards").add_column(tiers).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("rewards").drop_column("tiers").take()).await
    }
}
