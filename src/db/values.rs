//! Values as the parameters of a statement, bound as each driver takes them.

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::Value;
use sea_orm::sea_query::ArrayType;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgHasArrayType};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Database, Encode, Postgres, Type};
use uuid::Uuid;

type Json = serde_json::Value;

/// The parameters of a statement for `PostgreSQL`.
pub(super) fn postgres(values: Vec<Value>) -> Result<PgArguments, BoxDynError> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Array(kind, values) => add_array(&mut arguments, &kind, values.map(|values| *values))?,
            value => add::<Postgres>(&mut arguments, value)?,
        }
    }
    Ok(arguments)
}

/// The parameters of a statement for `SQLite`.
pub(super) fn sqlite(values: Vec<Value>) -> Result<SqliteArguments, BoxDynError> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        add::<sqlx::Sqlite>(&mut arguments, value)?;
    }
    Ok(arguments)
}

/// No column is of another type than these.
fn add<D: Database>(arguments: &mut D::Arguments, value: Value) -> Result<(), BoxDynError>
where
    Option<bool>: for<'q> Encode<'q, D> + Type<D>,
    Option<i32>: for<'q> Encode<'q, D> + Type<D>,
    Option<i64>: for<'q> Encode<'q, D> + Type<D>,
    Option<f64>: for<'q> Encode<'q, D> + Type<D>,
    Option<String>: for<'q> Encode<'q, D> + Type<D>,
    Option<Vec<u8>>: for<'q> Encode<'q, D> + Type<D>,
    Option<Json>: for<'q> Encode<'q, D> + Type<D>,
    Option<Uuid>: for<'q> Encode<'q, D> + Type<D>,
    Option<DateTime<Utc>>: for<'q> Encode<'q, D> + Type<D>,
    Option<NaiveDate>: for<'q> Encode<'q, D> + Type<D>,
{
    match value {
        Value::Bool(value) => arguments.add(value),
        Value::Int(value) => arguments.add(value),
        Value::BigInt(value) => arguments.add(value),
        Value::Unsigned(value) => arguments.add(value.map(i64::from)),
        Value::BigUnsigned(value) => arguments.add(value.map(i64::try_from).transpose()?),
        Value::Double(value) => arguments.add(value),
        Value::String(value) => arguments.add(value),
        Value::Bytes(value) => arguments.add(value),
        Value::Json(value) => arguments.add(value.map(|value| *value)),
        Value::Uuid(value) => arguments.add(value),
        Value::ChronoDateTimeUtc(value) => arguments.add(value),
        Value::ChronoDate(value) => arguments.add(value),
        _ => Err("no column holds a value of this type".into()),
    }
}

/// All values of one column, nulls among them.
fn add_array(
    arguments: &mut PgArguments,
    kind: &ArrayType,
    values: Option<Vec<Value>>,
) -> Result<(), BoxDynError> {
    macro_rules! add {
        ($variant:ident, $typed:ty) => {
            add_typed::<$typed>(arguments, values, |value| match value {
                Value::$variant(value) => Ok(value.map(Into::into)),
                other => Err(other),
            })
        };
    }
    match kind {
        ArrayType::Bool => add!(Bool, bool),
        ArrayType::Int => add!(Int, i32),
        ArrayType::BigInt => add!(BigInt, i64),
        ArrayType::String => add!(String, String),
        ArrayType::Bytes => add!(Bytes, Vec<u8>),
        ArrayType::Uuid => add!(Uuid, Uuid),
        ArrayType::ChronoDateTimeUtc => add!(ChronoDateTimeUtc, DateTime<Utc>),
        ArrayType::ChronoDate => add!(ChronoDate, NaiveDate),
        ArrayType::Json => add_typed::<Json>(arguments, values, |value| match value {
            Value::Json(value) => Ok(value.map(|value| *value)),
            other => Err(other),
        }),
        other => Err(format!("no column holds {other:?}").into()),
    }
}

fn add_typed<T>(
    arguments: &mut PgArguments,
    values: Option<Vec<Value>>,
    typed: impl Fn(Value) -> Result<Option<T>, Value>,
) -> Result<(), BoxDynError>
where
    T: PgHasArrayType + Type<Postgres> + for<'q> Encode<'q, Postgres>,
{
    let Some(values) = values else { return arguments.add(None::<Vec<Option<T>>>) };
    let values: Result<Vec<Option<T>>, Value> = values.into_iter().map(typed).collect();
    arguments.add(values.map_err(|_other| "a value is of another type than its column")?)
}
