//! What profiles came to need: one default address of each kind, an index behind every way to look for customers, and
//! accounts that were merged.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::uuid_null;
use sea_orm_migration::sea_query::{ConditionalStatement, IndexCreateStatement, SimpleExpr, Table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Indexes over some of the rows: name, table, columns, and which rows.
fn partial() -> Vec<(&'static str, &'static str, &'static [&'static str], SimpleExpr)> {
    let by_age = &["created_at", "id"];
    let some = |column: &'static str| Expr::col(column).is_not_null();
    vec![
        ("ix_customers_registered", "customers", by_age, some("registered_at")),
        ("ix_customers_unregistered", "customers", by_age, Expr::col("registered_at").is_null()),
        ("ix_customers_not_enrolled", "customers", by_age, Expr::col("enrolled_at").is_null()),
        ("ix_customers_disabled", "customers", by_age, some("disabled_at")),
        ("ix_customers_locale", "customers", &["locale", "created_at", "id"], some("locale")),
        (
            "ix_customers_acquisition_reason",
            "customers",
            &["acquisition_reason", "created_at", "id"],
            some("acquisition_reason"),
        ),
        ("ix_customers_merged_into", "customers", &["merged_into"], some("merged_into")),
    ]
}

/// Of each kind of default, a customer has one address at most.
const DEFAULTS: [(&str, &str); 2] = [
    ("ux_customer_addresses_default_shipping", "default_shipping"),
    ("ux_customer_addresses_default_billing", "default_billing"),
];

fn named(
    name: &str,
    table: &'static str,
    columns: &[&'static str],
    rows: SimpleExpr,
) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index.and_where(rows).to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, column) in DEFAULTS {
            let mut index = named(name, "customer_addresses", &["customer_id"], Expr::col(column).eq(true));
            manager.create_index(index.unique().to_owned()).await?;
        }
        for (name, table, columns, rows) in partial() {
            manager.create_index(named(name, table, columns, rows)).await?;
        }
        // The account to which everything of this one went: nothing is posted here any more.
        let column = uuid_null("merged_into");
        manager.alter_table(Table::alter().table("points_accounts").add_column(column).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = "merged_into";
        manager.alter_table(Table::alter().table("points_accounts").drop_column(column).take()).await?;
        for (name, table, _, _) in partial() {
            manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
        }
        for (name, _) in DEFAULTS {
            manager.drop_index(Index::drop().name(name).table("customer_addresses").to_owned()).await?;
        }
        Ok(())
    }
}
