//! Every row of every table, to tell what changed. When an API key was last used is left out: that is noted beside the
//! requests, at most once a minute. So are the rows of rate limits: a refused request counts too.

use std::collections::BTreeMap;

use regulars::db::Connections;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

/// The rows of each table as text, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<String, Vec<String>>);

impl Snapshot {
    pub(crate) async fn of(db: &Connections) -> Self {
        let mut tables = BTreeMap::new();
        for table in texts(db, tables_query(db)).await {
            let is_counted_beside = table == "rate_limits";
            let rows =
                if is_counted_beside { Vec::new() } else { texts(db, rows_query(db, &table).await).await };
            tables.insert(table, rows);
        }
        Self(tables)
    }

    /// How many rows `table` has.
    pub(crate) fn count(&self, table: &str) -> usize {
        self.0.get(table).unwrap_or_else(|| panic!("no table {table}")).len()
    }

    /// The rows of `table`, as text.
    pub(crate) fn rows(&self, table: &str) -> &[String] {
        self.0.get(table).unwrap_or_else(|| panic!("no table {table}"))
    }

    /// The names of all tables.
    pub(crate) fn tables(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The tables that are not as they were.
    pub(crate) fn changed_tables(&self, after: &Self) -> Vec<&str> {
        let changed = self.0.iter().filter(|(table, rows)| after.0.get(*table) != Some(*rows));
        changed.map(|(table, _)| table.as_str()).collect()
    }

    /// Fails with the rows that came and went.
    pub(crate) fn assert_same(&self, after: &Self) {
        for (table, rows) in &after.0 {
            let before = self.0.get(table).map(Vec::as_slice).unwrap_or_default();
            let came: Vec<_> = rows.iter().filter(|row| !before.contains(row)).collect();
            let went: Vec<_> = before.iter().filter(|row| !rows.contains(row)).collect();
            assert!(
                came.is_empty() && went.is_empty() && rows.len() == before.len(),
                "{table} changed\ncame: {came:#?}\nwent: {went:#?}"
            );
        }
        assert_eq!(self.tables(), after.tables());
    }
}

fn tables_query(db: &Connections) -> String {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT tablename::text AS line FROM pg_tables WHERE schemaname = 'public' ORDER BY 1".to_owned()
        }
        _ => "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
            .to_owned(),
    }
}

async fn rows_query(db: &Connections, table: &str) -> String {
    if db.get_database_backend() == DbBackend::Postgres {
        if table == "api_keys" {
            return "SELECT (to_jsonb(t) - 'last_used_at')::text AS line FROM api_keys AS t ORDER BY 1"
                .to_owned();
        }
        return format!("SELECT t::text AS line FROM \"{table}\" AS t ORDER BY 1");
    }
    let columns =
        texts(db, format!("SELECT name AS line FROM pragma_table_info('{table}') ORDER BY cid")).await;
    let quoted: Vec<String> = columns
        .iter()
        .filter(|column| *column != "last_used_at")
        .map(|column| format!("quote(\"{column}\")"))
        .collect();
    format!("SELECT {} AS line FROM \"{table}\" ORDER BY 1", quoted.join(" || ',' || "))
}

async fn texts(db: &Connections, sql: String) -> Vec<String> {
    let query = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(query).await.unwrap();
    rows.iter().map(|row| row.try_get("", "line").unwrap()).collect()
}
