//! Points that end without activity: since when an account runs, and which lots end with it.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{integer, integer_null};
use sea_orm_migration::sea_query::Table;

use crate::columns::{index, instant_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        index(manager, "points_accounts", &["inactive_at"], false).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut running_out = Index::drop();
        running_out.name("ix_points_accounts_inactive_at").table("points_accounts");
        manager.drop_index(running_out).await?;
        for (table, column) in columns() {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn columns() -> [(&'static str, ColumnDef); 4] {
    [
        // When it runs out; none while nothing of it ends without activity.
        ("points_accounts", instant_null("inactive_at")),
        // Months that an activity lets it live.
        ("points_accounts", integer_null("inactivity_months")),
        // How often it has run out.
        ("points_accounts", integer("activity_period").default(0).take()),
        // The period of its account with which it ends; none if it ends otherwise.
        ("points_lots", integer_null("activity_period")),
    ]
}
