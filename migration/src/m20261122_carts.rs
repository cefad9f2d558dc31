//! Carts that the shop tells of, for reminders.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{big_integer, json_binary, pk_uuid, string, string_null, uuid_null};
use sea_orm_migration::sea_query::ConditionalStatement;

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let carts = table("carts")
            .col(pk_uuid("id"))
            .col(string("external_id").unique_key())
            // Whose it is in one text, by which orders find it: `customer:…` or `email:…`.
            .col(string("identity"))
            .col(uuid_null("customer_id"))
            .col(string_null("email"))
            .col(string("currency"))
            .col(json_binary("lines"))
            // Minor units of the currency.
            .col(big_integer("total"))
            .col(instant("touched_at"))
            // When the order was placed that closed it.
            .col(instant_null("closed_at"))
            .col(instant("created_at"))
            .col(instant("updated_at"))
            .check(Expr::cust("(customer_id IS NULL) <> (email IS NULL)"))
            .check(Expr::col("closed_at").is_null().or(Expr::col("closed_at").gte(Expr::col("touched_at"))))
            .foreign_key(&mut refers("customer_id", "carts", "customers"))
            .take();
        manager.create_table(carts).await?;
        index(manager, "carts", &["identity"], false).await?;
        index(manager, "carts", &["customer_id"], false).await?;
        index(manager, "carts", &["touched_at", "id"], false).await?;
        index(manager, "carts", &["closed_at"], false).await?;
        let mut open =
            Index::create().name("ix_carts_open").table("carts").col("touched_at").col("id").take();
        manager.create_index(open.and_where(Expr::col("closed_at").is_null()).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["carts"]).await
    }
}
