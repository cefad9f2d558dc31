//! Events that wait for their position have an index of their own, which is nearly empty: whoever looks for them walks over
//! nothing else. One table in a migration: one that held several would lock them in another order than those who write.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};

use crate::columns::{drop_index, index, only};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_index(manager, "outbox", "ix_outbox_position").await?;
        let numbered =
            Index::create().name("ix_outbox_numbered").table("outbox").col("position").unique().take();
        only(manager, numbered, Expr::col("position").is_not_null()).await?;
        let waiting = Index::create().name("ix_outbox_waiting").table("outbox").col("seq").take();
        only(manager, waiting, Expr::col("position").is_null()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_index(manager, "outbox", "ix_outbox_waiting").await?;
        drop_index(manager, "outbox", "ix_outbox_numbered").await?;
        index(manager, "outbox", &["position"], true).await
    }
}
