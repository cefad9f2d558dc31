//! Money in integer minor units, currencies and rates with four decimals. Nothing here is a floating-point number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An ISO 4217 currency with 0, 2 or 3 decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

/// What is wrong with a number or currency that somebody gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NumberError {
    /// Not digits with at most one point.
    #[error("is not a plain decimal number")]
    NotANumber,
    /// Finer than the currency or rate allows.
    #[error("has too many decimals")]
    TooManyDecimals,
    /// Beyond what is stored.
    #[error("is too large")]
    TooLarge,
    /// Below zero.
    #[error("is negative")]
    Negative,
    /// Not a code of ISO 4217 for money that people pay with.
    #[error("is not an ISO 4217 currency with 0, 2 or 3 decimals")]
    UnknownCurrency,
}

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(iso_currency::Currency::EUR);

    /// Decimals of the minor unit: 2 for EUR, 0 for JPY, 3 for BHD.
    pub fn decimals(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }

    /// Minor units in one whole unit: 100 for EUR.
    pub fn minor_per_unit(self) -> i64 {
        10_i64.pow(self.decimals())
    }

    /// The three letters.
    pub fn code(self) -> &'static str {
        self.0.code()
    }
}

impl FromStr for Currency {
    type Err = NumberError;

    fn from_str(code: &str) -> Result<Self, NumberError> {
        match iso_currency::Currency::from_code(code) {
            Some(currency) if currency.exponent().is_some_and(|e| matches!(e, 0 | 2 | 3)) => {
                Ok(Self(currency))
            }
            _ => Err(NumberError::UnknownCurrency),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = NumberError;

    fn try_from(code: String) -> Result<Self, NumberError> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in minor units of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units, such as cents.
    pub minor: i64,
    /// Their currency.
    pub currency: Currency,
}

impl Money {
    /// The largest amount of one order or line: ten billion whole units of a three-decimal currency.
    pub const MAX_MINOR: i64 = 10_000_000_000_000;

    /// Reads `amount` as whole units, exactly: `12.5` EUR is 1250 minor units.
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, NumberError> {
        let minor = parse_scaled(amount, currency.decimals())?;
        if minor.abs() > Self::MAX_MINOR {
            return Err(NumberError::TooLarge);
        }
        Ok(Self { minor, currency })
    }

    /// Reads an amount that cannot be negative.
    pub fn parse_unsigned(amount: &str, currency: Currency) -> Result<Self, NumberError> {
        let money = Self::parse(amount, currency)?;
        if money.minor < 0 { Err(NumberError::Negative) } else { Ok(money) }
    }

    /// The amount in whole units with all decimals of the currency: `12.50`.
    pub fn amount(self) -> String {
        format_scaled(self.minor, self.currency.decimals())
    }
}

/// A rate with at most four decimals, held in ten-thousandths; never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate(i64);

impl Rate {
    /// Ten-thousandths in one.
    pub const SCALE: i64 = 10_000;
    /// One for one.
    pub const ONE: Self = Self(Self::SCALE);

    /// This many ten-thousandths.
    pub fn from_ten_thousandths(value: u32) -> Self {
        Self(value.into())
    }

    /// In ten-thousandths.
    pub const fn ten_thousandths(self) -> i64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        match parse_scaled(text, 4)? {
            negative if negative < 0 => Err(NumberError::Negative),
            large if large > 1_000_000 * Self::SCALE => Err(NumberError::TooLarge),
            value => Ok(Self(value)),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = NumberError;

    fn try_from(text: String) -> Result<Self, NumberError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format_scaled(self.0, 4);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Spreads `amount` over `weights` in proportion, in whole units that add up exactly: each gets its share rounded down,
/// and the largest remainders one more, the first of equals first. No share of an amount up to the sum of the weights
/// exceeds its weight.
pub fn spread(amount: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if sum == 0 {
        return first_takes_all(amount, weights.len());
    }
    let exact = |weight: &i64| i128::from(amount) * i128::from(*weight);
    let mut shares: Vec<i64> =
        weights.iter().map(|weight| i64::try_from(exact(weight) / sum).unwrap_or_default()).collect();
    let left = amount - shares.iter().sum::<i64>();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|index| std::cmp::Reverse(exact(&weights[*index]) % sum));
    for index in by_remainder.into_iter().take(usize::try_from(left).unwrap_or_default()) {
        shares[index] += 1;
    }
    shares
}

fn first_takes_all(amount: i64, length: usize) -> Vec<i64> {
    (0..length).map(|index| if index == 0 { amount } else { 0 }).collect()
}

/// Reads plain decimals (no exponent, no sign but minus, no separators) into units of 10^-`decimals`.
fn parse_scaled(text: &str, decimals: u32) -> Result<i64, NumberError> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return Err(NumberError::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    let width = usize::try_from(decimals).unwrap_or(usize::MAX);
    if fraction.len() > width {
        return Err(NumberError::TooManyDecimals);
    }
    let scaled = format!("{whole}{fraction:0<width$}");
    let value = scaled.parse::<i64>().map_err(|_too_long| NumberError::TooLarge)?;
    Ok(if negative { -value } else { value })
}

fn format_scaled(value: i64, decimals: u32) -> String {
    if decimals == 0 {
        return value.to_string();
    }
    let scale = 10_u64.pow(decimals);
    let width = usize::try_from(decimals).unwrap_or_default();
    let sign = if value < 0 { "-" } else { "" };
    let (whole, fraction) = (value.unsigned_abs() / scale, value.unsigned_abs() % scale);
    format!("{sign}{whole}.{fraction:0width$}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn amounts_are_read_exactly_in_the_decimals_of_their_currency() {
        assert_eq!(Money::parse("12.5", currency("EUR")).unwrap().minor, 1250);
        assert_eq!(Money::parse("12.500", currency("EUR")).unwrap().minor, 1250);
        assert_eq!(Money::parse("1200", currency("JPY")).unwrap().minor, 1200);
        assert_eq!(Money::parse("0.125", currency("BHD")).unwrap().minor, 125);
        assert_eq!(Money::parse("-0.01", currency("EUR")).unwrap().minor, -1);
    }

    #[test]
    fn what_is_no_amount_is_told_apart() {
        let eur = currency("EUR");
        for text in ["", " 1", "1e3", "NaN", "inf", "1,5", "+1", "0x1", ".5", "5.", "--1", "１"] {
            assert_eq!(Money::parse(text, eur), Err(NumberError::NotANumber), "{text:?}");
        }
        assert_eq!(Money::parse("0.001", eur), Err(NumberError::TooManyDecimals));
        assert_eq!(Money::parse("99999999999999999999", eur), Err(NumberError::TooLarge));
        assert_eq!(Money::parse_unsigned("-1", eur), Err(NumberError::Negative));
        assert_eq!("XAU".parse::<Currency>(), Err(NumberError::UnknownCurrency));
        assert_eq!("eur".parse::<Currency>(), Err(NumberError::UnknownCurrency));
    }

    #[test]
    fn rates_keep_four_decimals() {
        assert_eq!("1.5".parse::<Rate>().unwrap().ten_thousandths(), 15_000);
        assert_eq!("0.0001".parse::<Rate>().unwrap().to_string(), "0.0001");
        assert_eq!(Rate::ONE.to_string(), "1");
        assert_eq!("0.00001".parse::<Rate>(), Err(NumberError::TooManyDecimals));
    }

    #[test]
    fn the_largest_remainders_get_the_odd_units() {
        assert_eq!(spread(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(spread(10, &[999, 1]), [10, 0]);
        assert_eq!(spread(2, &[5, 0, 5]), [1, 0, 1]);
        assert_eq!(spread(0, &[0, 0]), [0, 0]);
    }

    proptest! {
        #[test]
        fn shares_add_up_and_none_exceeds_its_weight(
            weights in prop::collection::vec(0..=Money::MAX_MINOR, 1..40),
            part in 0.0..=1.0_f64,
        ) {
            let sum: i64 = weights.iter().sum();
            #[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any part will do")]
            let amount = ((sum as f64 * part) as i64).clamp(0, sum);
            let shares = spread(amount, &weights);
            prop_assert_eq!(shares.iter().sum::<i64>(), amount);
            prop_assert!(shares.iter().zip(&weights).all(|(share, weight)| (0..=*weight).contains(share)));
        }

        #[test]
        fn every_amount_reads_back(minor in -Money::MAX_MINOR..=Money::MAX_MINOR) {
            for code in ["EUR", "JPY", "BHD"] {
                let money = Money { minor, currency: currency(code) };
                prop_assert_eq!(Money::parse(&money.amount(), money.currency), Ok(money));
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = Money::parse(&text, currency("EUR"));
            let _ = text.parse::<Rate>();
        }
    }
}
