//! What accounts came to have: profiles and addresses, proofs for more purposes, second factors, invitations, and what an
//! order says of its buyer.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{
    big_integer_null, binary, binary_null, boolean, date_null, integer, json_binary_null, pk_uuid, string,
    string_null, uuid, uuid_null,
};
use sea_orm_migration::sea_query::{IntoColumnDef, Table};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Columns that tables got, by table.
fn added() -> [(&'static str, Vec<ColumnDef>); 5] {
    [
        (
            "customers",
            vec![
                date_null("birthday"),
                string_null("phone"),
                string_null("acquisition_reason"),
                json_binary_null("preferences"),
                // The customer whom this one turned out to be.
                uuid_null("merged_into"),
            ],
        ),
        (
            "mailbox_challenges",
            vec![
                // Whose new address it is, or whose account staff prepared.
                uuid_null("customer_id"),
                // The order that the account is made from.
                uuid_null("order_id"),
            ],
        ),
        (
            "sessions",
            vec![instant_null("authenticated_at"), instant_null("last_seen_at"), string_null("user_agent")],
        ),
        (
            "staff",
            vec![
                binary_null("totp_secret"),
                instant_null("totp_confirmed_at"),
                // The last time step whose code was taken: none is taken twice.
                big_integer_null("totp_step"),
            ],
        ),
        (
            "orders",
            vec![
                string_null("name"),
                json_binary_null("shipping_address"),
                json_binary_null("billing_address"),
                string_null("flag"),
                instant_null("claim_until"),
                instant_null("claimed_at"),
            ],
        ),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, columns) in added() {
            for column in columns {
                // SQLite takes one at a time.
                manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
            }
        }
        index(manager, "customers", &["created_at", "id"], false).await?;
        make_addresses(manager).await?;
        make_words(manager).await?;
        make_staff_tables(manager).await?;
        make_adjustments(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "points_adjustments",
            "staff_recovery_codes",
            "staff_invitations",
            "customer_words",
            "customer_addresses",
        ];
        drop_tables(manager, &tables).await?;
        manager
            .drop_index(Index::drop().name("ix_customers_created_at_id").table("customers").to_owned())
            .await?;
        for (table, columns) in added() {
            for column in columns {
                let name = column.into_column_def().get_column_name().clone();
                manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
            }
        }
        Ok(())
    }
}

async fn make_addresses(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let addresses = table("customer_addresses")
        .col(pk_uuid("id"))
        .col(uuid("customer_id"))
        .col(string_null("name"))
        .col(string_null("company"))
        .col(string("line1"))
        .col(string_null("line2"))
        .col(string_null("postal_code"))
        .col(string("city"))
        .col(string_null("region"))
        // ISO 3166-1, two letters.
        .col(string("country"))
        .col(string_null("phone"))
        .col(boolean("default_shipping"))
        .col(boolean("default_billing"))
        .col(instant("created_at"))
        .col(instant("updated_at"))
        .foreign_key(&mut refers("customer_id", "customer_addresses", "customers"))
        .take();
    manager.create_table(addresses).await?;
    index(manager, "customer_addresses", &["customer_id"], false).await
}

/// What customers are searched by: each word of a name and each address, in lower case.
async fn make_words(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut word = string("word");
    if manager.get_database_backend() == sea_orm_migration::sea_orm::DbBackend::Postgres {
        // By code point, as SQLite sorts: the beginning of a word is a range.
        word.extra("COLLATE \"C\"");
    }
    let words = table("customer_words")
        .col(word)
        .col(uuid("customer_id"))
        .primary_key(Index::create().col("word").col("customer_id"))
        .foreign_key(&mut refers("customer_id", "customer_words", "customers"))
        .take();
    manager.create_table(words).await?;
    index(manager, "customer_words", &["customer_id"], false).await
}

async fn make_staff_tables(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let invitations = table("staff_invitations")
        .col(pk_uuid("id"))
        .col(string("email"))
        .col(string("email_key"))
        .col(string("name"))
        .col(string("role"))
        .col(uuid("invited_by"))
        .col(instant("created_at"))
        .col(instant("expires_at"))
        // Accepted or withdrawn.
        .col(instant_null("ended_at"))
        .foreign_key(&mut refers("invited_by", "staff_invitations", "staff"))
        .take();
    manager.create_table(invitations).await?;
    index(manager, "staff_invitations", &["email_key"], false).await?;
    let codes = table("staff_recovery_codes")
        .col(uuid("staff_id"))
        .col(binary("hash"))
        .col(instant_null("used_at"))
        .primary_key(Index::create().col("staff_id").col("hash"))
        .foreign_key(&mut refers("staff_id", "staff_recovery_codes", "staff"))
        .take();
    manager.create_table(codes).await
}

/// Adjustments that wait for a second person.
async fn make_adjustments(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let adjustments = table("points_adjustments")
        .col(pk_uuid("id"))
        .col(uuid("customer_id"))
        .col(integer("delta"))
        .col(string("reason"))
        .col(string("state"))
        .col(uuid("requested_by"))
        .col(instant("requested_at"))
        .col(uuid_null("decided_by"))
        .col(instant_null("decided_at"))
        .check(Expr::col("delta").ne(0))
        // Nobody approves their own.
        .check(Expr::col("state").ne("APPROVED").or(Expr::col("decided_by").ne(Expr::col("requested_by"))))
        .foreign_key(&mut refers("customer_id", "points_adjustments", "customers"))
        .foreign_key(&mut refers("requested_by", "points_adjustments", "staff"))
        .foreign_key(&mut refers("decided_by", "points_adjustments", "staff"))
        .take();
    manager.create_table(adjustments).await?;
    index(manager, "points_adjustments", &["state", "requested_at"], false).await
}
