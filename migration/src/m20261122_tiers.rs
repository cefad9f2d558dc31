//! What counts for tiers, day by day, the tier that each customer has, and how it came to change.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{big_integer, integer, pk_uuid, string, string_null, uuid};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let days = table("tier_days")
            // A customer's or a guest's.
            .col(uuid("account_id"))
            // `POINTS`, or the currency of what was spent.
            .col(string("unit"))
            // In the shop's time zone: `2026-11-30`.
            .col(string("day"))
            // Points, or minor units, less what came back of it.
            .col(big_integer("amount"))
            .primary_key(Index::create().col("account_id").col("unit").col("day"))
            .foreign_key(&mut refers("account_id", "tier_days", "points_accounts"))
            .take();
        manager.create_table(days).await?;
        make_tiers(manager).await?;
        let changes = table("tier_changes")
            .col(pk_uuid("id"))
            .col(uuid("customer_id"))
            .col(integer("number"))
            .col(string_null("from_tier"))
            .col(string_null("to_tier"))
            .col(string("cause"))
            .col(string_null("reason"))
            .col(instant("at"))
            // The account has its customer's id, and is locked by whoever writes here.
            .foreign_key(&mut refers("customer_id", "tier_changes", "points_accounts"))
            .take();
        manager.create_table(changes).await?;
        index(manager, "tier_changes", &["customer_id", "number"], true).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["tier_changes", "customer_tiers", "tier_days"]).await
    }
}

async fn make_tiers(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let tiers = table("customer_tiers")
        .col(pk_uuid("customer_id"))
        .col(string_null("tier"))
        .col(instant("since"))
        // None if nothing ends it.
        .col(instant_null("until"))
        // By staff.
        .col(string_null("kept"))
        .col(instant_null("kept_until"))
        // The step on the way down.
        .col(string_null("step"))
        .col(instant_null("step_until"))
        // The end of which the member was told.
        .col(instant_null("noticed"))
        // How often it changed.
        .col(integer("changes"))
        // When time does something to it.
        .col(instant_null("due_at"))
        .foreign_key(&mut refers("customer_id", "customer_tiers", "points_accounts"))
        .take();
    manager.create_table(tiers).await?;
    index(manager, "customer_tiers", &["due_at"], false).await?;
    index(manager, "customer_tiers", &["tier"], false).await
}
