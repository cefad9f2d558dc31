//! What guarding staff needs: how often somebody failed to show that it is they, at most one open invitation for a
//! mailbox, and which API key took the place of which.

use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Expr, ExprTrait, Index, MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::schema::{integer, uuid_null};
use sea_orm_migration::sea_query::{ConditionalStatement, IntoColumnDef, Table};

use crate::columns::instant_null;

const OPEN_INVITATION: &str = "ix_staff_invitations_open";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Columns that tables got, by table.
fn added() -> [(&'static str, ColumnDef); 3] {
    let mut failed_attempts = integer("failed_attempts");
    failed_attempts.default(0);
    [
        ("staff", failed_attempts),
        ("staff", instant_null("failed_at")),
        // The key that this one was rotated to: a key is rotated once.
        ("api_keys", uuid_null("replaced_by")),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in added() {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        let open = Index::create()
            .name(OPEN_INVITATION)
            .table("staff_invitations")
            .col("email_key")
            .unique()
            .cond_where(Expr::col("ended_at").is_null())
            .take();
        manager.create_index(open).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(OPEN_INVITATION).table("staff_invitations").to_owned()).await?;
        for (table, column) in added() {
            let name = column.into_column_def().get_column_name().clone();
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}
