//! Where a message went, what its reader reads, and in which mailbox a consent was confirmed; an address can be on the list for several reasons; and the indexes that lists and counts go by.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{binary_null, string_null};
use sea_orm_migration::sea_query::Table;

use crate::columns::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

type Columns = &'static [&'static str];

/// Tables, columns and whether they are unique.
const NEW: [(&str, Columns, bool); 4] = [
    ("suppressions", &["channel", "address_hash", "reason"], true),
    ("inbox_messages", &["customer_id", "id"], false),
    ("journey_runs", &["journey_id", "entered_at"], false),
    ("waitlist_entries", &["product_id", "round", "id"], false),
];
const OLD: [(&str, Columns, bool); 3] = [
    ("suppressions", &["channel", "address_hash"], true),
    ("suppressions", &["created_at", "id"], false),
    ("inbox_messages", &["customer_id", "sent_at", "id"], false),
];

async fn drop(manager: &SchemaManager<'_>, table: &'static str, columns: Columns) -> Result<(), DbErr> {
    let name = format!("ix_{table}_{}", columns.join("_"));
    manager.drop_index(Index::drop().name(name).table(table).to_owned()).await
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["messages", "consents"] {
            let addressed = Table::alter().table(table).add_column(binary_null("address_hash")).take();
            manager.alter_table(addressed).await?;
        }
        manager.alter_table(Table::alter().table("orders").add_column(string_null("locale")).take()).await?;
        for (table, columns, unique) in NEW {
            index(manager, table, columns, unique).await?;
        }
        for (table, columns, _) in OLD {
            drop(manager, table, columns).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, columns, unique) in OLD {
            index(manager, table, columns, unique).await?;
        }
        for (table, columns, _) in NEW {
            drop(manager, table, columns).await?;
        }
        manager.alter_table(Table::alter().table("orders").drop_column("locale").take()).await?;
        for table in ["messages", "consents"] {
            manager.alter_table(Table::alter().table(table).drop_column("address_hash").take()).await?;
        }
        Ok(())
    }
}
