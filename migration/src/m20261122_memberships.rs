//! Paid memberships: what is offered, who has it, what was paid for it; and what is asked of, and heard from, whoever takes
//! the money.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary, boolean, integer, json_binary, json_binary_null, pk_uuid, string,
    string_null, text, uuid, uuid_null,
};
use sea_orm_migration::sea_query::ConditionalStatement;

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: &[&str] = &[
    "sandbox_objects",
    "billing_events",
    "billing_calls",
    "billing_prices",
    "billing_customers",
    "membership_trials",
    "membership_pauses",
    "membership_charges",
    "memberships",
    "membership_plans",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        make_plans(manager).await?;
        make_memberships(manager).await?;
        make_charges(manager).await?;
        make_billing(manager).await?;
        make_inbox(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, TABLES).await
    }
}

async fn make_plans(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let plans = table("membership_plans")
        .col(pk_uuid("id"))
        .col(string("code").unique_key())
        .col(string("name"))
        .col(text("description"))
        .col(string("currency"))
        .col(big_integer("price"))
        .col(string("billed"))
        .col(integer("trial_days"))
        .col(integer("minimum_months"))
        .col(integer("grace_days"))
        .col(json_binary("benefits"))
        // Nobody can join an archived one; who has it keeps it.
        .col(boolean("archived"))
        .col(instant("created_at"))
        .col(instant("updated_at"))
        .check(Expr::col("price").gt(0))
        .check(Expr::col("trial_days").gte(0))
        .check(Expr::col("minimum_months").gte(0))
        .check(Expr::col("grace_days").gte(0))
        .take();
    manager.create_table(plans).await
}

async fn make_memberships(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let memberships = table("memberships")
        .col(pk_uuid("id"))
        .col(uuid("customer_id"))
        // Whose it is while it has not ended: a customer has one.
        .col(uuid_null("open_for").unique_key())
        .col(uuid("plan_id"))
        // What it becomes when it is renewed.
        .col(uuid_null("next_plan_id"))
        .col(big_integer_null("next_price"))
        .col(string_null("next_billed"))
        .col(instant_null("next_at"))
        .col(string("currency"))
        .col(big_integer("price"))
        .col(string("billed"))
        .col(integer("grace_days"))
        .col(string("state"))
        .col(instant_null("entitled_until"))
        .col(instant_null("paid_through"))
        // When its state changes if nothing happens.
        .col(instant_null("due_at"))
        .col(integer("trial_days"))
        .col(instant_null("trial_until"))
        .col(integer("minimum_months"))
        .col(instant_null("minimum_until"))
        .col(instant_null("cancels_at"))
        .col(big_integer("cancel_seq"))
        .col(string_null("cancel_why"))
        .col(string_null("cancel_reason"))
        .col(instant_null("ended_at"))
        .col(string_null("ended_why"))
        // Counts what was asked for and what was looked up, so that what is older does not undo what is newer.
        .col(big_integer("seq"))
        .col(big_integer("synced_seq"))
        // When what we have was last held against what whoever takes the money has.
        .col(instant_null("synced_at"))
        .col(string_null("account"))
        .col(string_null("subscription").unique_key())
        .col(string_null("checkout"))
        .col(uuid_null("order_id").unique_key())
        // The first benefit that was used: withdrawing from the contract is over then.
        .col(instant_null("benefit_used_at"))
        .col(instant("began_at"))
        .col(instant_null("joined_at"))
        .col(instant("updated_at"))
        .foreign_key(&mut refers("customer_id", "memberships", "customers"))
        .foreign_key(&mut refers("plan_id", "memberships", "membership_plans"))
        .foreign_key(&mut refers("order_id", "memberships", "orders"))
        .foreign_key(&mut refers("next_plan_id", "memberships", "membership_plans"))
        .check(Expr::col("open_for").is_null().or(Expr::col("ended_at").is_null()))
        .check(Expr::col("price").gt(0))
        .take();
    manager.create_table(memberships).await?;
    index(manager, "memberships", &["customer_id", "began_at"], false).await?;
    index(manager, "memberships", &["plan_id", "state"], false).await?;
    index(manager, "memberships", &["state", "id"], false).await?;
    let mut due = Index::create();
    due.name("ix_memberships_due_at").table("memberships").col("due_at").col("id");
    manager.create_index(due.and_where(Expr::col("due_at").is_not_null()).to_owned()).await?;
    let mut stale = Index::create();
    stale.name("ix_memberships_synced_at").table("memberships").col("synced_at").col("id");
    manager.create_index(stale.and_where(Expr::col("open_for").is_not_null()).to_owned()).await
}

