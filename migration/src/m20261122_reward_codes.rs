//! Codes of others that claims of rewards hand out.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{pk_uuid, string, uuid, uuid_null};
use sea_orm_migration::sea_query::{ConditionalStatement, Table};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let codes = table("reward_codes")
            .col(pk_uuid("id"))
            .col(uuid("reward_id"))
            .col(string("code"))
            .col(instant("added_at"))
            .col(instant_null("taken_at"))
            .foreign_key(&mut refers("reward_id", "reward_codes", "rewards"))
            .take();
        manager.create_table(codes).await?;
        index(manager, "reward_codes", &["reward_id", "code"], true).await?;
        let mut free = Index::create();
        free.name("ix_reward_codes_free").table("reward_codes").col("reward_id").col("id");
        manager.create_index(free.and_where(Expr::col("taken_at").is_null()).to_owned()).await?;
        // The code that a claim handed out.
        let code = uuid_null("code_id").take();
        manager.alter_table(Table::alter().table("reward_claims").add_column(code).take()).await?;
        // A code is handed out once.
        index(manager, "reward_claims", &["code_id"], true).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name("ix_reward_claims_code_id").table("reward_claims").to_owned();
        manager.drop_index(index).await?;
        manager.alter_table(Table::alter().table("reward_claims").drop_column("code_id").take()).await?;
        drop_tables(manager, &["reward_codes"]).await
    }
}
