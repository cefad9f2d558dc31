//! The schema of Regulars on SQLite and PostgreSQL: one concern a file, up and down, schema builder only.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::{DbErr, SchemaManager};
use sea_orm_migration::{MigrationName, MigrationTrait, async_trait};

mod columns;
mod m20261121_access;
mod m20261121_accounts;
mod m20261121_audit;
mod m20261121_core;
mod m20261121_credentials;
mod m20261121_customers;
mod m20261121_lost_leases;
mod m20261121_orders;
mod m20261121_points;
mod m20261121_profile;
mod m20261121_rate_limits;
mod m20261121_staff;
mod m20261122_carts;
mod m20261122_catalog;
mod m20261122_delivery;
mod m20261122_early_access;
mod m20261122_earning;
mod m20261122_event_words;
mod m20261122_expiry;
mod m20261122_expiry_warnings;
mod m20261122_feedback;
mod m20261122_histories;
mod m20261122_memberships;
mod m20261122_merged;
mod m20261122_messages;
mod m20261122_opening_balances;
mod m20261122_packing;
mod m20261122_redemption_tax;
mod m20261122_referrals;
mod m20261122_reward_codes;
mod m20261122_reward_plans;
mod m20261122_reward_tiers;
mod m20261122_rewards;
mod m20261122_tiers;
mod m20261123_days_in_key;
mod m20261123_deliveries;
mod m20261123_entries_of_returns;
mod m20261123_job_lanes;
mod m20261123_lots_of_lines;
mod m20261123_waiting_events;

/// All migrations, oldest first. Take the lock in `regulars::db::migrate` before running them.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let all: Vec<Box<dyn MigrationTrait>> = vec![
            Box::new(m20261121_core::Migration),
            Box::new(m20261121_customers::Migration),
            Box::new(m20261121_access::Migration),
            Box::new(m20261121_orders::Migration),
            Box::new(m20261121_points::Migration),
            Box::new(m20261121_accounts::Migration),
            Box::new(m20261121_audit::Migration),
            Box::new(m20261121_rate_limits::Migration),
            Box::new(m20261121_credentials::Migration),
            Box::new(m20261121_lost_leases::Migration),
            Box::new(m20261121_staff::Migration),
            Box::new(m20261121_profile::Migration),
            Box::new(m20261122_earning::Migration),
            Box::new(m20261122_merged::Migration),
            Box::new(m20261122_rewards::Migration),
            Box::new(m20261122_catalog::Migration),
            Box::new(m20261122_carts::Migration),
            Box::new(m20261122_expiry::Migration),
            Box::new(m20261122_expiry_warnings::Migration),
            Box::new(m20261122_redemption_tax::Migration),
            Box::new(m20261122_histories::Migration),
            Box::new(m20261122_referrals::Migration),
            Box::new(m20261122_tiers::Migration),
            Box::new(m20261122_opening_balances::Migration),
            Box::new(m20261122_reward_tiers::Migration),
            Box::new(m20261122_early_access::Migration),
            Box::new(m20261122_reward_codes::Migration),
            Box::new(m20261122_packing::Migration),
            Box::new(m20261122_memberships::Migration),
            Box::new(m20261122_delivery::Migration),
            Box::new(m20261122_event_words::Migration),
            Box::new(m20261122_reward_plans::Migration),
            Box::new(m20261122_messages::Migration),
            Box::new(m20261122_feedback::Migration),
            Box::new(m20261123_job_lanes::Migration),
            Box::new(m20261123_deliveries::Migration),
            Box::new(m20261123_lots_of_lines::Migration),
            Box::new(m20261123_entries_of_returns::Migration),
            Box::new(m20261123_waiting_events::Migration),
            Box::new(m20261123_days_in_key::Migration),
        ];
        all.into_iter().map(Whole::of).collect()
    }
}

/// A migration that is done as a whole or not at all, also on `SQLite`, where the library would leave half of it behind.
struct Whole(Box<dyn MigrationTrait>);

impl Whole {
    fn of(migration: Box<dyn MigrationTrait>) -> Box<dyn MigrationTrait> {
        Box::new(Self(migration))
    }
}

impl MigrationName for Whole {
    fn name(&self) -> &str {
        self.0.name()
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Whole {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.down(manager).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
