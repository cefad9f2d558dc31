//! Indexes of what few rows have hold these rows only: the others cost nothing when they are written, and whoever looks
//! for these walks over nothing else, whatever the planner believes of the table.

use sea_orm_migration::prelude::{
    ConditionalStatement, DbErr, DeriveMigrationName, Expr, ExprTrait, Index, IndexCreateStatement,
    MigrationTrait, SchemaManager, async_trait,
};
use sea_orm_migration::sea_query::SimpleExpr;

use crate::columns::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_index(manager, "outbox", "ix_outbox_position").await?;
        drop_index(manager, "points_lots", "ix_points_lots_order_line_id").await?;
        drop_index(manager, "points_entries", "ix_points_entries_return_id_lot_id_from_bucket").await?;
        manager.create_index(waiting_events()).await?;
        manager.create_index(numbered_events()).await?;
        manager.create_index(lots_of_lines()).await?;
        manager.create_index(entries_of_returns()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_index(manager, "points_entries", "ix_points_entries_of_returns").await?;
        drop_index(manager, "points_lots", "ix_points_lots_of_lines").await?;
        drop_index(manager, "outbox", "ix_outbox_numbered").await?;
        drop_index(manager, "outbox", "ix_outbox_waiting").await?;
        index(manager, "points_entries", &["return_id", "lot_id", "from_bucket"], true).await?;
        index(manager, "points_lots", &["order_line_id"], false).await?;
        index(manager, "outbox", &["position"], true).await
    }
}

async fn drop_index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    name: &'static str,
) -> Result<(), DbErr> {
    manager.drop_index(Index::drop().name(name).table(table).to_owned()).await
}

/// Events that have no position yet.
fn waiting_events() -> IndexCreateStatement {
    let index = Index::create().name("ix_outbox_waiting").table("outbox").col("seq").to_owned();
    only(index, Expr::col("position").is_null())
}

fn numbered_events() -> IndexCreateStatement {
    let index =
        Index::create().name("ix_outbox_numbered").table("outbox").col("position").unique().to_owned();
    only(index, Expr::col("position").is_not_null())
}

/// What lines of orders earned.
fn lots_of_lines() -> IndexCreateStatement {
    let index =
        Index::create().name("ix_points_lots_of_lines").table("points_lots").col("order_line_id").to_owned();
    only(index, Expr::col("order_line_id").is_not_null())
}

/// A return takes from a lot once.
fn entries_of_returns() -> IndexCreateStatement {
    let mut index =
        Index::create().name("ix_points_entries_of_returns").table("points_entries").unique().to_owned();
    for column in ["return_id", "lot_id", "from_bucket"] {
        index.col(column);
    }
    only(index, Expr::col("return_id").is_not_null())
}

fn only(mut index: IndexCreateStatement, rows: SimpleExpr) -> IndexCreateStatement {
    index.and_where(rows).to_owned()
}
