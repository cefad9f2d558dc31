//! Documents that were parsed before: storefronts send the same ones with other variables.

use std::sync::LazyLock;

use async_graphql::Request;
use async_graphql::parser::types::ExecutableDocument;
use moka::sync::Cache;

/// Bytes that are kept at most.
const MOST_BYTES: u64 = 16 << 20;
/// What a byte of text takes once it is parsed, at most.
const GROWTH: usize = 100;

/// The documents that are known, whoever sent them: what a text means depends on nothing else.
static KNOWN: LazyLock<Cache<String, ExecutableDocument>> = LazyLock::new(|| {
    let bytes =
        |text: &String, _: &ExecutableDocument| u32::try_from(text.len() * GROWTH).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(MOST_BYTES).weigher(bytes).build()
});

/// Gives `request` its document if that is known; otherwise answers the text under which to keep it, unless it may hold
/// somebody's secret.
pub(super) fn recall(request: &mut Request) -> Option<String> {
    if let Some(known) = KNOWN.get(&request.query) {
        request.set_parsed_query(known);
        return None;
    }
    (!request.query.contains('"')).then(|| request.query.clone())
}

/// Keeps a document that is within the limits.
pub(super) fn keep(text: String, document: &ExecutableDocument) {
    KNOWN.insert(text, document.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_the_same_when_it_is_known() {
        let text = "query Q($n: Int) { a(first: $n) { known } }";
        let mut first = Request::new(text);
        assert_eq!(recall(&mut first).as_deref(), Some(text));
        let parsed = format!("{:?}", first.parsed_query().unwrap());
        keep(text.to_owned(), first.parsed_query().unwrap());
        let mut second = Request::new(text);
        assert_eq!(recall(&mut second), None);
        assert_eq!(format!("{:?}", second.parsed_query().unwrap()), parsed);
        let mut other = Request::new("query Q($n: Int) { a(first: $n) { other } }");
        assert!(recall(&mut other).is_some());
        assert_ne!(format!("{:?}", other.parsed_query().unwrap()), parsed);
    }

    #[test]
    fn a_text_with_a_value_in_it_is_not_kept() {
        assert_eq!(recall(&mut Request::new("mutation { signIn(password: \"secret\") { id } }")), None);
    }
}
