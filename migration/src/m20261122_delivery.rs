//! Shipping methods with what they cost, delivery slots with who has them, and what shipping cost for each order.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, integer, integer_null, json_binary, pk_uuid, string, string_null,
    uuid, uuid_null,
};
use sea_orm_migration::sea_query::{IntoColumnDef, Table};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        make_methods(manager).await?;
        make_slots(manager).await?;
        make_holds(manager).await?;
        // A row belongs to its order; nothing is looked up by anything else.
        let shipping = table("order_shipping")
            .col(uuid("order_id").primary_key())
            .col(string_null("method"))
            .col(big_integer("standard"))
            .col(big_integer("charged"))
            // By the code of the plan.
            .col(json_binary("prices"))
            .col(string_null("plan"))
            .foreign_key(&mut refers("order_id", "order_shipping", "orders"))
            .check(Expr::col("standard").gte(0))
            .check(Expr::col("charged").gte(0))
            .take();
        manager.create_table(shipping).await?;
        add(manager, "orders", string_null("delivery_slot_refusal").into_column_def()).await?;
        add(manager, "products", integer_null("weight_grams").into_column_def()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in [("products", "weight_grams"), ("orders", "delivery_slot_refusal")] {
            manager.alter_table(Table::alter().table(table).drop_column(column).take()).await?;
        }
        let tables = [
            "order_shipping",
            "slot_holds",
            "delivery_slot_areas",
            "delivery_slots",
            "shipping_rates",
            "shipping_methods",
        ];
        drop_tables(manager, &tables).await
    }
}

async fn add(manager: &SchemaManager<'_>, table: &'static str, column: ColumnDef) -> Result<(), DbErr> {
    manager.alter_table(Table::alter().table(table).add_column(column).take()).await
}

async fn make_methods(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let methods = table("shipping_methods")
        .col(pk_uuid("id"))
        .col(string("code").unique_key())
        // By language.
        .col(json_binary("names"))
        .col(string("basis"))
        .col(boolean("active"))
        .col(integer("position"))
        .col(instant("created_at"))
        .col(instant("updated_at"))
        .take();
    manager.create_table(methods).await?;
    let rates = table("shipping_rates")
        .col(pk_uuid("id"))
        .col(uuid("method_id"))
        .col(integer("position"))
        .col(string("countries"))
        .col(string("currency"))
        // Grams or minor units, as the method goes by.
        .col(big_integer("from_amount"))
        .col(big_integer("price"))
        .col(big_integer_null("free_from"))
        .foreign_key(&mut refers("method_id", "shipping_rates", "shipping_methods"))
        .check(Expr::col("from_amount").gte(0))
        .check(Expr::col("price").gte(0))
        .check(Expr::col("free_from").is_null().or(Expr::col("free_from").gte(0)))
        .take();
    manager.create_table(rates).await?;
    index(manager, "shipping_rates", &["method_id", "currency"], false).await
}

async fn make_slots(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let slots = table("delivery_slots")
        .col(pk_uuid("id"))
        .col(string("external_id").unique_key())
        .col(uuid("method_id"))
        .col(json_binary("areas"))
        .col(instant("starts_at"))
        .col(instant("ends_at"))
        .col(instant("cut_off_at"))
        .col(integer("capacity"))
        .col(integer("taken"))
        .col(boolean("members_only"))
        .col(instant_null("closed_at"))
        .col(instant("created_at"))
        .col(instant("updated_at"))
        .foreign_key(&mut refers("method_id", "delivery_slots", "shipping_methods"))
        .check(Expr::col("capacity").gte(0))
        // Not more than the capacity either, but for a capacity that was lowered.
        .check(Expr::col("taken").gte(0))
        .take();
    manager.create_table(slots).await?;
    index(manager, "delivery_slots", &["starts_at", "id"], false).await?;
    // An address finds the slots that are not over by it, however many there were.
    let areas = table("delivery_slot_areas")
        .col(uuid("slot_id"))
        .col(string("country"))
        .col(string("prefix"))
        .col(instant("cut_off_at"))
        .primary_key(Index::create().col("slot_id").col("country").col("prefix"))
        .foreign_key(&mut refers("slot_id", "delivery_slot_areas", "delivery_slots"))
        .take();
    manager.create_table(areas).await?;
    index(manager, "delivery_slot_areas", &["country", "prefix", "cut_off_at"], false).await
}

async fn make_holds(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let holds = table("slot_holds")
        .col(pk_uuid("id"))
        .col(uuid("slot_id"))
        .col(uuid_null("customer_id"))
        .col(string_null("holder"))
        .col(uuid_null("order_id"))
        .col(string("state"))
        .col(instant("expires_at"))
        .col(instant("created_at"))
        .col(instant_null("ended_at"))
        .foreign_key(&mut refers("slot_id", "slot_holds", "delivery_slots"))
        .foreign_key(&mut refers("customer_id", "slot_holds", "customers"))
        .foreign_key(&mut refers("order_id", "slot_holds", "orders"))
        .check(Expr::col("customer_id").is_null().ne(Expr::col("holder").is_null()))
        .take();
    manager.create_table(holds).await?;
    // One slot an order.
    index(manager, "slot_holds", &["order_id"], true).await?;
    index(manager, "slot_holds", &["customer_id", "state"], false).await?;
    index(manager, "slot_holds", &["holder", "state"], false).await?;
    index(manager, "slot_holds", &["slot_id", "state", "expires_at"], false).await?;
    index(manager, "slot_holds", &["state", "expires_at"], false).await
}
