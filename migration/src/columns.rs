//! The column and key shapes every migration uses.

use sea_orm_migration::prelude::{
    ColumnDef, ConditionalStatement, DbErr, ForeignKey, ForeignKeyCreateStatement, Index,
    IndexCreateStatement, SchemaManager,
};
use sea_orm_migration::schema;
use sea_orm_migration::sea_query::{SimpleExpr, Table, TableCreateStatement};

/// An instant in UTC; the application writes it, cut to microseconds.
pub(crate) fn instant(name: &'static str) -> ColumnDef {
    schema::timestamp_with_time_zone(name)
}

/// An instant that may be unknown.
pub(crate) fn instant_null(name: &'static str) -> ColumnDef {
    schema::timestamp_with_time_zone_null(name)
}

/// A new table.
pub(crate) fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(name).take()
}

/// `column` refers to the `id` of `target`.
pub(crate) fn refers(
    column: &'static str,
    from: &'static str,
    target: &'static str,
) -> ForeignKeyCreateStatement {
    ForeignKey::create().from(from, column).to(target, "id").take()
}

/// A plain or unique index over `columns`.
pub(crate) async fn index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: &[&'static str],
    unique: bool,
) -> Result<(), DbErr> {
    let mut index = Index::create();
    index.name(format!("ix_{table}_{}", columns.join("_"))).table(table);
    for column in columns {
        index.col(*column);
    }
    if unique {
        index.unique();
    }
    manager.create_index(index).await
}

/// An index of these rows only.
pub(crate) async fn only(
    manager: &SchemaManager<'_>,
    mut index: IndexCreateStatement,
    rows: SimpleExpr,
) -> Result<(), DbErr> {
    manager.create_index(index.and_where(rows).take()).await
}

/// Drops the index of `table` with this name.
pub(crate) async fn drop_index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    name: &'static str,
) -> Result<(), DbErr> {
    let mut index = Index::drop();
    index.name(name).table(table);
    manager.drop_index(index).await
}

/// Drops `tables` in the order given.
pub(crate) async fn drop_tables(manager: &SchemaManager<'_>, tables: &[&'static str]) -> Result<(), DbErr> {
    for table in tables {
        manager.drop_table(Table::drop().table(*table).take()).await?;
    }
    Ok(())
}
