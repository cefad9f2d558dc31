//! What may be sent to whom, what is sent, and the journeys that send it.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{
    big_integer, binary, boolean, integer, integer_null, json_binary, json_binary_null, pk_uuid, string,
    string_null, text, text_null, uuid, uuid_null,
};
use sea_orm_migration::sea_query::{ConditionalStatement, IntoColumnDef, Query, Table};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        make_consents(manager).await?;
        make_templates(manager).await?;
        make_journeys(manager).await?;
        make_runs(manager).await?;
        make_messages(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(Index::drop().name("ix_order_lines_sku_id").table("order_lines").to_owned())
            .await?;
        manager
            .drop_index(Index::drop().name("ix_orders_email_key_placed_at").table("orders").to_owned())
            .await?;
        manager.alter_table(Table::alter().table("orders").drop_column("email_key").take()).await?;
        drop_tables(
            manager,
            &[
                "suppressions",
                "inbox_messages",
                "messages",
                "journey_runs",
                "product_updates",
                "journey_cursors",
                "journey_versions",
                "journeys",
                "message_template_versions",
                "message_templates",
                "consent_requests",
                "consent_states",
                "consents",
            ],
        )
        .await
    }
}

async fn make_consents(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let consents = table("consents")
        .col(pk_uuid("id"))
        // A customer's or a guest's.
        .col(uuid("person_id"))
        .col(string("purpose"))
        .col(string("channel"))
        .col(string("state"))
        .col(string_null("opt_in"))
        .col(string("source"))
        .col(json_binary("proof"))
        .col(string("actor_kind"))
        .col(uuid_null("actor_id"))
        .col(instant("at"))
        .col(instant("recorded_at"))
        .check(Expr::cust("(state = 'GRANTED') = (opt_in IS NOT NULL)"))
        .take();
    manager.create_table(consents).await?;
    index(manager, "consents", &["person_id", "recorded_at"], false).await?;
    let states = table("consent_states")
        .col(uuid("person_id"))
        .col(string("purpose"))
        .col(string("channel"))
        .col(string("state"))
        .col(string_null("opt_in"))
        .col(instant("at"))
        .col(uuid("consent_id"))
        .primary_key(Index::create().col("person_id").col("purpose").col("channel"))
        .foreign_key(&mut refers("consent_id", "consent_states", "consents"))
        .check(Expr::cust("(state = 'GRANTED') = (opt_in IS NOT NULL)"))
        .take();
    manager.create_table(states).await?;
    index(manager, "consent_states", &["purpose", "channel", "state"], false).await?;
    let requests = table("consent_requests")
        .col(pk_uuid("id"))
        // None, if only the mailbox is known: whose it is shows when it is confirmed.
        .col(uuid_null("person_id"))
        .col(string("email"))
        .col(string("email_key"))
        .col(json_binary("purposes"))
        .col(string("source"))
        .col(json_binary("proof"))
        .col(string_null("locale"))
        .col(instant("created_at"))
        .col(instant("expires_at"))
        .col(instant_null("confirmed_at"))
        .take();
    manager.create_table(requests).await?;
    index(manager, "consent_requests", &["person_id"], false).await?;
    index(manager, "consent_requests", &["email_key", "created_at"], false).await?;
    index(manager, "consent_requests", &["expires_at"], false).await
}

async fn make_templates(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let templates = table("message_templates")
        .col(pk_uuid("id"))
        .col(string("code").unique_key())
        .col(string("name"))
        .col(integer_null("published"))
        .col(instant("created_at"))
        .col(instant("updated_at"))
        .take();
    manager.create_table(templates).await?;
    let versions = table("message_template_versions")
        .col(pk_uuid("id"))
        .col(uuid("template_id"))
        .col(integer("version"))
        .col(json_binary("body"))
        .col(uuid_null("staff_id"))
        .col(instant("created_at"))
        .col(instant_null("published_at"))
        .foreign_key(&mut refers("template_id", "message_template_versions", "message_templates"))
        .take();
    manager.create_table(versions).await?;
    index(manager, "message_template_versions", &["template_id", "version"], true).await
}

async fn make_journeys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let journeys = table("journeys")
        .col(pk_uuid("id"))
        .col(string("code").unique_key())
        .col(string("name"))
        .col(string("state"))
        .col(integer_null("version"))
        .col(json_binary_null("draft"))
        .col(instant("created_at"))
        .col(instant("updated_at"))
        .check(Expr::cust("(state = 'DRAFT') = (version IS NULL)"))
        .take();
    manager.create_table(journeys).await?;
    let versions = table("journey_versions")
        .col(pk_uuid("id"))
        .col(uuid("journey_id"))
        .col(integer("version"))
        .col(json_binary("definition"))
        .col(uuid_null("staff_id"))
        .col(instant("published_at"))
        .foreign_key(&mut refers("journey_id", "journey_versions", "journeys"))
        .take();
    manager.create_table(versions).await?;
    index(manager, "journey_versions", &["journey_id", "version"], true).await?;
    // The mailbox of an order, by which orders of one person are found whoever placed them: the address in lower case.
    let column: ColumnDef = string_null("email_key").into_column_def();
    manager.alter_table(Table::alter().table("orders").add_column(column).take()).await?;
    let update = Query::update().table("orders").value("email_key", Expr::cust("lower(email)")).take();
    manager.execute(update).await?;
    index(manager, "orders", &["email_key", "placed_at"], false).await?;
    // Who owns an article.
    index(manager, "order_lines", &["sku", "id"], false).await?;
    let cursors =
        table("journey_cursors").col(string("name").primary_key()).col(big_integer("position")).take();
    manager.create_table(cursors).await?;
    let updates = table("product_updates")
        .col(pk_uuid("id"))
        .col(uuid("product_id"))
        .col(json_binary("title"))
        .col(json_binary("body"))
        .col(string_null("link"))
        .col(uuid_null("staff_id"))
        .col(instant("created_at"))
        .foreign_key(&mut refers("product_id", "product_updates", "products"))
        .take();
    manager.create_table(updates).await?;
    index(manager, "product_updates", &["product_id", "created_at"], false).await
}

