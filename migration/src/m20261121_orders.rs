//! Orders, their lines and returns.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{
    big_integer, binary, boolean, integer, integer_null, json_binary, pk_uuid, string, string_null, uuid,
    uuid_null,
};
use sea_orm_migration::sea_query::TableCreateStatement;

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(orders()).await?;
        index(manager, "orders", &["customer_id", "placed_at", "id"], false).await?;
        index(manager, "orders", &["guest_id", "placed_at", "id"], false).await?;
        index(manager, "orders", &["placed_at", "id"], false).await?;
        manager.create_table(lines()).await?;
        index(manager, "order_lines", &["order_id", "position"], true).await?;
        let returns = table("order_returns")
            .col(pk_uuid("id"))
            .col(uuid("order_id"))
            .col(uuid("line_id"))
            .col(integer("quantity"))
            .col(string_null("reason"))
            .col(instant("returned_at"))
            .col(instant("recorded_at"))
            .check(Expr::col("quantity").gt(0))
            .foreign_key(&mut refers("order_id", "order_returns", "orders"))
            .foreign_key(&mut refers("line_id", "order_returns", "order_lines"))
            .take();
        manager.create_table(returns).await?;
        index(manager, "order_returns", &["order_id"], false).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["order_returns", "order_lines", "orders"]).await
    }
}

fn orders() -> TableCreateStatement {
    table("orders")
        .col(pk_uuid("id"))
        .col(string("external_id").unique_key())
        // What the shop stated, hashed: the same body again changes nothing, another one is refused.
        .col(binary("fingerprint"))
        .col(uuid_null("customer_id"))
        .col(uuid_null("guest_id"))
        .col(string_null("email"))
        .col(string("channel"))
        .col(string("currency"))
        .col(string("state"))
        // Minor units of the currency, as is every amount of money.
        .col(big_integer("lines_total"))
        .col(big_integer("shipping"))
        .col(string_null("coupon"))
        .col(uuid_null("hold_id").unique_key())
        .col(big_integer("hold_value"))
        .col(boolean("imported"))
        .col(instant("placed_at"))
        .col(instant_null("paid_at"))
        .col(instant_null("shipped_at"))
        .col(instant_null("delivered_at"))
        .col(instant_null("cancelled_at"))
        .col(instant("recorded_at"))
        .check(Expr::col("lines_total").gte(0))
        .check(Expr::col("shipping").gte(0))
        .check(Expr::col("hold_value").gte(0))
        .check(Expr::col("customer_id").is_null().ne(Expr::col("guest_id").is_null()))
        .foreign_key(&mut refers("customer_id", "orders", "customers"))
        .foreign_key(&mut refers("guest_id", "orders", "guest_identities"))
        .take()
}

fn lines() -> TableCreateStatement {
    table("order_lines")
        .col(pk_uuid("id"))
        .col(uuid("order_id"))
        .col(integer("position"))
        .col(string("sku"))
        .col(string("name"))
        .col(json_binary("categories"))
        .col(integer("quantity"))
        .col(integer("returned"))
        .col(big_integer("line_total"))
        // Ten-thousandths: 0.21 is 2100.
        .col(integer_null("tax_rate"))
        // The share of the order's redemption that this line carries, frozen when the order was recorded.
        .col(big_integer("redeemed_value"))
        .col(integer("redeemed_points"))
        .check(Expr::col("quantity").gt(0))
        .check(Expr::col("line_total").gte(0))
        .check(Expr::col("returned").gte(0))
        .check(Expr::col("returned").lte(Expr::col("quantity")))
        .check(Expr::col("redeemed_value").gte(0))
        .check(Expr::col("redeemed_value").lte(Expr::col("line_total")))
        .check(Expr::col("redeemed_points").gte(0))
        .foreign_key(&mut refers("order_id", "order_lines", "orders"))
        .take()
}
