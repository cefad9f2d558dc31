//! Customers, guest identities and products.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};
use sea_orm_migration::schema::{json_binary, pk_uuid, string, string_null, uuid_null};

use crate::columns::{drop_tables, index, instant, instant_null, refers, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let customers = table("customers")
            .col(pk_uuid("id"))
            .col(string_null("external_id").unique_key())
            // How the shop writes to the customer; identifies nobody.
            .col(string_null("email"))
            // The mailbox that is this customer: proven, or stated as the identity by an import.
            .col(string_null("email_key").unique_key())
            .col(string_null("name"))
            .col(string_null("locale"))
            .col(string_null("password_hash"))
            .col(instant_null("registered_at"))
            .col(instant_null("enrolled_at"))
            .col(instant_null("disabled_at"))
            .col(instant("created_at"))
            .col(instant("updated_at"))
            .take();
        manager.create_table(customers).await?;
        let guests = table("guest_identities")
            .col(pk_uuid("id"))
            .col(string("email"))
            .col(string("email_key").unique_key())
            .col(uuid_null("customer_id"))
            .col(instant("created_at"))
            .col(instant_null("joined_at"))
            .foreign_key(&mut refers("customer_id", "guest_identities", "customers"))
            .take();
        manager.create_table(guests).await?;
        index(manager, "guest_identities", &["customer_id"], false).await?;
        let products = table("products")
            .col(pk_uuid("id"))
            .col(string("sku").unique_key())
            .col(string("name"))
            .col(json_binary("categories"))
            .col(instant("created_at"))
            .col(instant("updated_at"))
            .take();
        manager.create_table(products).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["products", "guest_identities", "customers"]).await
    }
}
