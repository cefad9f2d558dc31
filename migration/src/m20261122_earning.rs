//! The rules by which points are earned, with every version there was, and how often each customer used those that are
//! limited.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{integer, json_binary, pk_uuid, string, uuid};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let rules = table("earning_rules")
            .col(pk_uuid("id"))
            .col(string("code").unique_key())
            .col(instant("created_at"))
            .take();
        manager.create_table(rules).await?;
        let versions = table("earning_rule_versions")
            .col(pk_uuid("id"))
            .col(uuid("rule_id"))
            .col(integer("version"))
            .col(string("name"))
            .col(json_binary("definition"))
            .col(instant("drafted_at"))
            // None while it is a draft.
            .col(instant_null("published_at"))
            .col(instant_null("effective_from"))
            // None while nothing ends it.
            .col(instant_null("effective_until"))
            .foreign_key(&mut refers("rule_id", "earning_rule_versions", "earning_rules"))
            .check(Expr::col("version").gte(1))
            .take();
        manager.create_table(versions).await?;
        index(manager, "earning_rule_versions", &["rule_id", "version"], true).await?;
        // Those in force at an instant.
        index(manager, "earning_rule_versions", &["effective_until", "effective_from"], false).await?;
        let uses = table("earning_uses")
            .col(uuid("account_id"))
            .col(uuid("rule_id"))
            // What the limit is counted over, such as `2026-11`.
            .col(string("period"))
            .col(integer("used"))
            .primary_key(Index::create().col("account_id").col("rule_id").col("period"))
            .foreign_key(&mut refers("account_id", "earning_uses", "points_accounts"))
            .foreign_key(&mut refers("rule_id", "earning_uses", "earning_rules"))
            .check(Expr::col("used").gte(0))
            .take();
        manager.create_table(uses).await?;
        index(manager, "customers", &["birthday"], false).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut birthdays = Index::drop();
        birthdays.name("ix_customers_birthday").table("customers");
        manager.drop_index(birthdays).await?;
        drop_tables(manager, &["earning_uses", "earning_rule_versions", "earning_rules"]).await
    }
}
