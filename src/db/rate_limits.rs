//! Counting over all instances of a `PostgreSQL`, one statement each: what is read and what is written is one act, so
//! that two instances never both give away the last that was left. A `SQLite` file has one instance, which counts for
//! itself.
//!
//! A row holds a window and the one before. Whoever counts in a later window pushes the row on; what arrives late, or from
//! an instance whose clock is behind, counts in the window that is on.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};

use super::arrays::{Unnested, unnest};
use entity::rate_limit::Model;

/// What is to be counted in which window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// When it began, in milliseconds since 1970.
    pub(crate) began: i64,
    /// Milliseconds.
    pub(crate) length: i64,
}

/// The count of the window that is on, with what is added.
const COUNT: &str = "CASE WHEN t.began_ms >= excluded.began_ms THEN t.count ELSE 0 END + excluded.count";

/// The count of the window before the one that is on; `$3` is the length of both.
const PREVIOUS: &str = "CASE WHEN t.began_ms >= excluded.began_ms THEN t.previous \
     WHEN t.began_ms = excluded.began_ms - $3::bigint THEN t.count ELSE 0 END";

fn on_conflict() -> String {
    format!(
        "ON CONFLICT (key) DO UPDATE SET began_ms = GREATEST(t.began_ms, excluded.began_ms), \
         count = {COUNT}, previous = {PREVIOUS}"
    )
}

/// Counts one for `key` if `most` in a window allow it, of which the window before counts with `weight` milliseconds;
/// none if not.
pub(crate) async fn count_one(
    db: &impl ConnectionTrait,
    key: [u8; 16],
    span: Span,
    (weight, most): (i64, u32),
) -> Result<Option<Model>, DbErr> {
    let sql = format!(
        "INSERT INTO rate_limits AS t (key, began_ms, count, previous) VALUES ($1, $2, 1, 0) {} \
         WHERE ({PREVIOUS}) * $4::bigint + ({COUNT}) * $3::bigint <= $5::bigint * $3::bigint \
         RETURNING key, began_ms, count, previous",
        on_conflict()
    );
    let values: [Value; 5] =
        [key.to_vec().into(), span.began.into(), span.length.into(), weight.into(), i64::from(most).into()];
    let counted = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    counted.map(|row| Model::from_query_result(&row, "")).transpose()
}

/// Adds to the counts of many keys, each of which comes once; answers what all instances counted for them.
pub(crate) async fn count_many(
    db: &impl ConnectionTrait,
    counts: impl IntoIterator<Item = ([u8; 16], i64)>,
    span: Span,
) -> Result<Vec<Model>, DbErr> {
    let rows = counts.into_iter().map(|(key, count)| vec![Value::from(key.to_vec()), Value::from(count)]);
    let rows: Vec<Vec<Value>> = rows.collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let Unnested { sql: source, parameters: mut values } = unnest(&["key", "count"], rows, 0);
    values.extend([Value::from(span.length), Value::from(span.began)]);
    // In the order of the keys, so that two instances with the same keys wait for each other and not in a circle.
    let sql = format!(
        "INSERT INTO rate_limits AS t (key, began_ms, count, previous) \
         SELECT key, $4::bigint, count, 0 FROM ({source}) AS v ORDER BY key {} \
         RETURNING key, began_ms, count, previous",
        on_conflict()
    );
    let told = db.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    told.iter().map(|row| Model::from_query_result(row, "")).collect()
}
