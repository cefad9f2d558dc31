//! Scalars with bounds, so that a wrong number or address never reaches an operation.

use async_graphql::{
    Description, InputType, InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value,
};
use chrono::{NaiveDate, NaiveTime};

use crate::customers::country::CountryCode;
use crate::customers::email::EmailAddress;
use crate::money::{Currency, Money, Rate};
use crate::points::amount::{Points, PointsDelta};

fn text<T: ScalarType + InputType>(value: Value) -> Result<String, InputValueError<T>> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(InputValueError::expected_type(other)),
    }
}

fn integer<T: ScalarType + InputType>(value: &Value) -> Result<i64, InputValueError<T>> {
    match value {
        Value::Number(number) => {
            number.as_i64().ok_or_else(|| InputValueError::custom("is not a whole number in bounds"))
        }
        other => Err(InputValueError::expected_type(other.clone())),
    }
}

/// Points: a whole number from 0 to 2147483647.
#[Scalar(name = "Points")]
impl ScalarType for Points {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::try_from(integer(&value)?).map_err(|error| InputValueError::custom(error.to_string()))
    }

    fn to_value(&self) -> Value {
        self.get().into()
    }
}

/// A change of points: a whole number from −2147483647 to 2147483647.
#[Scalar(name = "PointsDelta")]
impl ScalarType for PointsDelta {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::try_from(integer(&value)?).map_err(|error| InputValueError::custom(error.to_string()))
    }

    fn to_value(&self) -> Value {
        self.get().into()
    }
}

/// An e-mail address: ASCII, at most 254 characters.
#[Scalar(name = "EmailAddress")]
impl ScalarType for EmailAddress {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::try_from(text(value)?).map_err(|error| InputValueError::custom(error.to_string()))
    }

    fn to_value(&self) -> Value {
        self.as_str().into()
    }
}

/// A currency: three letters of ISO 4217, with 0, 2 or 3 decimals.
#[Scalar(name = "CurrencyCode")]
impl ScalarType for Currency {
    fn parse(value: Value) -> InputValueResult<Self> {
        text::<Self>(value)?.parse::<Self>().map_err(|error| InputValueError::custom(error.to_string()))
    }

    fn to_value(&self) -> Value {
        self.code().into()
    }
}

/// A country: two letters of ISO 3166-1, such as `NL`.
#[Scalar(name = "CountryCode")]
impl ScalarType for CountryCode {
    fn parse(value: Value) -> InputValueResult<Self> {
        text::<Self>(value)?.parse::<Self>().map_err(|error| InputValueError::custom(error.to_string()))
    }

    fn to_value(&self) -> Value {
        self.as_str().into()
    }
}

/// A day of the calendar, such as `2004-02-29`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Description)]
pub struct Date(pub NaiveDate);

#[Scalar(name = "Date", use_type_description)]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        let text = text::<Self>(value)?;
        // The library reads shorter spellings too; there is one.
        let day = text.parse::<NaiveDate>().ok().filter(|day| day.to_string() == text);
        day.map(Self).ok_or_else(|| InputValueError::custom("is not a day such as 2004-02-29"))
    }

    fn to_value(&self) -> Value {
        self.0.to_string().into()
    }
}

/// A time of the shop's clocks, such as `"09:30"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Description)]
pub struct LocalTime(pub NaiveTime);

#[Scalar(name = "LocalTime", use_type_description)]
impl ScalarType for LocalTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let text = text::<Self>(value)?;
        let time = NaiveTime::parse_from_str(&text, "%H:%M").ok().filter(|_| text.len() == 5);
        time.map(Self).ok_or_else(|| InputValueError::custom("is not a time such as 09:30"))
    }

    fn to_value(&self) -> Value {
        self.0.format("%H:%M").to_string().into()
    }
}

/// A plain decimal number written as a string, such as `"12.50"`; no exponent and no separators. Whole numbers are taken
/// too.
#[derive(Clone, Debug, PartialEq, Eq, Description)]
pub struct Decimal(pub String);

#[Scalar(name = "Decimal", use_type_description)]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            // A JSON number with a point has been a binary fraction on its way here; only whole ones are exact.
            Value::Number(number) if number.is_i64() => Ok(Self(number.to_string())),
            Value::Number(_) => Err(InputValueError::custom("is not exact: write it as a string")),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        self.0.as_str().into()
    }
}

/// A rate with at most four decimals, written as a string: `"0.21"`.
#[Scalar(name = "Rate")]
impl ScalarType for Rate {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Decimal(text) = <Decimal as ScalarType>::parse(value).map_err(InputValueError::propagate)?;
        text.parse::<Self>().map_err(|error| InputValueError::custom(error.to_string()))
    }

    fn to_value(&self) -> Value {
        self.to_string().into()
    }
}

/// A sum of points over many accounts, as decimal text because it may pass 2147483647.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Description)]
pub struct PointsTotal(pub i64);

#[Scalar(name = "PointsTotal", use_type_description)]
impl ScalarType for PointsTotal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let total = text::<Self>(value)?.parse::<i64>();
        total.map(Self).map_err(|error| InputValueError::custom(error.to_string()))
    }

    fn to_value(&self) -> Value {
        self.0.to_string().into()
    }
}

/// A caller's key for one mutation: 1 to 255 visible ASCII characters. The same key with the same input is answered
/// again without doing it twice; kept 30 days.
#[derive(Clone, Debug, PartialEq, Eq, Description)]
pub struct IdempotencyKey(pub String);

#[Scalar(name = "IdempotencyKey", use_type_description)]
impl ScalarType for IdempotencyKey {
    fn parse(value: Value) -> InputValueResult<Self> {
        let key = text::<Self>(value)?;
        if (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(key));
        }
        Err(InputValueError::custom("is not 1 to 255 visible ASCII characters"))
    }

    fn to_value(&self) -> Value {
        self.0.as_str().into()
    }
}

/// An amount of money.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "Money")]
pub struct MoneyValue {
    /// Whole units with all decimals of the currency.
    amount: Decimal,
    /// Its currency.
    currency: Currency,
}

impl From<Money> for MoneyValue {
    fn from(money: Money) -> Self {
        Self { amount: Decimal(money.amount()), currency: money.currency }
    }
}
