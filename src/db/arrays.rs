//! Many rows as the parameters of one `PostgreSQL` statement: an array for each column, read by `unnest`.

use sea_orm::Value;
use sea_orm::sea_query::ArrayType;

/// A table of values as SQL and its parameters.
pub(super) struct Unnested {
    /// A `SELECT` of all columns by their names, to be put in brackets; the same for all rows of these columns.
    pub(super) sql: String,
    /// The arrays.
    pub(super) parameters: Vec<Value>,
}

/// The rows, each with a value for every one of `columns`, as parameters that come after so many others.
pub(super) fn unnest(columns: &[&str], rows: Vec<Vec<Value>>, after: usize) -> Unnested {
    let mut by_column: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        for (values, value) in by_column.iter_mut().zip(row) {
            values.push(value);
        }
    }
    let mut parameters = Vec::with_capacity(columns.len());
    let mut sources = Vec::with_capacity(columns.len());
    for values in by_column {
        let (name, kind) = kind_of(values.first());
        parameters.push(Value::Array(kind, Some(Box::new(values))));
        sources.push(format!("${}::{name}[]", after + parameters.len()));
    }
    let names = columns.join(", ");
    let sql = format!("SELECT {names} FROM unnest({}) AS u({names})", sources.join(", "));
    Unnested { sql, parameters }
}

/// The type of a value, null or not: its name in SQL, and its arrays.
fn kind_of(value: Option<&Value>) -> (&'static str, ArrayType) {
    match value {
        Some(Value::Bool(_)) => ("bool", ArrayType::Bool),
        Some(Value::Int(_)) => ("int4", ArrayType::Int),
        Some(Value::BigInt(_)) => ("int8", ArrayType::BigInt),
        Some(Value::Uuid(_)) => ("uuid", ArrayType::Uuid),
        Some(Value::Bytes(_)) => ("bytea", ArrayType::Bytes),
        Some(Value::ChronoDateTimeUtc(_)) => ("timestamptz", ArrayType::ChronoDateTimeUtc),
        Some(Value::ChronoDate(_)) => ("date", ArrayType::ChronoDate),
        Some(Value::Json(_)) => ("jsonb", ArrayType::Json),
        // Every other kind of value is a text: the tables have no columns of other types.
        _ => ("text", ArrayType::String),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_is_an_array_of_its_type_whatever_is_null_in_it() {
        let rows = vec![
            vec![Value::from(1_i64), Value::from(Some("a")), Value::from(None::<i32>)],
            vec![Value::from(2_i64), Value::from(None::<String>), Value::from(None::<i32>)],
        ];
        let unnested = unnest(&["id", "name", "age"], rows, 2);
        assert_eq!(
            unnested.sql,
            "SELECT id, name, age FROM unnest($3::int8[], $4::text[], $5::int4[]) AS u(id, name, age)"
        );
        let Value::Array(ArrayType::String, Some(names)) = &unnested.parameters[1] else { panic!("texts") };
        assert_eq!(**names, [Value::from("a"), Value::from(None::<String>)]);
    }
}
