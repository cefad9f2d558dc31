//! Where in MJML a value may stand: in text, and within the quotes of a few attributes. What is escaped there cannot become
//! markup; elsewhere it could.

use super::Refusal;
use super::code::{Piece, Token};

/// Attributes that hold addresses and texts.
const OPEN_ATTRIBUTES: [&str; 4] = ["href", "src", "alt", "title"];
/// Attributes that say in which direction and language something is read, and what they may be filled in with.
const READING_ATTRIBUTES: [&str; 5] = ["align", "text-align", "dir", "direction", "lang"];
const READING_VALUES: [&str; 3] = ["direction", "side", "language"];

#[derive(Default)]
struct Walk {
    /// What was read of the tag that is open, without what stands in quotes; none outside of tags.
    tag: Option<String>,
    /// Within which quotes.
    quote: Option<char>,
    /// Between `<mj-style>` and its end.
    in_style: bool,
}

/// Refuses values where they could become anything but text.
pub(super) fn check(pieces: &[Piece<'_>]) -> Result<(), Refusal> {
    let mut walk = Walk::default();
    for piece in pieces {
        match piece {
            Piece::Text(text) => walk.read(text),
            Piece::Output(tokens) => walk.check(Some(tokens))?,
            Piece::Tag(_) => walk.check(None)?,
        }
    }
    Ok(())
}

impl Walk {
    fn read(&mut self, text: &str) {
        for c in text.chars() {
            match (&mut self.tag, self.quote) {
                (None, _) if c == '<' => self.tag = Some(String::new()),
                (Some(_), Some(quote)) if c == quote => {
                    self.quote = None;
                    // The next name is no part of this one.
                    self.push(' ');
                }
                (None, _) | (Some(_), Some(_)) => {}
                (Some(_), None) if c == '>' => self.end_tag(),
                (Some(_), None) if c == '"' || c == '\'' => self.quote = Some(c),
                (Some(_), None) => self.push(c),
            }
        }
    }

    fn push(&mut self, c: char) {
        if let Some(tag) = &mut self.tag {
            tag.push(c);
        }
    }

    fn end_tag(&mut self) {
        let tag = self.tag.take().unwrap_or_default();
        match tag.split_whitespace().next() {
            Some("mj-style") => self.in_style = true,
            Some("/mj-style") => self.in_style = false,
            _ => {}
        }
    }

    fn check(&self, output: Option<&[Token<'_>]>) -> Result<(), Refusal> {
        let Some(tag) = &self.tag else {
            return if self.in_style {
                Refusal::of("nothing can be filled in within mj-style")
            } else {
                Ok(())
            };
        };
        if self.quote.is_none() {
            return Refusal::of("within a tag, code can only stand between the quotes of an attribute");
        }
        let name = tag.trim_end().trim_end_matches('=').split_whitespace().last().unwrap_or_default();
        if OPEN_ATTRIBUTES.contains(&name) {
            return Ok(());
        }
        let is_reading = |tokens: &[Token<'_>]| {
            matches!(*tokens, [Token::Name("person"), Token::Sign("."), Token::Name(value)]
                if READING_VALUES.contains(&value))
        };
        if READING_ATTRIBUTES.contains(&name) && output.is_some_and(is_reading) {
            return Ok(());
        }
        Refusal::of(format!("the attribute `{name}` cannot be filled in like this"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::templates::code::pieces;

    fn is_fine(source: &str) -> bool {
        check(&pieces(source).unwrap()).is_ok()
    }

    #[test]
    fn values_stand_in_text_and_in_a_few_attributes_only() {
        for fine in [
            "<p>{{ a }}{% if a %}<b>{{ a }}</b>{% endif %}</p>",
            "<a href=\"{{ a }}\" title='{{ a }}'>x</a>",
            "<mj-text align=\"{{ person.side }}\">x</mj-text>",
            "<mj-style>a > b { }</mj-style><p>{{ a }}</p>",
        ] {
            assert!(is_fine(fine), "{fine}");
        }
        for refused in [
            "<{{ a }}>",
            "<a {{ a }}>",
            "<a href={{ a }}>",
            "<a {% if a %}href=\"x\"{% endif %}>",
            "<p style=\"{{ a }}\">",
            "<p onclick=\"{{ a }}\">",
            "<p align=\"{{ a }}\">",
            "<p align=\"{{ person.name }}\">",
            "<p align=\"{% if a %}left{% endif %}\">",
            "<p alt=\"'\" {{ a }}>",
            "<mj-style>{{ a }}</mj-style>",
            "<mj-style inline=\"inline\">{% if a %}{% endif %}</mj-style>",
        ] {
            assert!(!is_fine(refused), "{refused}");
        }
    }
}
