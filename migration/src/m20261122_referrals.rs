//! Customers who bring friends: their codes, who brought whom, and what of an order and of an earn is kept for that.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{binary_null, integer, pk_uuid, string, string_null, uuid, uuid_null};
use sea_orm_migration::sea_query::{ConditionalStatement, IntoColumnDef, Table};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What other tables get: each with its table.
fn columns() -> [(&'static str, ColumnDef); 3] {
    [
        // Why the code on it did not count.
        ("orders", string_null("referral_refusal")),
        // A keyed hash of the card that paid it.
        ("orders", binary_null("card_hash")),
        ("points_lots", uuid_null("referral_id")),
    ]
    .map(|(table, column)| (table, column.into_column_def()))
}

/// Rows that have none are not looked for.
const PARTIAL: [(&str, &str, &str); 2] = [
    ("ix_orders_card_hash", "orders", "card_hash"),
    ("ix_points_lots_referral_id", "points_lots", "referral_id"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        make_codes(manager).await?;
        make_referrals(manager).await?;
        for (table, column) in columns() {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        for (name, table, column) in PARTIAL {
            let mut index = Index::create();
            index.name(name).table(table).col(column);
            manager.create_index(index.and_where(Expr::col(column).is_not_null()).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, _) in PARTIAL {
            manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
        }
        for (table, column) in columns() {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        drop_tables(manager, &["referrals", "referral_codes"]).await
    }
}

async fn make_codes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let codes = table("referral_codes")
        // In upper case.
        .col(string("code").primary_key())
        .col(uuid("customer_id"))
        // The customer for whom it was made: has one, also of those who ask at once. Whoever turns out to be another has
        // theirs on the other.
        .col(uuid("made_for").unique_key())
        .col(instant("created_at"))
        .foreign_key(&mut refers("customer_id", "referral_codes", "customers"))
        .foreign_key(&mut refers("made_for", "referral_codes", "customers"))
        .take();
    manager.create_table(codes).await?;
    index(manager, "referral_codes", &["customer_id"], false).await
}

async fn make_referrals(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let referrals = table("referrals")
        .col(pk_uuid("id"))
        .col(string("code"))
        .col(uuid("referrer_id"))
        // The friend: a customer, or a guest until the mailbox is proven.
        .col(uuid_null("friend_id"))
        .col(uuid_null("guest_id"))
        .col(string("state"))
        .col(string_null("reason"))
        // The order that named the code.
        .col(uuid_null("bound_by_id"))
        // The order that counts.
        .col(uuid_null("order_id"))
        .col(integer("referrer_points"))
        .col(integer("friend_points"))
        .col(instant("bound_at"))
        .col(instant_null("qualified_at"))
        .col(instant_null("vests_at"))
        .col(instant_null("rewarded_at"))
        .col(instant_null("ended_at"))
        .foreign_key(&mut refers("referrer_id", "referrals", "customers"))
        .foreign_key(&mut refers("friend_id", "referrals", "customers"))
        .foreign_key(&mut refers("guest_id", "referrals", "guest_identities"))
        .foreign_key(&mut refers("bound_by_id", "referrals", "orders"))
        .foreign_key(&mut refers("order_id", "referrals", "orders"))
        .check(Expr::col("friend_id").is_null().or(Expr::col("guest_id").is_null()))
        .check(Expr::col("referrer_points").gte(0))
        .check(Expr::col("friend_points").gte(0))
        .check(Expr::col("state").ne("QUALIFIED").or(Expr::col("vests_at").is_not_null()))
        .take();
    manager.create_table(referrals).await?;
    // One referrer for ever.
    index(manager, "referrals", &["friend_id"], true).await?;
    index(manager, "referrals", &["guest_id"], true).await?;
    index(manager, "referrals", &["order_id"], true).await?;
    index(manager, "referrals", &["bound_by_id"], true).await?;
    index(manager, "referrals", &["referrer_id", "state", "rewarded_at"], false).await?;
    let mut due = Index::create();
    due.name("ix_referrals_vests_at").table("referrals").col("vests_at").col("id");
    manager.create_index(due.and_where(Expr::cust("state = 'QUALIFIED'")).to_owned()).await
}
