//! Proof of a mailbox, sessions, staff and API keys.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{
    binary, binary_null, integer, json_binary, pk_uuid, string, string_null, uuid,
};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let challenges = table("mailbox_challenges")
            .col(pk_uuid("id"))
            .col(string("purpose"))
            .col(string("email"))
            .col(string("email_key"))
            .col(string_null("name"))
            .col(string_null("locale"))
            .col(string_null("password_hash"))
            .col(integer("tries"))
            .col(instant("created_at"))
            .col(instant("expires_at"))
            .col(instant_null("ended_at"))
            .check(Expr::col("tries").between(0, 5))
            .take();
        manager.create_table(challenges).await?;
        index(manager, "mailbox_challenges", &["email_key", "created_at"], false).await?;
        index(manager, "mailbox_challenges", &["expires_at"], false).await?;
        let staff = table("staff")
            .col(pk_uuid("id"))
            .col(string("email"))
            .col(string("email_key").unique_key())
            .col(string("name"))
            .col(string("role"))
            .col(string("password_hash"))
            .col(instant_null("disabled_at"))
            .col(instant("created_at"))
            .take();
        manager.create_table(staff).await?;
        let sessions = table("sessions")
            .col(pk_uuid("id"))
            .col(string("audience"))
            .col(uuid("subject_id"))
            .col(instant("created_at"))
            .col(instant("expires_at"))
            .col(instant_null("revoked_at"))
            .take();
        manager.create_table(sessions).await?;
        index(manager, "sessions", &["subject_id"], false).await?;
        index(manager, "sessions", &["expires_at"], false).await?;
        let refresh = table("refresh_tokens")
            .col(binary("hash").primary_key())
            .col(uuid("session_id"))
            .col(binary_null("parent_hash"))
            .col(instant("created_at"))
            .col(instant("expires_at"))
            .col(instant_null("used_at"))
            .foreign_key(&mut refers("session_id", "refresh_tokens", "sessions"))
            .take();
        manager.create_table(refresh).await?;
        index(manager, "refresh_tokens", &["session_id"], false).await?;
        index(manager, "refresh_tokens", &["expires_at"], false).await?;
        let api_keys = table("api_keys")
            .col(pk_uuid("id"))
            // Stays the same when the key is rotated: idempotency keys belong to it.
            .col(uuid("owner_id"))
            .col(string("name"))
            .col(string("prefix").unique_key())
            .col(binary("secret_hash"))
            .col(json_binary("scopes"))
            .col(instant("created_at"))
            .col(instant_null("expires_at"))
            .col(instant_null("revoked_at"))
            .col(instant_null("last_used_at"))
            .take();
        manager.create_table(api_keys).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["api_keys", "refresh_tokens", "sessions", "staff", "mailbox_challenges"]).await
    }
}
