//! Counts the tokens of a GraphQL document and how deep its brackets nest, in one pass and without building anything, so
//! that a large document is refused before anybody parses it.

/// What a document is made of, before it is parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    /// Names, numbers, strings and punctuators; commas, white space and comments are none.
    pub(super) count: u32,
    /// The deepest nesting of `{ [ (`.
    pub(super) nesting: u32,
}

impl Tokens {
    /// Counts; what is no GraphQL counts as one token a character and is left to the parser.
    pub(super) fn of(source: &str) -> Self {
        let mut tokens = Self::default();
        let mut open = 0_u32;
        let mut rest = source.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            rest = match *first {
                b' ' | b'\t' | b'\r' | b'\n' | b',' => tail,
                b'#' => after_comment(tail),
                byte => {
                    tokens.count = tokens.count.saturating_add(1);
                    match byte {
                        b'{' | b'[' | b'(' => open = open.saturating_add(1),
                        b'}' | b']' | b')' => open = open.saturating_sub(1),
                        _other => {}
                    }
                    after_token(byte, rest, tail)
                }
            };
            tokens.nesting = tokens.nesting.max(open);
        }
        tokens
    }
}

/// What follows the token that begins with `first`; `rest` begins with it, `tail` behind its first byte.
fn after_token<'a>(first: u8, rest: &'a [u8], tail: &'a [u8]) -> &'a [u8] {
    match first {
        b'"' => rest.strip_prefix(b"\"\"\"").map_or_else(|| after_string(tail), after_block_string),
        b'.' => rest.strip_prefix(b"...").unwrap_or(tail),
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => skip(tail, |byte| byte.is_ascii_alphanumeric() || byte == b'_'),
        b'-' | b'0'..=b'9' => after_number(tail),
        // The byte order mark and other characters of several bytes: their later bytes are no tokens.
        0x80.. => skip(tail, |byte| (0x80..0xc0).contains(&byte)),
        _punctuator => tail,
    }
}

fn skip(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|byte| !belongs(*byte)).unwrap_or(bytes.len());
    bytes.get(end..).unwrap_or_default()
}

fn after_comment(bytes: &[u8]) -> &[u8] {
    skip(bytes, |byte| byte != b'\n' && byte != b'\r')
}

/// Digits, a fraction and an exponent, as far as they are there.
fn after_number(bytes: &[u8]) -> &[u8] {
    let digits = |bytes| skip(bytes, |byte| byte.is_ascii_digit());
    let mut rest = digits(bytes);
    if let [b'.', b'0'..=b'9', ..] = rest {
        rest = digits(rest.get(1..).unwrap_or_default());
    }
    match rest {
        [b'e' | b'E', b'0'..=b'9', ..] => digits(rest.get(1..).unwrap_or_default()),
        [b'e' | b'E', b'+' | b'-', b'0'..=b'9', ..] => digits(rest.get(2..).unwrap_or_default()),
        _no_exponent => rest,
    }
}

/// A string ends at its quote, or with its line if nobody closed it.
fn after_string(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [] => return bytes,
            [b'"' | b'\n' | b'\r', tail @ ..] => return tail,
            [b'\\', _escaped, tail @ ..] => tail,
            [_, tail @ ..] => tail,
        };
    }
}

fn after_block_string(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [] => return bytes,
            [b'"', b'"', b'"', tail @ ..] => return tail,
            [b'\\', b'"', b'"', b'"', tail @ ..] | [_, tail @ ..] => tail,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Tokens;

    fn count(source: &str) -> u32 {
        Tokens::of(source).count
    }

    #[test]
    fn every_kind_of_token_counts_once() {
        assert_eq!(count(""), 0);
        assert_eq!(count("{ shop { name } }"), 6);
        assert_eq!(count("query Q($a: Int! = -1.5e+3, $b: [ID!]) @d { x(a: $a) }"), 29);
        assert_eq!(count("{ ...F } fragment F on Q { __typename }"), 11);
        assert_eq!(count("# a comment {}\n{ a, b,,, c } # more"), 5);
        assert_eq!(count("\u{feff}{a}"), 4);
    }

    #[test]
    fn strings_are_one_token_whatever_is_in_them() {
        assert_eq!(count(r#"{ a(b: "x \" { } \\") }"#), 8);
        assert_eq!(count(r#"{ a(b: """ " "" \""" { } """) }"#), 8);
        assert_eq!(count("\"open\n{"), 2);
        assert_eq!(count("\"\"\"open {{{"), 1);
        assert_eq!(count("\"\" \"\""), 2);
    }

    #[test]
    fn brackets_nest_and_do_not_go_below_zero() {
        assert_eq!(Tokens::of("{ a(b: [[1]]) { c } }").nesting, 4);
        assert_eq!(Tokens::of("}}}{").nesting, 1);
        assert_eq!(Tokens::of(&"[".repeat(9_000)), Tokens { count: 9_000, nesting: 9_000 });
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_count_more_than_its_bytes(source in "\\PC*|[\"\\\\#{}().\n-9ea ]*") {
            let tokens = Tokens::of(&source);
            prop_assert!(usize::try_from(tokens.count).unwrap() <= source.len());
            prop_assert!(tokens.nesting <= tokens.count);
        }

        #[test]
        fn names_count_as_many_as_there_are(names in prop::collection::vec("[_a-zA-Z][_a-zA-Z0-9]{0,9}", 0..50)) {
            prop_assert_eq!(usize::try_from(count(&names.join(" "))).unwrap(), names.len());
            prop_assert_eq!(usize::try_from(count(&names.join(",\n"))).unwrap(), names.len());
        }
    }
}
