//! E-mail addresses: as written, and the key by which two spellings are one mailbox.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An address that a mail can be sent to; ASCII, at most 254 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

/// Not an address that we can write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not an e-mail address")]
pub struct NotAnAddress;

impl EmailAddress {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes two spellings one mailbox: lower case. Plus-addresses and dots stay distinct: only the mailbox's own
    /// provider knows whether they differ.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        // Unicode look-alikes would be other mailboxes that read as the same: only ASCII is taken.
        let written = text.trim();
        let shaped = written.len() <= 254 && written.is_ascii() && written.parse::<lettre::Address>().is_ok();
        if shaped { Ok(Self(written.to_owned())) } else { Err(NotAnAddress) }
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<String> {
        EmailAddress::try_from(text.to_owned()).ok().map(|address| address.key())
    }

    #[test]
    fn case_does_not_make_another_mailbox_but_a_plus_address_does() {
        assert_eq!(key(" Anna@Example.com "), key("anna@example.com"));
        assert_ne!(key("anna+shop@example.com"), key("anna@example.com"));
    }

    #[test]
    fn what_is_no_address_or_looks_like_another_is_refused() {
        for text in
            ["", "anna", "anna@", "@example.com", "an na@example.com", "anna@exаmple.com", "a@b\r\nBcc: c@d"]
        {
            assert_eq!(key(text), None, "{text:?}");
        }
    }
}