async fn make_runs(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let runs = table("journey_runs")
        .col(pk_uuid("id"))
        .col(uuid("journey_id"))
        .col(integer("version"))
        // A customer or a guest.
        .col(uuid("person_id"))
        .col(string("cause"))
        .col(string_null("lane"))
        .col(json_binary("facts"))
        .col(integer("step"))
        .col(string("state"))
        .col(boolean("held_out"))
        .col(string_null("reason"))
        .col(integer("deferrals"))
        .col(integer("sent"))
        .col(instant("happened_at"))
        .col(instant("due_at"))
        .col(instant("first_due_at"))
        .col(instant("entered_at"))
        .col(instant_null("ended_at"))
        .col(instant_null("measured_from"))
        .col(instant_null("converted_at"))
        .col(uuid_null("converted_order_id"))
        .foreign_key(&mut refers("journey_id", "journey_runs", "journeys"))
        .check(Expr::cust("(state IN ('WAITING', 'PARKED')) = (ended_at IS NULL)"))
        .take();
    manager.create_table(runs).await?;
    index(manager, "journey_runs", &["journey_id", "person_id", "cause"], true).await?;
    index(manager, "journey_runs", &["person_id", "entered_at"], false).await?;
    let waiting = || Expr::col("state").eq("WAITING");
    let mut due =
        Index::create().name("ix_journey_runs_due").table("journey_runs").col("due_at").col("id").take();
    manager.create_index(due.and_where(waiting()).to_owned()).await?;
    let mut of_person = Index::create()
        .name("ix_journey_runs_person")
        .table("journey_runs")
        .col("person_id")
        .col("due_at")
        .take();
    manager.create_index(of_person.and_where(waiting()).to_owned()).await?;
    let mut lanes = Index::create()
        .name("ix_journey_runs_lane")
        .table("journey_runs")
        .col("journey_id")
        .col("person_id")
        .col("lane")
        .unique()
        .take();
    let waits_in_lane = Expr::col("ended_at").is_null().and(Expr::col("lane").is_not_null());
    manager.create_index(lanes.and_where(waits_in_lane).to_owned()).await?;
    let mut parked =
        Index::create().name("ix_journey_runs_parked").table("journey_runs").col("journey_id").take();
    manager.create_index(parked.and_where(Expr::col("state").eq("PARKED")).to_owned()).await?;
    let mut measured = Index::create()
        .name("ix_journey_runs_measured")
        .table("journey_runs")
        .col("person_id")
        .col("measured_from")
        .take();
    let open = Expr::col("measured_from").is_not_null().and(Expr::col("converted_at").is_null());
    manager.create_index(measured.and_where(open).to_owned()).await
}

async fn make_messages(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let messages = table("messages")
        .col(pk_uuid("id"))
        // A customer or a guest.
        .col(uuid("person_id"))
        .col(uuid_null("journey_id"))
        .col(uuid_null("run_id"))
        .col(string("template"))
        .col(integer_null("template_version"))
        .col(string_null("purpose"))
        .col(string("channel"))
        .col(string("state"))
        .col(string_null("reason"))
        .col(json_binary("facts"))
        .col(integer("attempts"))
        .col(instant("queued_at"))
        .col(instant_null("started_at"))
        .col(instant_null("ended_at"))
        .col(instant_null("bounced_at"))
        .col(instant_null("complained_at"))
        .foreign_key(&mut refers("journey_id", "messages", "journeys"))
        .foreign_key(&mut refers("run_id", "messages", "journey_runs"))
        .check(Expr::cust("(state IN ('QUEUED', 'SENDING')) = (ended_at IS NULL)"))
        .take();
    manager.create_table(messages).await?;
    index(manager, "messages", &["person_id", "queued_at"], false).await?;
    index(manager, "messages", &["journey_id", "queued_at"], false).await?;
    index(manager, "messages", &["run_id"], false).await?;
    let inbox = table("inbox_messages")
        .col(pk_uuid("id"))
        .col(uuid("customer_id"))
        .col(text("title"))
        .col(text("body"))
        .col(text_null("link"))
        .col(string_null("purpose"))
        .col(instant("sent_at"))
        .col(instant_null("read_at"))
        .foreign_key(&mut refers("id", "inbox_messages", "messages"))
        .foreign_key(&mut refers("customer_id", "inbox_messages", "customers"))
        .take();
    manager.create_table(inbox).await?;
    index(manager, "inbox_messages", &["customer_id", "sent_at", "id"], false).await?;
    let suppressions = table("suppressions")
        .col(pk_uuid("id"))
        .col(string("channel"))
        .col(binary("address_hash"))
        .col(string("reason"))
        .col(uuid_null("message_id"))
        .col(string_null("detail"))
        .col(instant("created_at"))
        .foreign_key(&mut refers("message_id", "suppressions", "messages"))
        .take();
    manager.create_table(suppressions).await?;
    index(manager, "suppressions", &["channel", "address_hash"], true).await?;
    index(manager, "suppressions", &["created_at", "id"], false).await
}
