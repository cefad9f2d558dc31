//! What instances tell each other of rate limits; on SQLite, where there is one instance, it stays empty.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{big_integer, binary};

use crate::columns::{drop_tables, index, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let limits = table("rate_limits")
            // A keyed hash of the limit and of whom it counts: the table names nobody.
            .col(binary("key").primary_key())
            // The window, by its beginning in milliseconds since 1970, and what was counted in it and in the one before.
            .col(big_integer("began_ms"))
            .col(big_integer("count"))
            .col(big_integer("previous"))
            .check(Expr::col("count").gte(0))
            .check(Expr::col("previous").gte(0))
            .take();
        manager.create_table(limits).await?;
        index(manager, "rate_limits", &["began_ms"], false).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["rate_limits"]).await
    }
}
