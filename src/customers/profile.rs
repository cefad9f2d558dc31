//! What people and shops write about a customer, in bounds.

use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $error:ident, $message:literal, $holds:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        #[doc = concat!("The text ", $message, ".")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
        #[error($message)]
        pub struct $error;

        impl $name {
            /// What a text that is none is told.
            pub const BOUNDS: &str = $message;

            /// As written, without spaces around it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                let holds: fn(&str) -> bool = $holds;
                let text = text.trim();
                if holds(text) { Ok(Self(text.to_owned())) } else { Err($error) }
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    )*};
}

texts! {
    /// A person's name.
    PersonName, NotAName, "is not a name of 1 to 200 characters", |text| {
        (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    };

    /// A language and, perhaps, a region: BCP 47, such as `nl-BE`.
    Locale, NotALocale, "is not a language tag such as nl or nl-BE", |text| {
        let mut parts = text.split('-');
        let language = parts.next().unwrap_or_default();
        (2..=3).contains(&language.len())
            && language.bytes().all(|byte| byte.is_ascii_alphabetic())
            && text.len() <= 35
            && parts.all(|part| {
                (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
    };

    /// A telephone number, loosely E.164: digits and spaces, and perhaps a plus in front.
    PhoneNumber, NotAPhoneNumber, "is not a telephone number: 5 to 20 digits, perhaps with spaces and a + in front", |text| {
        let number = text.strip_prefix('+').unwrap_or(text);
        number.len() <= 40
            && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b' ')
            && (5..=20).contains(&number.bytes().filter(u8::is_ascii_digit).count())
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_has_no_line_breaks() {
        assert_eq!(PersonName::try_from(" Anna de Wit ".to_owned()).unwrap().as_str(), "Anna de Wit");
        for other in ["", "  ", "Anna\r\nBcc: eve@example.com", &"a".repeat(201)] {
            assert!(PersonName::try_from(other.to_owned()).is_err(), "{other:?}");
        }
    }

    #[test]
    fn a_locale_is_a_language_tag() {
        for good in ["nl", "nl-BE", "zh-Hant-TW", "en-001"] {
            assert!(Locale::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for other in ["", "n", "nl_BE", "nl-", "12", "nl-BE\n-x", "abcdefghi"] {
            assert!(Locale::try_from(other.to_owned()).is_err(), "{other:?}");
        }
    }

    #[test]
    fn a_phone_number_is_digits_with_spaces_and_perhaps_a_plus() {
        for good in ["+31 20 123 4567", "0201234567", "12345", "+1 2 3 4 5"] {
            assert!(PhoneNumber::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for other in ["", "+", "1234", "020-1234567", "+31+20123", "1".repeat(21).as_str(), "١٢٣٤٥"] {
            assert!(PhoneNumber::try_from(other.to_owned()).is_err(), "{other:?}");
        }
    }
}
