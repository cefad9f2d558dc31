//! Countries of addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A country: two letters of ISO 3166-1, in upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CountryCode(&'static str);

/// Not two letters that ISO 3166-1 gives a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not a country code of ISO 3166-1, two letters such as NL")]
pub struct NotACountry;

impl CountryCode {
    /// Such as `NL`.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl FromStr for CountryCode {
    type Err = NotACountry;

    fn from_str(text: &str) -> Result<Self, NotACountry> {
        // The list is asked for two letters only: what it would make of another text is not ours to know.
        let is_shaped = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        let found = is_shaped.then(|| rust_iso3166::from_alpha2(&text.to_ascii_uppercase())).flatten();
        found.map(|country| Self(country.alpha2)).ok_or(NotACountry)
    }
}

impl TryFrom<String> for CountryCode {
    type Error = NotACountry;

    fn try_from(text: String) -> Result<Self, NotACountry> {
        text.parse()
    }
}

impl From<CountryCode> for String {
    fn from(country: CountryCode) -> Self {
        country.0.to_owned()
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_letters_that_the_standard_assigns() {
        assert_eq!("nl".parse::<CountryCode>().unwrap().as_str(), "NL");
        for country in ["BE", "GB", "US", "SS", "AX", "CW"] {
            assert_eq!(country.parse::<CountryCode>().unwrap().as_str(), country);
        }
        for other in ["", "N", "NLD", "528", "XX", "UK", "EU", "ZZ", "é", "n ", "ＮＬ"] {
            assert_eq!(other.parse::<CountryCode>(), Err(NotACountry), "{other:?}");
        }
    }
}
