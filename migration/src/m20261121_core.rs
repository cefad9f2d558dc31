//! Settings, keys of the server, idempotency, jobs and the outbox.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, big_pk_auto, binary, boolean, json_binary, json_binary_null, pk_uuid,
    string, string_null, text_null, uuid, uuid_null,
};

use crate::columns::{drop_tables, index, instant, instant_null, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let settings = table("shop_settings")
            .col(big_integer("version").primary_key())
            .col(json_binary("body"))
            .col(uuid_null("staff_id"))
            .col(instant("created_at"))
            .take();
        manager.create_table(settings).await?;
        let keys = table("server_keys")
            .col(pk_uuid("id"))
            .col(string("purpose"))
            .col(binary("material"))
            .col(instant("created_at"))
            .col(instant_null("retired_at"))
            .take();
        manager.create_table(keys).await?;
        manager.create_table(idempotency_keys()).await?;
        index(manager, "idempotency_keys", &["created_at"], false).await?;
        manager.create_table(jobs()).await?;
        index(manager, "jobs", &["state", "due_ms"], false).await?;
        manager.create_table(outbox()).await?;
        index(manager, "outbox", &["position"], true).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["outbox", "jobs", "idempotency_keys", "server_keys", "shop_settings"]).await
    }
}

fn idempotency_keys() -> sea_orm_migration::sea_query::TableCreateStatement {
    table("idempotency_keys")
        .col(string("scope"))
        .col(string("key"))
        .col(string("operation"))
        .col(binary("fingerprint"))
        .col(json_binary_null("result"))
        .col(instant("created_at"))
        .primary_key(Index::create().col("scope").col("key"))
        .take()
}

fn jobs() -> sea_orm_migration::sea_query::TableCreateStatement {
    table("jobs")
        .col(pk_uuid("id"))
        .col(string("kind"))
        .col(json_binary("payload"))
        .col(string_null("dedup_key").unique_key())
        .col(string("state"))
        // Milliseconds since 1970: when it is due, by the clock of the shop.
        .col(big_integer("due_ms"))
        .col(big_integer("attempts"))
        .col(big_integer("max_attempts"))
        // The fencing token rises with every lease; the lease ends by the clock of the database.
        .col(big_integer("lease_token"))
        .col(big_integer_null("leased_until_ms"))
        .col(text_null("last_error"))
        .col(instant("created_at"))
        .col(instant_null("ended_at"))
        .check(Expr::col("attempts").gte(0))
        .take()
}

fn outbox() -> sea_orm_migration::sea_query::TableCreateStatement {
    table("outbox")
        // Given at insert, under the lock of what the event is about: orders its events for every instance.
        .col(big_pk_auto("seq"))
        .col(uuid("id"))
        .col(string("topic"))
        .col(uuid("aggregate_id"))
        .col(json_binary("payload"))
        .col(boolean("imported"))
        .col(instant("occurred_at"))
        // Given by the relay after commit, without gaps: what consumers page by.
        .col(big_integer_null("position"))
        .take()
}
