//! What a customer prefers: texts by name, which mean something to the shop only.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;
use thiserror::Error;

/// At most so many.
const MOST: usize = 50;

/// Texts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Preferences(BTreeMap<String, String>);

/// What is wrong with preferences.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotPreferences {
    /// More than there may be.
    #[error("may have 50 keys at most")]
    TooMany,
    /// A key that is none.
    #[error("has a key that is not 1 to 64 of a-z, 0-9, dot, underscore and hyphen")]
    Key,
    /// A value that is none.
    #[error("has a value that is not 1 to 500 characters without control characters")]
    Value,
    /// A key that is there twice.
    #[error("has a key twice")]
    Twice,
}

impl Preferences {
    /// Takes pairs of keys and values in bounds.
    pub fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, NotPreferences> {
        let mut preferences = BTreeMap::new();
        for (key, value) in pairs {
            let in_key =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
            if !(1..=64).contains(&key.len()) || !key.bytes().all(in_key) {
                return Err(NotPreferences::Key);
            }
            if !(1..=500).contains(&value.chars().count()) || value.chars().any(char::is_control) {
                return Err(NotPreferences::Value);
            }
            if preferences.insert(key, value).is_some() {
                return Err(NotPreferences::Twice);
            }
            if preferences.len() > MOST {
                return Err(NotPreferences::TooMany);
            }
        }
        Ok(Self(preferences))
    }

    /// As stored.
    pub(crate) fn read(stored: Option<&Json>) -> Self {
        let stored = stored.and_then(Json::as_object);
        let text = |(key, value): (&String, &Json)| Some((key.clone(), value.as_str()?.to_owned()));
        Self(stored.map(|pairs| pairs.iter().filter_map(text).collect()).unwrap_or_default())
    }

    /// To be stored: an object, even if nothing is in it.
    pub(crate) fn stored(&self) -> Json {
        self.0.iter().map(|(key, value)| (key.clone(), Json::from(value.as_str()))).collect()
    }

    /// The pairs by key.
    pub fn pairs(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter()
    }

    /// These, and of `others` those whose keys are not among these, as far as there is room.
    pub(crate) fn with_missing_of(mut self, others: Self) -> Self {
        for (key, value) in others.0 {
            if self.0.len() < MOST {
                self.0.entry(key).or_insert(value);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Preferences, NotPreferences> {
        Preferences::of(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn preferences_are_read_back_as_they_were_stored() {
        let preferences = of(&[("tea.size", "large"), ("colour", "café")]).unwrap();
        assert_eq!(Preferences::read(Some(&preferences.stored())), preferences);
        assert_eq!(Preferences::default().stored(), serde_json::json!({}));
        assert_eq!(Preferences::read(None), Preferences::default());
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        for key in ["", "Tea", "a b", "é", "x".repeat(65).as_str()] {
            assert_eq!(of(&[(key, "1")]), Err(NotPreferences::Key), "{key:?}");
        }
        for value in ["", "a\nb", "x".repeat(501).as_str()] {
            assert_eq!(of(&[("a", value)]), Err(NotPreferences::Value), "{value:?}");
        }
        assert_eq!(of(&[("a", "1"), ("a", "2")]), Err(NotPreferences::Twice));
        let many = |count: usize| Preferences::of((0..count).map(|n| (n.to_string(), "x".to_owned())));
        assert!(many(50).is_ok());
        assert_eq!(many(51), Err(NotPreferences::TooMany));
    }

    #[test]
    fn missing_ones_are_taken_over_and_own_ones_stay() {
        let both = of(&[("a", "1")]).unwrap().with_missing_of(of(&[("a", "2"), ("b", "3")]).unwrap());
        assert_eq!(both, of(&[("a", "1"), ("b", "3")]).unwrap());
    }
}
