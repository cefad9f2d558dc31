//! Documents that were parsed before: storefronts send the same ones with other variables.

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Request, ServerError};
use moka::sync::Cache;

/// Bytes of documents that are kept at most, as they were sent; parsed they take some ten times that.
const MOST_BYTES: u64 = 1 << 20;

/// The documents that are known.
#[derive(Debug)]
pub struct Documents(Cache<String, ExecutableDocument>);

impl Default for Documents {
    fn default() -> Self {
        let bytes = |text: &String, _: &ExecutableDocument| u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(bytes).build())
    }
}

impl Documents {
    /// The document of `request`, parsed.
    pub(super) fn parse<'a>(&self, request: &'a mut Request) -> Result<&'a ExecutableDocument, ServerError> {
        match self.0.get(&request.query) {
            Some(known) => {
                request.set_parsed_query(known);
                request.parsed_query()
            }
            None => {
                let text = request.query.clone();
                let parsed = request.parsed_query()?;
                self.0.insert(text, parsed.clone());
                Ok(parsed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_the_same_when_it_is_known_and_one_that_is_none_stays_refused() {
        let documents = Documents::default();
        let parsed = |text: &str| {
            let mut request = Request::new(text);
            documents.parse(&mut request).map(|document| format!("{document:?}"))
        };
        let first = parsed("query Q($n: Int) { a(first: $n) { b } }").unwrap();
        assert_eq!(parsed("query Q($n: Int) { a(first: $n) { b } }").unwrap(), first);
        assert_ne!(parsed("query Q($n: Int) { a(first: $n) { c } }").unwrap(), first);
        for _ in 0..2 {
            assert!(parsed("query {").is_err());
        }
    }
}
