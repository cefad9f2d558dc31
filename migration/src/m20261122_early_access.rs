//! What claims give early access to, and which products of an order its buyer could not order yet.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::json_binary_null;
use sea_orm_migration::sea_query::{IntoColumnDef, Table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What tables get, both lists of skus: each with its table.
fn columns() -> [(&'static str, ColumnDef); 2] {
    [
        // None if the claim gives no early access; else as the reward said when it was claimed.
        ("reward_claims", json_binary_null("early_access")),
        // None if there were none.
        ("orders", json_binary_null("not_yet_orderable")),
    ]
    .map(|(table, column)| (table, column.into_column_def()))
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}
