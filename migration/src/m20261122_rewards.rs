//! Coupons and what is used of them, rewards for points and who claimed them.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Expr, ExprTrait, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{
    big_integer, boolean, integer, integer_null, json_binary, pk_uuid, string, string_null, uuid, uuid_null,
};
use sea_orm_migration::sea_query::{IntoColumnDef, Table};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        make_coupons(manager).await?;
        make_rewards(manager).await?;
        let refusal: ColumnDef = string_null("coupon_refusal").into_column_def();
        manager.alter_table(Table::alter().table("orders").add_column(refusal).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("orders").drop_column("coupon_refusal").take()).await?;
        drop_tables(manager, &["reward_claims", "rewards", "coupon_uses", "coupons"]).await
    }
}

async fn make_coupons(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let coupons = table("coupons")
        .col(pk_uuid("id"))
        .col(string("code").unique_key())
        .col(string("name"))
        .col(json_binary("terms"))
        // Whose, if it is personal.
        .col(uuid_null("customer_id"))
        .col(instant_null("starts_at"))
        .col(instant_null("ends_at"))
        .col(integer_null("total_limit"))
        .col(integer_null("customer_limit"))
        // Reserved and redeemed.
        .col(integer("used"))
        .col(instant_null("disabled_at"))
        .col(instant("created_at"))
        .foreign_key(&mut refers("customer_id", "coupons", "customers"))
        .check(Expr::col("used").gte(0))
        .check(Expr::col("total_limit").is_null().or(Expr::col("used").lte(Expr::col("total_limit"))))
        .take();
    manager.create_table(coupons).await?;
    index(manager, "coupons", &["customer_id"], false).await?;
    let uses = table("coupon_uses")
        .col(pk_uuid("id"))
        .col(uuid("coupon_id"))
        // A customer's or a guest's.
        .col(uuid("owner_id"))
        .col(uuid_null("order_id"))
        .col(string("state"))
        .col(big_integer("discount"))
        .col(string("currency"))
        .col(instant("reserved_until"))
        .col(instant("created_at"))
        .col(instant_null("ended_at"))
        .foreign_key(&mut refers("coupon_id", "coupon_uses", "coupons"))
        .foreign_key(&mut refers("order_id", "coupon_uses", "orders"))
        .check(Expr::col("discount").gte(0))
        .take();
    manager.create_table(uses).await?;
    index(manager, "coupon_uses", &["coupon_id", "owner_id"], false).await?;
    index(manager, "coupon_uses", &["owner_id"], false).await?;
    // One coupon an order.
    index(manager, "coupon_uses", &["order_id"], true).await?;
    index(manager, "coupon_uses", &["state", "reserved_until"], false).await
}

async fn make_rewards(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let rewards = table("rewards")
        .col(pk_uuid("id"))
        .col(string("code").unique_key())
        .col(string("name"))
        .col(string("description"))
        .col(json_binary("gives"))
        .col(integer("cost"))
        // None is not kept.
        .col(integer_null("stock"))
        .col(integer_null("customer_limit"))
        .col(instant_null("starts_at"))
        .col(instant_null("ends_at"))
        .col(boolean("archived"))
        .col(instant("created_at"))
        .col(instant("updated_at"))
        .check(Expr::col("cost").gte(1))
        .check(Expr::col("stock").is_null().or(Expr::col("stock").gte(0)))
        .take();
    manager.create_table(rewards).await?;
    let claims = table("reward_claims")
        .col(pk_uuid("id"))
        .col(uuid("reward_id"))
        .col(uuid("customer_id"))
        .col(string("state"))
        .col(integer("cost"))
        .col(uuid("hold_id"))
        .col(uuid_null("coupon_id"))
        .col(instant("claimed_at"))
        .col(instant_null("ended_at"))
        .foreign_key(&mut refers("reward_id", "reward_claims", "rewards"))
        .foreign_key(&mut refers("customer_id", "reward_claims", "customers"))
        .foreign_key(&mut refers("coupon_id", "reward_claims", "coupons"))
        .take();
    manager.create_table(claims).await?;
    index(manager, "reward_claims", &["reward_id", "customer_id"], false).await?;
    index(manager, "reward_claims", &["customer_id"], false).await
}
