//! Balances that were brought over from another programme, each under the reference that the file gives it.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};
use sea_orm_migration::schema::{binary, integer, pk_uuid, string, uuid};

use crate::columns::{drop_tables, index, instant, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let balances = table("opening_balances")
            .col(pk_uuid("id"))
            .col(string("reference").unique_key())
            .col(binary("fingerprint"))
            .col(uuid("customer_id"))
            .col(integer("points"))
            .col(instant("recorded_at"))
            .foreign_key(&mut refers("customer_id", "opening_balances", "customers"))
            .take();
        manager.create_table(balances).await?;
        index(manager, "opening_balances", &["customer_id"], false).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["opening_balances"]).await
    }
}
