//! Of what Stripe tells, only what it is about is kept: the whole names people and what they paid.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};
use sea_orm_migration::schema::{string_null, text, uuid_null};
use sea_orm_migration::sea_query::Table;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One at a time, as SQLite has it. What was told and not looked into yet is looked up by the reconcile job, unless
        // its membership has ended.
        manager.alter_table(Table::alter().table("billing_events").drop_column("body").take()).await?;
        for added in [string_null("customer"), string_null("payment"), uuid_null("names")] {
            manager.alter_table(Table::alter().table("billing_events").add_column(added).take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for added in ["customer", "payment", "names"] {
            manager.alter_table(Table::alter().table("billing_events").drop_column(added).take()).await?;
        }
        let body = text("body").default("").take();
        manager.alter_table(Table::alter().table("billing_events").add_column(body).take()).await
    }
}