async fn make_charges(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let charges = table("membership_charges")
        // As whoever takes the money calls it.
        .col(string("invoice").primary_key())
        .col(uuid("membership_id"))
        .col(instant("covers_from"))
        .col(instant("covers_until"))
        .col(string("currency"))
        .col(big_integer("amount"))
        .col(big_integer("refunded"))
        .col(string("status"))
        .col(instant("asked_at"))
        .col(instant_null("paid_at"))
        .col(instant_null("failed_at"))
        .col(instant_null("back_at"))
        .foreign_key(&mut refers("membership_id", "membership_charges", "memberships"))
        .check(Expr::col("refunded").gte(0))
        .check(Expr::col("refunded").lte(Expr::col("amount")))
        .take();
    manager.create_table(charges).await?;
    index(manager, "membership_charges", &["membership_id", "covers_from"], false).await?;
    index(manager, "membership_charges", &["failed_at"], false).await?;

    let pauses = table("membership_pauses")
        .col(uuid("membership_id"))
        .col(big_integer("seq"))
        .col(instant("from_at"))
        .col(instant_null("until_at"))
        .col(big_integer("until_seq"))
        .primary_key(Index::create().col("membership_id").col("seq"))
        .foreign_key(&mut refers("membership_id", "membership_pauses", "memberships"))
        .take();
    manager.create_table(pauses).await?;

    // Keyed hashes of people and cards that had a trial: they outlive the person's data.
    let trials = table("membership_trials")
        .col(binary("hash").primary_key())
        .col(instant("used_at"))
        .col(uuid_null("membership_id"))
        .take();
    manager.create_table(trials).await
}

async fn make_billing(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let customers = table("billing_customers")
        .col(uuid("customer_id"))
        .col(string("account"))
        .col(string("reference"))
        .primary_key(Index::create().col("customer_id").col("account"))
        .foreign_key(&mut refers("customer_id", "billing_customers", "customers"))
        .take();
    manager.create_table(customers).await?;
    index(manager, "billing_customers", &["reference"], true).await?;

    let prices = table("billing_prices")
        .col(string("reference").primary_key())
        .col(string("account"))
        .col(uuid("plan_id"))
        .col(string("currency"))
        .col(big_integer("amount"))
        .col(string("billed"))
        .foreign_key(&mut refers("plan_id", "billing_prices", "membership_plans"))
        .take();
    manager.create_table(prices).await?;
    index(manager, "billing_prices", &["account", "plan_id", "currency", "amount", "billed"], true).await?;

    // What is asked of whoever takes the money: written before it is asked, so that none is lost, and its id is the key by
    // which it is done once.
    let calls = table("billing_calls")
        .col(pk_uuid("id"))
        .col(uuid("membership_id"))
        .col(json_binary("call"))
        .col(string("state"))
        .col(json_binary_null("answer"))
        .col(big_integer("seq"))
        .col(instant("asked_at"))
        .col(instant_null("settled_at"))
        .foreign_key(&mut refers("membership_id", "billing_calls", "memberships"))
        .take();
    manager.create_table(calls).await?;
    index(manager, "billing_calls", &["membership_id", "state"], false).await
}

async fn make_inbox(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let events = table("billing_events")
        // Theirs.
        .col(string("id").primary_key())
        .col(string("account"))
        .col(string("kind"))
        .col(string_null("object"))
        .col(string_null("subscription"))
        .col(instant("created_at"))
        .col(instant("received_at"))
        .col(text("body"))
        .col(string("state"))
        .col(uuid_null("membership_id"))
        .col(instant_null("applied_at"))
        .col(string_null("problem"))
        .take();
    manager.create_table(events).await?;
    index(manager, "billing_events", &["received_at", "id"], false).await?;
    index(manager, "billing_events", &["membership_id", "received_at"], false).await?;
    index(manager, "billing_events", &["state", "received_at"], false).await?;

    let sandbox = table("sandbox_objects")
        .col(string("id").primary_key())
        .col(string("kind"))
        .col(json_binary("body"))
        .col(big_integer("version"))
        // When its clock has something to do with it.
        .col(instant_null("due_at"))
        .take();
    manager.create_table(sandbox).await?;
    index(manager, "sandbox_objects", &["due_at"], false).await
}
