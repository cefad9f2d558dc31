//! The few expressions that the two databases write differently.

use sea_orm::sea_query::{ArrayType, Expr, SimpleExpr};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};
use uuid::Uuid;

use super::Transaction;

/// `column` is one of `ids`, in a text that does not vary with their number, so that it stays prepared.
pub(crate) fn is_among(
    backend: DbBackend,
    column: &'static str,
    ids: impl IntoIterator<Item = Uuid>,
) -> SimpleExpr {
    if backend == DbBackend::Postgres {
        let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
        let array = Value::Array(ArrayType::Uuid, Some(Box::new(ids)));
        return Expr::cust_with_values(format!("{column} = ANY($1)"), [array]);
    }
    let ids: Vec<String> = ids.into_iter().map(|id| format!("\"{}\"", id.simple())).collect();
    let list = format!("[{}]", ids.join(","));
    Expr::cust_with_values(format!("{column} IN (SELECT unhex(value) FROM json_each(?))"), [list])
}

/// `column` is one of `texts`.
pub(crate) fn is_among_texts(
    backend: DbBackend,
    column: &'static str,
    texts: impl IntoIterator<Item = String>,
) -> SimpleExpr {
    if backend == DbBackend::Postgres {
        let texts: Vec<Value> = texts.into_iter().map(Value::from).collect();
        let array = Value::Array(ArrayType::String, Some(Box::new(texts)));
        return Expr::cust_with_values(format!("{column} = ANY($1)"), [array]);
    }
    let list = serde_json::Value::from(texts.into_iter().collect::<Vec<_>>()).to_string();
    Expr::cust_with_values(format!("{column} IN (SELECT value FROM json_each(?))"), [list])
}

fn hex_of(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `column` is one of these values of bytes.
pub(crate) fn is_among_bytes(
    backend: DbBackend,
    column: &'static str,
    values: impl IntoIterator<Item = Vec<u8>>,
) -> SimpleExpr {
    if backend == DbBackend::Postgres {
        let values: Vec<Value> = values.into_iter().map(Value::from).collect();
        let array = Value::Array(ArrayType::Bytes, Some(Box::new(values)));
        return Expr::cust_with_values(format!("{column} = ANY($1)"), [array]);
    }
    let list = serde_json::Value::from(values.into_iter().map(|value| hex_of(&value)).collect::<Vec<_>>());
    let list = list.to_string();
    Expr::cust_with_values(format!("{column} IN (SELECT unhex(value) FROM json_each(?))"), [list])
}

/// The database's own time in milliseconds since 1970: what instances agree on leases by.
pub(crate) fn database_millis(backend: DbBackend) -> SimpleExpr {
    if backend == DbBackend::Postgres {
        Expr::cust("CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")
    } else {
        Expr::cust("CAST(unixepoch('subsec') * 1000 AS integer)")
    }
}

/// True once the caller alone holds `name` until its transaction ends, false if another holds it. A `SQLite` writer is
/// alone anyhow.
pub(crate) fn try_lock(backend: DbBackend, name: SimpleExpr) -> SimpleExpr {
    if backend == DbBackend::Postgres {
        Expr::cust_with_exprs("pg_try_advisory_xact_lock(hashtextextended($1, 0))", [name])
    } else {
        Expr::val(true)
    }
}

/// Takes those of `names` that no other transaction holds, until the caller's ends; answers in order which it holds. A
/// `SQLite` writer is alone anyhow.
pub(crate) async fn try_locks(tx: &Transaction, names: Vec<String>) -> Result<Vec<bool>, DbErr> {
    let backend = tx.get_database_backend();
    if backend != DbBackend::Postgres {
        return Ok(vec![true; names.len()]);
    }
    let names = names.into_iter().map(Value::from).collect();
    let names = Value::Array(ArrayType::String, Some(Box::new(names)));
    let sql = "SELECT pg_try_advisory_xact_lock(hashtextextended(name, 0)) \
               FROM unnest($1::text[]) WITH ORDINALITY AS n(name, place) ORDER BY place";
    let rows = tx.query_all_raw(Statement::from_sql_and_values(backend, sql, [names])).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// The `columns` of the row of `table` whose `key` is each of `pairs`, in their order; nulls where there is none. Each is
/// looked for by itself: a join that was planned when the table was small would read all of it.
pub(crate) async fn rows_under<'a>(
    tx: &Transaction,
    table: &'static str,
    key: [&'static str; 2],
    columns: &'static str,
    pairs: impl Iterator<Item = [&'a str; 2]>,
) -> Result<Vec<QueryResult>, DbErr> {
    let backend = tx.get_database_backend();
    let [first, second] = key;
    let (sql, values) = if backend == DbBackend::Postgres {
        let (firsts, seconds): (Vec<_>, Vec<_>) =
            pairs.map(|[first, second]| (Value::from(first), Value::from(second))).unzip();
        let texts = |values| Value::Array(ArrayType::String, Some(Box::new(values)));
        let sql = format!(
            "SELECT {columns} FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(first, second, place) \
             LEFT JOIN LATERAL (SELECT * FROM {table} WHERE {first} = w.first AND {second} = w.second LIMIT 1) AS t \
             ON true ORDER BY w.place"
        );
        (sql, vec![texts(firsts), texts(seconds)])
    } else {
        let list: serde_json::Value = pairs.map(|pair| serde_json::Value::from(pair.to_vec())).collect();
        let sql = format!(
            "SELECT {columns} FROM json_each(?) AS w \
             LEFT JOIN {table} AS t ON t.{first} = w.value ->> 0 AND t.{second} = w.value ->> 1 ORDER BY w.key"
        );
        (sql, vec![Value::from(list.to_string())])
    };
    tx.query_all_raw(Statement::from_sql_and_values(backend, sql, values)).await
}

/// Waits until the caller alone holds `name`, and holds it until its transaction ends. A `SQLite` writer is alone anyhow.
pub(crate) async fn lock(tx: &Transaction, name: &str) -> Result<(), DbErr> {
    let backend = tx.get_database_backend();
    if backend == DbBackend::Postgres {
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, [Value::from(name)])).await?;
    }
    Ok(())
}

/// Tells the other instances these payloads, each on its channel, once what this is part of is committed; a `SQLite` file has no
/// other.
pub(crate) async fn notify(
    db: &impl ConnectionTrait,
    told: Vec<(&'static str, String)>,
) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    if backend == DbBackend::Postgres && !told.is_empty() {
        let (channels, payloads): (Vec<_>, Vec<_>) =
            told.into_iter().map(|(channel, payload)| (Value::from(channel), Value::from(payload))).unzip();
        let sql = "SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS told(channel, payload)";
        let values = [channels, payloads].map(|texts| Value::Array(ArrayType::String, Some(Box::new(texts))));
        db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    }
    Ok(())
}

/// Has `PostgreSQL` plan each statement of this transaction for the tables as they are now: a plan that was kept from
/// when a table was empty reads all of it. `SQLite` keeps no plans that depend on that.
pub(crate) async fn plan_each_time(tx: &Transaction) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared("SET LOCAL plan_cache_mode = force_custom_plan").await?;
    }
    Ok(())
}

/// Whether `SKIP LOCKED` means anything.
pub(crate) fn skips_locked(backend: DbBackend) -> bool {
    backend == DbBackend::Postgres
}
