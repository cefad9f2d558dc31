//! Many rows as the parameters of one `PostgreSQL` statement: an array for each column, read by `unnest`.
//!
//! The library takes no nulls inside an array. A column without any is an array of its own type; one with some is an
//! array of texts in which a mark stands for null; one of nulls only is no parameter at all.

use sea_orm::Value;
use sea_orm::sea_query::ArrayType;

/// What stands for null among texts; no text that is stored has it.
const NULL_MARK: &str = "\u{1}";

/// A table of values as SQL and its parameters.
pub(super) struct Unnested {
    /// A `SELECT` of all columns by their names, to be put in brackets.
    pub(super) sql: String,
    /// The arrays.
    pub(super) parameters: Vec<Value>,
}

/// The rows, each with a value for every one of `columns`.
pub(super) fn unnest(columns: &[&str], rows: Vec<Vec<Value>>) -> Unnested {
    let mut by_column: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        for (values, value) in by_column.iter_mut().zip(row) {
            values.push(value);
        }
    }
    let mut parameters = Vec::new();
    let (mut selected, mut sources, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (column, values) in columns.iter().zip(by_column) {
        let kind = Kind::of(values.first());
        match array(&kind, values) {
            Column::Nulls => selected.push(format!("NULL::{} AS {column}", kind.name)),
            Column::Values(array) => {
                parameters.push(array);
                selected.push((*column).to_owned());
                sources.push(format!("${}::{}[]", parameters.len(), kind.name));
                names.push(*column);
            }
            Column::Texts(array) => {
                parameters.push(array);
                selected.push(format!("NULLIF({column}, E'\\x01')::{} AS {column}", kind.name));
                sources.push(format!("${}::text[]", parameters.len()));
                names.push(*column);
            }
        }
    }
    let sql = format!(
        "SELECT {} FROM unnest({}) AS u({})",
        selected.join(", "),
        sources.join(", "),
        names.join(", ")
    );
    Unnested { sql, parameters }
}

/// A type of values: its name in SQL, and its arrays where the library has them.
struct Kind {
    name: &'static str,
    array: Option<ArrayType>,
}

impl Kind {
    fn of(value: Option<&Value>) -> Self {
        let (name, array) = match value {
            Some(Value::Bool(_)) => ("bool", Some(ArrayType::Bool)),
            Some(Value::Int(_)) => ("int4", Some(ArrayType::Int)),
            Some(Value::BigInt(_)) => ("int8", Some(ArrayType::BigInt)),
            Some(Value::Uuid(_)) => ("uuid", Some(ArrayType::Uuid)),
            Some(Value::Bytes(_)) => ("bytea", Some(ArrayType::Bytes)),
            Some(Value::ChronoDateTimeUtc(_)) => ("timestamptz", Some(ArrayType::ChronoDateTimeUtc)),
            Some(Value::Json(_)) => ("jsonb", None),
            // Every other kind of value is a text: the tables have no columns of other types.
            _ => ("text", Some(ArrayType::String)),
        };
        Self { name, array }
    }
}

/// What a column comes to.
enum Column {
    Nulls,
    Values(Value),
    Texts(Value),
}

fn array(kind: &Kind, values: Vec<Value>) -> Column {
    let nulls = values.iter().filter(|value| text(value).is_none()).count();
    if nulls == values.len() {
        return Column::Nulls;
    }
    match &kind.array {
        Some(array) if nulls == 0 => Column::Values(Value::Array(array.clone(), Some(Box::new(values)))),
        _ => {
            let marked =
                values.iter().map(|value| text(value).unwrap_or_else(|| NULL_MARK.to_owned()).into());
            Column::Texts(Value::Array(ArrayType::String, Some(Box::new(marked.collect()))))
        }
    }
}

/// As `PostgreSQL` reads it back into the column's type; none for null.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(v) => v.map(|v| v.to_string()),
        Value::Int(v) => v.map(|v| v.to_string()),
        Value::BigInt(v) => v.map(|v| v.to_string()),
        Value::Uuid(v) => v.map(|v| v.to_string()),
        Value::ChronoDateTimeUtc(v) => v.map(|v| v.to_rfc3339()),
        Value::String(v) => v.clone(),
        Value::Json(v) => v.as_ref().map(ToString::to_string),
        Value::Bytes(v) => v.as_deref().map(hex_of),
        // There are no columns of other types.
        _ => None,
    }
}

/// The text form of `bytea`.
fn hex_of(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::from("\\x"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_is_an_array_of_its_type_texts_with_marks_or_nothing_but_nulls() {
        let rows = vec![
            vec![
                Value::from(1_i64),
                Value::from(Some("a")),
                Value::from(None::<i32>),
                Value::from(Some(7_i32)),
            ],
            vec![
                Value::from(2_i64),
                Value::from(None::<String>),
                Value::from(None::<i32>),
                Value::from(Some(8_i32)),
            ],
        ];
        let unnested = unnest(&["id", "name", "age", "size"], rows);
        assert_eq!(
            unnested.sql,
            "SELECT id, NULLIF(name, E'\\x01')::text AS name, NULL::int4 AS age, size \
             FROM unnest($1::int8[], $2::text[], $3::int4[]) AS u(id, name, size)"
        );
        let Value::Array(ArrayType::String, Some(names)) = &unnested.parameters[1] else { panic!("texts") };
        assert_eq!(**names, [Value::from("a"), Value::from(NULL_MARK)]);
    }
}
