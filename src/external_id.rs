//! Ids that the shop gives: of orders, customers and products.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The shop's own id of a thing: 1 to 255 visible characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExternalId(String);

/// Empty, too long, or with white space or control characters in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not 1 to 255 visible characters")]
pub struct NotAnExternalId;

impl ExternalId {
    /// As the shop wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ExternalId {
    type Error = NotAnExternalId;

    fn try_from(text: String) -> Result<Self, NotAnExternalId> {
        let visible = !text.chars().any(|c| c.is_control() || c.is_whitespace());
        // Characters are only counted when bytes leave it open.
        let fits = !text.is_empty() && (text.len() <= 255 || text.chars().take(256).count() <= 255);
        if visible && fits { Ok(Self(text)) } else { Err(NotAnExternalId) }
    }
}

impl From<ExternalId> for String {
    fn from(id: ExternalId) -> Self {
        id.0
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks a code by which the shop calls what it states here: 1 to 60 of a-z, 0-9 and -.
pub(crate) fn check_code(code: &str) -> Result<(), &'static str> {
    let is_code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=60).contains(&code.len()) && code.bytes().all(is_code);
    if fits { Ok(()) } else { Err("must be 1 to 60 of a-z, 0-9 and -") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_id(text: &str) -> bool {
        ExternalId::try_from(text.to_owned()).is_ok()
    }

    #[test]
    fn an_id_has_up_to_255_visible_characters() {
        assert!(is_id("#1001/ב"));
        assert!(is_id(&"ב".repeat(255)));
        for text in [String::new(), "a b".to_owned(), "a\n".to_owned(), "a\0".to_owned(), "x".repeat(256)] {
            assert!(!is_id(&text), "{text:?}");
        }
    }
}
