//! What the shop packs with orders: the rules, and what each order got.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};
use sea_orm_migration::schema::{boolean, json_binary, json_binary_null, pk_uuid, string};
use sea_orm_migration::sea_query::Table;

use crate::columns::{drop_tables, instant, instant_null, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let rules = table("packing_rules")
            .col(pk_uuid("id"))
            .col(string("code").unique_key())
            // By language.
            .col(json_binary("texts"))
            .col(json_binary("conditions"))
            .col(instant_null("starts_at"))
            .col(instant_null("ends_at"))
            .col(boolean("active"))
            .col(instant("created_at"))
            .col(instant("updated_at"))
            .take();
        manager.create_table(rules).await?;
        let packing = json_binary_null("packing").take();
        manager.alter_table(Table::alter().table("orders").add_column(packing).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("orders").drop_column("packing").take()).await?;
        drop_tables(manager, &["packing_rules"]).await
    }
}
