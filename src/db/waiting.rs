//! Changes that wait until a transaction reads or ends, to go to `PostgreSQL` in one statement: a round trip costs more than
//! most of them.
//!
//! The parts of one statement do not see each other and go in no certain order, so two changes of one table wait together
//! only if both insert; the rows of the second then come after those of the first. `SQLite` does one after the other.

use sea_orm::{DbBackend, DbErr, Statement};

use super::bulk::Change;
use super::line::Line;

/// Changes to be made, in order.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<Change>);

impl Waiting {
    /// One more; given back if the others have to be made first.
    pub(super) fn add(&mut self, change: Change) -> Option<Change> {
        if let Some(known) = self.0.iter_mut().find(|known| known.table() == change.table()) {
            return known.take_in(change);
        }
        self.0.push(change);
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes them; a row that was not touched is an error.
    pub(super) async fn write(&mut self, line: &mut Line) -> Result<(), DbErr> {
        let changes = std::mem::take(&mut self.0);
        if changes.len() > 1 && line.backend() == DbBackend::Postgres {
            return write_together(changes, line).await;
        }
        for change in changes {
            let (table, rows) = (change.table(), change.len());
            all_touched(&[table], rows, change.write(line).await?)?;
        }
        Ok(())
    }
}

/// One statement for all. An insert without a conflict to resolve touches all of its rows or fails; the others are counted.
async fn write_together(changes: Vec<Change>, line: &mut Line) -> Result<(), DbErr> {
    let (mut parts, mut parameters) = (Vec::with_capacity(changes.len()), Vec::new());
    let (mut counted, mut tables, mut rows) = (Vec::new(), Vec::new(), 0);
    for (number, change) in changes.into_iter().enumerate() {
        let is_counted = !change.only_inserts();
        let touched = if is_counted { " RETURNING 1" } else { "" };
        if is_counted {
            counted.push(format!("(SELECT count(*) FROM w{number})"));
            tables.push(change.table());
            rows += change.len();
        }
        let (sql, arrays) = change.with_arrays(parameters.len());
        parts.push(format!("w{number} AS ({sql}{touched})"));
        parameters.extend(arrays);
    }
    let counted = if counted.is_empty() { "0::bigint".to_owned() } else { counted.join(" + ") };
    let sql = format!("WITH {} SELECT {counted}", parts.join(", "));
    let found = line.all(Statement::from_sql_and_values(DbBackend::Postgres, sql, parameters)).await?;
    let touched: i64 = found.first().map_or(Ok(0), |row| row.try_get_by_index(0))?;
    all_touched(&tables, rows, touched.unsigned_abs())
}

/// Nothing touches more rows than it was given.
fn all_touched(tables: &[&str], rows: usize, touched: u64) -> Result<(), DbErr> {
    if u64::try_from(rows).is_ok_and(|rows| rows == touched) {
        return Ok(());
    }
    Err(DbErr::Custom(format!("{touched} of {rows} rows were written to {}", tables.join(", "))))
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, Statement};

    use crate::app::App;
    use crate::db::Transaction;
    use crate::db::bulk::Rows;
    use crate::testing::on_each_database;

    fn cursors(rows: &[(&str, i64)]) -> Rows {
        let mut cursors = Rows::new("journey_cursors", &["name", "position"]);
        for (name, position) in rows {
            cursors.push([(*name).into(), (*position).into()]);
        }
        cursors
    }

    /// Positions by name.
    async fn kept(db: &impl ConnectionTrait) -> Vec<i64> {
        let sql = "SELECT position FROM journey_cursors WHERE name LIKE 'test.%' ORDER BY name";
        let found = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        found.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    async fn begun(app: &App) -> Transaction {
        app.db.begin_writing().await.unwrap()
    }

    #[tokio::test]
    async fn what_waits_is_there_for_whoever_reads_in_the_transaction_and_for_others_after_it() {
        on_each_database(async |app| {
            let tx = begun(app).await;
            cursors(&[("test.a", 1)]).insert(&tx).await.unwrap();
            assert_eq!(kept(&tx).await, [1]);
            cursors(&[("test.b", 2)]).insert(&tx).await.unwrap();
            assert!(kept(&app.db.read).await.is_empty());
            tx.commit().await.unwrap();
            assert_eq!(kept(&app.db.read).await, [1, 2]);
        })
        .await;
    }

    #[tokio::test]
    async fn changes_of_one_row_are_made_in_their_order() {
        on_each_database(async |app| {
            let tx = begun(app).await;
            cursors(&[("test.a", 1), ("test.b", 1)]).insert(&tx).await.unwrap();
            cursors(&[("test.a", 2)]).update(&tx, "").await.unwrap();
            cursors(&[("test.a", 3)]).update(&tx, " AND t.position = 2").await.unwrap();
            cursors(&[("test.b", 10)]).insert_or_add(&tx, &["name"]).await.unwrap();
            cursors(&[("test.c", 5)]).insert_or_replace(&tx).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(kept(&app.db.read).await, [3, 11, 5]);
        })
        .await;
    }

    #[tokio::test]
    async fn a_row_that_was_not_there_to_be_updated_takes_all_with_it() {
        on_each_database(async |app| {
            let tx = begun(app).await;
            let mut named = Rows::new("customers", &["id", "name"]);
            named.push([uuid::Uuid::from_u128(7).into(), "Nobody".into()]);
            cursors(&[("test.a", 1)]).insert(&tx).await.unwrap();
            named.update(&tx, "").await.unwrap();
            let error = tx.commit().await.unwrap_err().to_string();
            assert!(error.contains("0 of 1 rows were written to customers"), "{error}");
            assert!(kept(&app.db.read).await.is_empty());
        })
        .await;
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_transaction_in_which_something_failed_even_if_nobody_minds() {
        on_each_database(async |app| {
            let tx = begun(app).await;
            cursors(&[("test.a", 1)]).insert(&tx).await.unwrap();
            tx.execute_unprepared("SELECT nonsense").await.unwrap_err();
            cursors(&[("test.b", 1)]).insert(&tx).await.unwrap();
            tx.commit().await.unwrap_err();
            assert!(kept(&app.db.read).await.is_empty());
            // The connection is as good as before.
            let next = begun(app).await;
            cursors(&[("test.c", 1)]).insert(&next).await.unwrap();
            next.commit().await.unwrap();
            assert_eq!(kept(&app.db.read).await, [1]);
        })
        .await;
    }
}
