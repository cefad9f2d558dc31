//! Many rows in one statement, whose text does not vary with their number.
//!
//! `PostgreSQL` gets an array for each column (see [`super::arrays`]). `SQLite`, where a statement costs no round trip,
//! gets `VALUES` lists of a few fixed lengths.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, Statement, Value};

use super::Transaction;
use super::arrays::{Unnested, unnest};
use crate::error::Fault;

/// How many rows a `SQLite` statement carries: the largest that fits is taken again and again.
const CHUNKS: [usize; 3] = [64, 8, 1];

/// The rows to write into one table.
#[derive(Debug)]
pub(crate) struct Rows {
    table: &'static str,
    columns: &'static [&'static str],
    values: Vec<Vec<Value>>,
}

impl Rows {
    /// None yet; every row is to have these columns in this order.
    pub(crate) fn new(table: &'static str, columns: &'static [&'static str]) -> Self {
        Self { table, columns, values: Vec::new() }
    }

    /// One more row.
    pub(crate) fn push<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.columns.len(), "{}", self.table);
        self.values.push(row.into());
    }

    /// Inserts them; a key that is there already is a fault.
    pub(crate) async fn insert(self, tx: &Transaction) -> Result<(), Fault> {
        self.write_all(tx, &Action::Insert { conflict: "" }).await
    }

    async fn write_all(self, tx: &Transaction, action: &Action<'_>) -> Result<(), Fault> {
        let expected = self.values.len();
        if self.run(tx, action).await? == expected {
            return Ok(());
        }
        Err(Fault::internal("an insert wrote fewer rows than it was given"))
    }

    /// Inserts those whose key is not there yet; answers how many that were.
    pub(crate) async fn insert_missing(self, tx: &Transaction) -> Result<usize, Fault> {
        self.run(tx, &Action::Insert { conflict: " ON CONFLICT DO NOTHING" }).await
    }

    /// Inserts them; where a row with the same `key` is there already, the last column of the two is added up.
    pub(crate) async fn insert_or_add(
        self,
        tx: &Transaction,
        key: &'static [&'static str],
    ) -> Result<(), Fault> {
        let last = self.columns[self.columns.len() - 1];
        let table = self.table;
        let key = key.join(", ");
        let conflict =
            format!(" ON CONFLICT ({key}) DO UPDATE SET {last} = {table}.{last} + excluded.{last}");
        self.write_all(tx, &Action::Insert { conflict: &conflict }).await
    }

    /// Inserts them; a row with the same first column that is there already gets the values of the others.
    pub(crate) async fn insert_or_replace(self, tx: &Transaction) -> Result<(), Fault> {
        let [key, rest @ ..] = self.columns else { return Ok(()) };
        let set: Vec<String> = rest.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let conflict = format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "));
        self.write_all(tx, &Action::Insert { conflict: &conflict }).await
    }

    /// Updates the rows whose first column is equal and that `guard` allows, which may name the table as `t` and the new
    /// values as `v`; a row that was not updated is a fault.
    pub(crate) async fn update(self, tx: &Transaction, guard: &'static str) -> Result<(), Fault> {
        let expected = self.values.len();
        if self.run(tx, &Action::Update { guard }).await? == expected {
            return Ok(());
        }
        Err(Fault::internal("a guarded update missed a row"))
    }

    /// Updates the rows whose first column is equal and that `guard` allows; answers how many that were.
    pub(crate) async fn update_found(self, tx: &Transaction, guard: &'static str) -> Result<usize, Fault> {
        self.run(tx, &Action::Update { guard }).await
    }

    async fn run(self, tx: &Transaction, action: &Action<'_>) -> Result<usize, Fault> {
        if self.values.is_empty() {
            return Ok(0);
        }
        let affected = match tx.get_database_backend() {
            DbBackend::Postgres => self.run_as_arrays(tx, action).await?,
            _ => self.run_as_values(tx, action).await?,
        };
        Ok(usize::try_from(affected)?)
    }

    async fn run_as_arrays(self, tx: &Transaction, action: &Action<'_>) -> Result<u64, DbErr> {
        let columns = self.columns.join(", ");
        let (setting, table) = (self.setting(), self.table);
        let Unnested { sql: source, parameters } = unnest(self.columns, self.values);
        let sql = match action {
            Action::Insert { conflict } => format!("INSERT INTO {table} ({columns}) {source}{conflict}"),
            Action::Update { guard } => {
                format!("{setting} FROM ({source}) AS v WHERE {}", matching(self.columns, guard))
            }
        };
        execute(tx, sql, parameters).await.map(|result| result.rows_affected())
    }

    async fn run_as_values(self, tx: &Transaction, action: &Action<'_>) -> Result<u64, DbErr> {
        let mut affected = 0;
        let mut rows = self.values.iter();
        for length in CHUNKS {
            while rows.len() >= length {
                let values: Vec<Value> = rows.by_ref().take(length).flatten().cloned().collect();
                affected += execute(tx, self.values_sql(action, length), values).await?.rows_affected();
            }
        }
        Ok(affected)
    }

    fn values_sql(&self, action: &Action<'_>, length: usize) -> String {
        let columns = self.columns.join(", ");
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        let values = vec![row; length].join(", ");
        match action {
            Action::Insert { conflict } => {
                format!("INSERT INTO {} ({columns}) VALUES {values}{conflict}", self.table)
            }
            Action::Update { guard } => format!(
                "WITH v({columns}) AS (VALUES {values}) {} FROM v WHERE {}",
                self.setting(),
                matching(self.columns, guard)
            ),
        }
    }

    fn setting(&self) -> String {
        let set: Vec<String> =
            self.columns[1..].iter().map(|column| format!("{column} = v.{column}")).collect();
        format!("UPDATE {} AS t SET {}", self.table, set.join(", "))
    }
}

/// Rows are told apart by their first column, and by what `guard` adds.
fn matching(columns: &[&str], guard: &str) -> String {
    let key = columns[0];
    format!("t.{key} = v.{key}{guard}")
}

enum Action<'a> {
    Insert { conflict: &'a str },
    Update { guard: &'static str },
}

async fn execute(tx: &Transaction, sql: String, values: Vec<Value>) -> Result<ExecResult, DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await
}
