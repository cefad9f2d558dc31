//! Who was told that points will end: what was told of each lot and account last, and of each day of end.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{integer, string, uuid};
use sea_orm_migration::sea_query::{ConditionalStatement, Table};

use crate::columns::{drop_tables, instant, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// A table with what tells when its rows end, and the columns by which those to be warned of are found.
const ENDING: [(&str, &str, &[&str]); 2] = [
    ("points_lots", "expires_at", &["state", "warned_days", "expires_at"]),
    ("points_accounts", "inactive_at", &["warned_days", "inactive_at"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (of, end, found_by) in ENDING {
            // Days before the end of the last warning; 366, which none is, before the first.
            let warned = integer("warned_days").default(366).take();
            manager.alter_table(Table::alter().table(of).add_column(warned).take()).await?;
            let mut index = Index::create();
            index.name(format!("ix_{of}_warned")).table(of);
            for column in found_by {
                index.col(*column);
            }
            // What never ends costs nothing.
            manager.create_index(index.and_where(Expr::col(end).is_not_null()).take()).await?;
        }
        let warnings = table("points_expiry_warnings")
            .col(uuid("account_id"))
            // The last day on which the points count, in the shop's time zone: `2026-11-30`.
            .col(string("ends_on"))
            .col(integer("days"))
            .col(instant("warned_at"))
            .primary_key(Index::create().col("account_id").col("ends_on").col("days"))
            .foreign_key(&mut refers("account_id", "points_expiry_warnings", "points_accounts"))
            .check(Expr::col("days").between(1, 365))
            .take();
        manager.create_table(warnings).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["points_expiry_warnings"]).await?;
        for (of, _, _) in ENDING {
            let mut index = Index::drop();
            index.name(format!("ix_{of}_warned")).table(of);
            manager.drop_index(index).await?;
            manager.alter_table(Table::alter().table(of).drop_column("warned_days").take()).await?;
        }
        Ok(())
    }
}
