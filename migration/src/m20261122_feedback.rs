//! Reviews of products with their counters, surveys and what was answered to them.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{
    boolean, integer, integer_null, json_binary, pk_uuid, string, string_null, text_null, uuid, uuid_null,
};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        make_reviews(manager).await?;
        make_surveys(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = ["survey_choices", "survey_answers", "surveys", "product_ratings", "reviews"];
        drop_tables(manager, &tables).await
    }
}

async fn make_reviews(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let is_rating = || Expr::col("rating").between(1, 5);
    let reviews = table("reviews")
        .col(pk_uuid("id"))
        .col(uuid("product_id"))
        // A customer or a guest.
        .col(uuid("person_id"))
        .col(uuid("order_id"))
        .col(integer("rating").check(is_rating()))
        .col(string_null("title"))
        .col(text_null("body"))
        .col(string("state"))
        .col(integer("revision"))
        .col(text_null("answer"))
        .col(uuid_null("answered_by"))
        .col(instant_null("answered_at"))
        .col(instant("submitted_at"))
        .col(instant_null("published_at"))
        .col(instant_null("moderated_at"))
        .foreign_key(&mut refers("product_id", "reviews", "products"))
        .foreign_key(&mut refers("order_id", "reviews", "orders"))
        .check(Expr::cust("state <> 'PUBLISHED' OR published_at IS NOT NULL"))
        .check(Expr::cust("(state = 'PENDING') = (moderated_at IS NULL)"))
        .take();
    manager.create_table(reviews).await?;
    index(manager, "reviews", &["product_id", "person_id"], true).await?;
    index(manager, "reviews", &["product_id", "state", "id"], false).await?;
    index(manager, "reviews", &["state", "id"], false).await?;
    index(manager, "reviews", &["person_id", "id"], false).await?;
    let ratings = table("product_ratings")
        .col(uuid("product_id"))
        .col(integer("rating").check(is_rating()))
        .col(integer("count").check(Expr::col("count").gte(0)))
        .primary_key(Index::create().col("product_id").col("rating"))
        .foreign_key(&mut refers("product_id", "product_ratings", "products"))
        .take();
    manager.create_table(ratings).await
}

async fn make_surveys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let surveys = table("surveys")
        .col(pk_uuid("id"))
        .col(string("code").unique_key())
        .col(string("kind"))
        // By language.
        .col(json_binary("title"))
        .col(json_binary("questions"))
        .col(boolean("active"))
        .col(instant("created_at"))
        .col(instant("updated_at"))
        .take();
    manager.create_table(surveys).await?;
    // Of surveys in the program too: by code, not by id.
    let answers = table("survey_answers")
        .col(pk_uuid("message_id"))
        .col(string("survey"))
        // A customer or a guest.
        .col(uuid("person_id"))
        .col(integer_null("score").check(Expr::col("score").between(0, 10)))
        .col(json_binary("answers"))
        .col(text_null("comment"))
        .col(instant("answered_at"))
        .foreign_key(&mut refers("message_id", "survey_answers", "messages"))
        .take();
    manager.create_table(answers).await?;
    index(manager, "survey_answers", &["survey", "answered_at"], false).await?;
    index(manager, "survey_answers", &["person_id", "message_id"], false).await?;
    let choices = table("survey_choices")
        .col(uuid("message_id"))
        .col(string("question"))
        .col(string("survey"))
        .col(string("value"))
        .col(instant("answered_at"))
        .primary_key(Index::create().col("message_id").col("question"))
        .foreign_key(&mut refers("message_id", "survey_choices", "messages"))
        .take();
    manager.create_table(choices).await?;
    index(manager, "survey_choices", &["survey", "answered_at"], false).await
}
