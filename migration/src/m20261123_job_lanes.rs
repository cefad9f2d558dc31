//! Jobs that there are very many of at once have a lane of their own, so that none other waits behind them; and those that
//! are leased are found without looking at what waits.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::boolean;
use sea_orm_migration::sea_query::Table;

use crate::columns::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const OF_LANE: &str = "ix_jobs_bulk_state_due_ms";
const LEASED: &str = "ix_jobs_leased_until_ms";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let jobs = Table::alter().table("jobs").add_column(boolean("bulk").default(false)).take();
        manager.alter_table(jobs).await?;
        index(manager, "jobs", &["bulk", "state", "due_ms"], false).await?;
        index(manager, "jobs", &["leased_until_ms"], false).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [LEASED, OF_LANE] {
            manager.drop_index(Index::drop().name(name).table("jobs").to_owned()).await?;
        }
        manager.alter_table(Table::alter().table("jobs").drop_column("bulk").take()).await
    }
}
