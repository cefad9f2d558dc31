//! The audit log and the keys of its personal values.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};
use sea_orm_migration::schema::{
    big_integer_null, big_pk_auto, binary, binary_null, string, string_null, uuid, uuid_null,
};

use crate::columns::{drop_tables, index, instant, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let entries = table("audit_entries")
            // Given at insert; what commits late may have a lower one than what is sealed already.
            .col(big_pk_auto("seq"))
            .col(uuid("id"))
            .col(instant("at"))
            .col(string("actor_kind"))
            .col(uuid_null("actor_id"))
            .col(string("act"))
            .col(string_null("subject_kind"))
            .col(uuid_null("subject_id"))
            // On whose behalf: whose key the detail is encrypted with.
            .col(uuid_null("customer_id"))
            .col(string_null("request_id"))
            .col(binary("detail"))
            // Given by the seal, without gaps.
            .col(big_integer_null("position"))
            .col(binary_null("hash"))
            .take();
        manager.create_table(entries).await?;
        index(manager, "audit_entries", &["position"], true).await?;
        index(manager, "audit_entries", &["customer_id", "seq"], false).await?;
        index(manager, "audit_entries", &["actor_id", "seq"], false).await?;
        let keys = table("customer_keys")
            .col(uuid("customer_id").primary_key())
            .col(binary("material"))
            .col(instant("created_at"))
            .take();
        manager.create_table(keys).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["customer_keys", "audit_entries"]).await
    }
}
