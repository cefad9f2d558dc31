//! What counted on a day is in the index by which `PostgreSQL` finds the day: the sum of an account's days, asked for at every
//! earn, is then read from one place and not from as many pages as there are days. `SQLite` has no such indexes.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        primary_key(manager, "INCLUDE (amount)").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        primary_key(manager, "").await
    }
}

async fn primary_key(manager: &SchemaManager<'_>, including: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let key = format!(
        "ALTER TABLE tier_days DROP CONSTRAINT tier_days_pkey, \
         ADD CONSTRAINT tier_days_pkey PRIMARY KEY (account_id, unit, day) {including}"
    );
    manager.get_connection().execute_unprepared(&key).await.map(drop)
}
