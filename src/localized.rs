//! Texts that the shop writes in several languages, by language tag.

use std::collections::BTreeMap;

use crate::customers::profile::Locale;

/// By language tag, such as `nl` or `nl-BE`.
pub(crate) type Texts = BTreeMap<String, String>;

/// Languages of one thing.
const MOST: usize = 20;

/// Checks their number and their language tags.
pub(crate) fn check_tags(texts: &Texts) -> Result<(), &'static str> {
    if texts.is_empty() || texts.len() > MOST {
        return Err("must be 1 to 20");
    }
    let is_tag = |tag: &String| Locale::try_from(tag.clone()).is_ok_and(|read| read.as_str() == tag);
    if texts.keys().all(is_tag) { Ok(()) } else { Err("must each have a language tag such as nl or nl-BE") }
}

/// Pairs of language tag and text by tag; none if a language is there twice.
pub(crate) fn by_tag(pairs: impl IntoIterator<Item = (String, String)>) -> Option<Texts> {
    let mut texts = Texts::new();
    for (tag, text) in pairs {
        if texts.keys().any(|known| known.eq_ignore_ascii_case(&tag)) {
            return None;
        }
        texts.insert(tag, text);
    }
    Some(texts)
}

/// The text in the wanted language tag, else in its language, else in the shop's, else the first by tag.
pub(crate) fn in_language<'a>(texts: &'a Texts, wanted: Option<&str>, shop: &str) -> &'a str {
    let tagged = |tag: &str| texts.iter().find(|(known, _)| known.eq_ignore_ascii_case(tag));
    let language = |tag: &str| tag.split('-').next().and_then(tagged);
    let found = wanted.into_iter().chain([shop]).find_map(|tag| tagged(tag).or_else(|| language(tag)));
    found.or_else(|| texts.iter().next()).map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_in_the_wanted_language_or_the_shops_or_the_first() {
        let texts = |tags: &[&str]| tags.iter().map(|tag| ((*tag).to_owned(), (*tag).to_owned())).collect();
        let all = texts(&["de", "en", "nl", "nl-BE"]);
        for (wanted, expected) in
            [(Some("nl-be"), "nl-BE"), (Some("nl-NL"), "nl"), (Some("fr"), "en"), (None, "en")]
        {
            assert_eq!(in_language(&all, wanted, "en-GB"), expected, "{wanted:?}");
        }
        assert_eq!(in_language(&texts(&["nl", "de"]), Some("fr"), "en"), "de");
    }
}
