//! The points ledger: accounts, lots, entries, holds and which lots a debit consumed.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{
    big_integer, integer, integer_null, pk_uuid, string, string_null, uuid, uuid_null,
};
use sea_orm_migration::sea_query::TableCreateStatement;

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(accounts()).await?;
        manager.create_table(lots()).await?;
        index(manager, "points_lots", &["account_id", "state"], false).await?;
        index(manager, "points_lots", &["state", "expires_at"], false).await?;
        index(manager, "points_lots", &["state", "activates_at"], false).await?;
        index(manager, "points_lots", &["order_line_id"], false).await?;
        manager.create_table(holds()).await?;
        index(manager, "points_holds", &["account_id", "created_at"], false).await?;
        index(manager, "points_holds", &["state", "expires_at"], false).await?;
        manager.create_table(entries()).await?;
        index(manager, "points_entries", &["account_id", "seq"], true).await?;
        index(manager, "points_entries", &["return_id", "lot_id", "from_bucket"], true).await?;
        manager.create_table(consumptions()).await?;
        index(manager, "points_consumptions", &["hold_id"], false).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables =
            ["points_consumptions", "points_entries", "points_holds", "points_lots", "points_accounts"];
        drop_tables(manager, &tables).await
    }
}

/// The account has the id of its owner, a customer or a guest identity.
fn accounts() -> TableCreateStatement {
    let mut accounts = table("points_accounts");
    accounts
        .col(pk_uuid("id"))
        .col(uuid_null("customer_id"))
        .col(uuid_null("guest_id"))
        .col(big_integer("issued"))
        .col(big_integer("seq"))
        .col(instant("changed_at"))
        .col(instant("created_at"));
    for bucket in ["pending", "available", "held", "redeemed", "expired", "revoked", "debt"] {
        accounts.col(big_integer(bucket)).check(Expr::col(bucket).gte(0));
    }
    let spread = ["pending", "available", "held", "redeemed", "expired", "revoked", "debt"]
        .into_iter()
        .fold(Expr::col("issued"), |sum, bucket| sum.add(Expr::col(bucket)));
    let of_customer = Expr::col("customer_id").eq(Expr::col("id")).and(Expr::col("guest_id").is_null());
    let of_guest = Expr::col("guest_id").eq(Expr::col("id")).and(Expr::col("customer_id").is_null());
    accounts
        .check(spread.eq(0))
        .check(of_customer.or(of_guest))
        .foreign_key(&mut refers("customer_id", "points_accounts", "customers"))
        .foreign_key(&mut refers("guest_id", "points_accounts", "guest_identities"))
        .take()
}

/// One earn: its pending amount, then, once active, what remains to be spent.
fn lots() -> TableCreateStatement {
    table("points_lots")
        .col(pk_uuid("id"))
        .col(uuid("account_id"))
        .col(string("source"))
        .col(uuid_null("order_line_id"))
        .col(string_null("rule"))
        .col(integer_null("rule_version"))
        .col(integer("amount"))
        .col(integer("pending"))
        .col(integer("remaining"))
        // Claimed back so far by returns, and lost by expiry and not yet set against a claw-back.
        .col(integer("clawed_back"))
        .col(integer("lapsed"))
        .col(string("state"))
        .col(integer_null("activates_after"))
        .col(instant_null("activates_at"))
        .col(instant_null("opened_at"))
        .col(instant_null("expires_at"))
        .check(Expr::col("pending").gte(0))
        .check(Expr::col("remaining").gte(0))
        .check(Expr::col("pending").add(Expr::col("remaining")).lte(Expr::col("amount")))
        .check(Expr::col("clawed_back").between(Expr::val(0), Expr::col("amount")))
        .check(Expr::col("lapsed").between(Expr::val(0), Expr::col("amount")))
        .foreign_key(&mut refers("account_id", "points_lots", "points_accounts"))
        .take()
}

fn holds() -> TableCreateStatement {
    table("points_holds")
        .col(pk_uuid("id"))
        .col(uuid("account_id"))
        .col(uuid_null("order_id"))
        .col(string("state"))
        .col(integer("amount"))
        .col(integer("reversed"))
        .col(string_null("currency"))
        .col(big_integer("value"))
        .col(string_null("reference"))
        .col(instant("expires_at"))
        .col(instant("created_at"))
        .col(instant_null("ended_at"))
        .check(Expr::col("amount").gt(0))
        .check(Expr::col("reversed").between(Expr::val(0), Expr::col("amount")))
        .check(Expr::col("value").gte(0))
        .foreign_key(&mut refers("account_id", "points_holds", "points_accounts"))
        .take()
}

fn entries() -> TableCreateStatement {
    table("points_entries")
        .col(pk_uuid("id"))
        .col(uuid("account_id"))
        .col(big_integer("seq"))
        .col(string("kind"))
        .col(string("from_bucket"))
        .col(string("to_bucket"))
        .col(integer("amount"))
        .col(uuid_null("lot_id"))
        .col(uuid_null("hold_id"))
        .col(uuid_null("order_id"))
        .col(uuid_null("order_line_id"))
        .col(uuid_null("return_id"))
        .col(string_null("rule"))
        .col(integer_null("rule_version"))
        .col(string_null("reason"))
        .col(string("actor_kind"))
        .col(uuid_null("actor_id"))
        .col(instant("effective_at"))
        .col(instant("recorded_at"))
        .check(Expr::col("amount").gt(0))
        .check(Expr::col("from_bucket").ne(Expr::col("to_bucket")))
        .foreign_key(&mut refers("account_id", "points_entries", "points_accounts"))
        .take()
}

/// Which lots a debit took its points from, and how many of them it gave back.
fn consumptions() -> TableCreateStatement {
    table("points_consumptions")
        .col(uuid("entry_id"))
        .col(uuid("lot_id"))
        .col(uuid_null("hold_id"))
        .col(integer("amount"))
        .col(integer("refilled"))
        .primary_key(Index::create().col("entry_id").col("lot_id"))
        .check(Expr::col("amount").gt(0))
        .check(Expr::col("refilled").between(Expr::val(0), Expr::col("amount")))
        .foreign_key(&mut refers("entry_id", "points_consumptions", "points_entries"))
        .foreign_key(&mut refers("lot_id", "points_consumptions", "points_lots"))
        .take()
}
