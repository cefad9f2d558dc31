//! Many rows in one statement, whose text does not vary with their number.
//!
//! `PostgreSQL` gets an array for each column (see [`super::arrays`]). `SQLite`, where a statement costs no round trip,
//! gets `VALUES` lists of a few fixed lengths.

use std::borrow::Cow;

use sea_orm::{DbBackend, DbErr, Statement, Value};

use super::Transaction;
use super::arrays::{Unnested, unnest};
use super::line::Line;
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

/// What waits is written before the transaction reads or ends (see [`super::waiting`]); what answers is written at once.
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

    /// Has them inserted; a key that is there already is a fault.
    pub(crate) async fn insert(self, tx: &Transaction) -> Result<(), Fault> {
        self.put_off(tx, Action::INSERT).await
    }

    /// Has them inserted; where a row with the same `key` is there already, the last column of the two is added up.
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
        self.put_off(tx, Action::Insert { conflict: conflict.into() }).await
    }

    /// Has them inserted; a row with the same first column that is there already gets the values of the others.
    pub(crate) async fn insert_or_replace(self, tx: &Transaction) -> Result<(), Fault> {
        let [key, rest @ ..] = self.columns else { return Ok(()) };
        let set: Vec<String> = rest.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let conflict = format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "));
        self.put_off(tx, Action::Insert { conflict: conflict.into() }).await
    }

    /// Has the rows updated whose first column is equal and that `guard` allows, which may name the table as `t` and the
    /// new values as `v`; a row that was not updated is a fault.
    pub(crate) async fn update(self, tx: &Transaction, guard: &'static str) -> Result<(), Fault> {
        self.put_off(tx, Action::Update { guard }).await
    }

    /// Inserts those whose key is not there yet; answers how many that were.
    pub(crate) async fn insert_missing(self, tx: &Transaction) -> Result<usize, Fault> {
        self.write(tx, Action::Insert { conflict: " ON CONFLICT DO NOTHING".into() }).await
    }

    /// Updates the rows whose first column is equal and that `guard` allows; answers how many that were.
    pub(crate) async fn update_found(self, tx: &Transaction, guard: &'static str) -> Result<usize, Fault> {
        self.write(tx, Action::Update { guard }).await
    }

    async fn put_off(self, tx: &Transaction, action: Action) -> Result<(), Fault> {
        if !self.values.is_empty() {
            tx.put_off(Change { rows: self, action }).await?;
        }
        Ok(())
    }

    async fn write(self, tx: &Transaction, action: Action) -> Result<usize, Fault> {
        if self.values.is_empty() {
            return Ok(0);
        }
        Ok(usize::try_from(tx.write(Change { rows: self, action }).await?)?)
    }
}

/// What is to be done with rows.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    Insert { conflict: Cow<'static, str> },
    Update { guard: &'static str },
}

impl Action {
    /// A key that is there already is an error.
    const INSERT: Self = Self::Insert { conflict: Cow::Borrowed("") };
}

/// Rows, of which there are some, and what is to be done with them.
#[derive(Debug)]
pub(super) struct Change {
    rows: Rows,
    action: Action,
}

impl Change {
    pub(super) fn len(&self) -> usize {
        self.rows.values.len()
    }

    pub(super) fn table(&self) -> &'static str {
        self.rows.table
    }

    /// Whether it touches no row that is there.
    pub(super) fn only_inserts(&self) -> bool {
        self.action == Action::INSERT
    }

    /// Takes in the rows of another one that does the same; gives it back if it does not.
    pub(super) fn take_in(&mut self, other: Self) -> Option<Self> {
        let is_same = self.table() == other.table()
            && self.rows.columns == other.rows.columns
            && self.only_inserts()
            && other.only_inserts();
        if !is_same {
            return Some(other);
        }
        self.rows.values.extend(other.rows.values);
        None
    }

    /// Does it; answers how many rows it touched.
    pub(super) async fn write(self, line: &mut Line) -> Result<u64, DbErr> {
        if line.backend() != DbBackend::Postgres {
            return self.write_lists(line).await;
        }
        let (sql, arrays) = self.with_arrays(0);
        line.execute(Statement::from_sql_and_values(DbBackend::Postgres, sql, arrays))
            .await
            .map(|done| done.rows_affected())
    }

    /// The statement with an array for each column, the first of which comes after so many other parameters.
    pub(super) fn with_arrays(self, after: usize) -> (String, Vec<Value>) {
        let Self { rows, action } = self;
        let (setting, columns, table) = (rows.setting(), rows.columns.join(", "), rows.table);
        let Unnested { sql: source, parameters } = unnest(rows.columns, rows.values, after);
        let sql = match action {
            Action::Insert { conflict } => format!("INSERT INTO {table} ({columns}) {source}{conflict}"),
            Action::Update { guard } => {
                format!("{setting} FROM ({source}) AS v WHERE {}", matching(rows.columns, guard))
            }
        };
        (sql, parameters)
    }

    async fn write_lists(self, line: &mut Line) -> Result<u64, DbErr> {
        let mut affected = 0;
        let mut rows = self.rows.values.iter();
        for length in CHUNKS {
            while rows.len() >= length {
                let values: Vec<Value> = rows.by_ref().take(length).flatten().cloned().collect();
                let statement =
                    Statement::from_sql_and_values(line.backend(), self.with_lists(length), values);
                affected += line.execute(statement).await?.rows_affected();
            }
        }
        Ok(affected)
    }

    fn with_lists(&self, length: usize) -> String {
        let Self { rows, action } = self;
        let columns = rows.columns.join(", ");
        let row = format!("({})", vec!["?"; rows.columns.len()].join(", "));
        let values = vec![row; length].join(", ");
        match action {
            Action::Insert { conflict } => {
                format!("INSERT INTO {} ({columns}) VALUES {values}{conflict}", rows.table)
            }
            Action::Update { guard } => format!(
                "WITH v({columns}) AS (VALUES {values}) {} FROM v WHERE {}",
                rows.setting(),
                matching(rows.columns, guard)
            ),
        }
    }
}

impl Rows {
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
