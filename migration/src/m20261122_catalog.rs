//! What products came to have: when they can be seen, stock, companions, what they are found by, and who waits for them.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{boolean, integer, integer_null, json_binary, pk_uuid, string, uuid};
use sea_orm_migration::sea_query::{ConditionalStatement, IntoColumnDef, Table};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Columns that products got.
fn added() -> Vec<ColumnDef> {
    vec![
        // Everybody sees it from then on; always, if null.
        instant_null("public_from"),
        // Customers with early access see it from then on.
        instant_null("early_access_from"),
        integer_null("replenish_after_days").check(Expr::col("replenish_after_days").between(1, 3650)).take(),
        integer_null("care_window_days").check(Expr::col("care_window_days").between(90, 180)).take(),
        // Not kept, if null.
        integer_null("stock").check(Expr::col("stock").gte(0)).take(),
        // Skus, of products that there may be.
        json_binary("companions").default("[]").take(),
        boolean("archived").default(false).take(),
        // How often whoever waited for it was told: rises with each time it is back.
        integer("restocks").default(0).take(),
        // The instant in the future at which everybody is to see it, until that has come and was acted on.
        instant_null("releases_at"),
    ]
}

/// An index over the products that cannot be bought for want of stock.
const SOLD_OUT: &str = "ix_products_sold_out";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in added() {
            // SQLite takes one at a time.
            manager.alter_table(Table::alter().table("products").add_column(column).take()).await?;
        }
        index(manager, "products", &["releases_at"], false).await?;
        let mut sold_out = Index::create().name(SOLD_OUT).table("products").col("sku").take();
        manager.create_index(sold_out.and_where(Expr::cust("stock = 0")).to_owned()).await?;
        make_terms(manager).await?;
        let waiting = table("waitlist_entries")
            .col(pk_uuid("id"))
            .col(uuid("product_id"))
            .col(uuid("customer_id"))
            // What `restocks` of the product was: while it still is, the customer waits.
            .col(integer("round"))
            .col(instant("joined_at"))
            .foreign_key(&mut refers("product_id", "waitlist_entries", "products"))
            .foreign_key(&mut refers("customer_id", "waitlist_entries", "customers"))
            .take();
        manager.create_table(waiting).await?;
        index(manager, "waitlist_entries", &["customer_id", "product_id"], true).await?;
        index(manager, "waitlist_entries", &["product_id", "round", "joined_at", "id"], false).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["waitlist_entries", "product_terms"]).await?;
        for name in [SOLD_OUT, "ix_products_releases_at"] {
            manager.drop_index(Index::drop().name(name).table("products").to_owned()).await?;
        }
        for column in added() {
            let name = column.into_column_def().get_column_name().clone();
            manager.alter_table(Table::alter().table("products").drop_column(name).take()).await?;
        }
        Ok(())
    }
}

/// What products are found by: words of the name and sku in lower case, and categories as they are written.
async fn make_terms(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut term = string("term");
    if manager.get_database_backend() == sea_orm_migration::sea_orm::DbBackend::Postgres {
        // By code point, as SQLite sorts: the beginning of a word is a range.
        term.extra("COLLATE \"C\"");
    }
    let terms = table("product_terms")
        .col(string("kind"))
        .col(term)
        .col(uuid("product_id"))
        .primary_key(Index::create().col("kind").col("term").col("product_id"))
        .foreign_key(&mut refers("product_id", "product_terms", "products"))
        .take();
    manager.create_table(terms).await?;
    index(manager, "product_terms", &["product_id"], false).await
}
