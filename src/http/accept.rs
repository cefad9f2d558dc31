//! Which of the two media types of GraphQL over HTTP an answer is written in.

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status tells whether the request could run.
    GraphQl,
    /// `application/json`: 200 for every well-formed request, as old clients expect.
    Json,
}

impl Media {
    /// As a `Content-Type`.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::GraphQl => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }
}

/// Chooses by an `Accept` header: the higher weight wins, `application/graphql-response+json` at the same weight, and
/// `application/json` where only a wildcard asks. None if neither is acceptable.
pub(super) fn negotiate(accept: Option<&str>) -> Option<Media> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return Some(Media::Json);
    };
    let ranges: Vec<(String, u16)> = accept.split(',').map(read_range).collect();
    let weight = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| ranges.iter().find(|(range, _)| range == name))
            .map_or(0, |range| range.1)
    };
    let graphql = weight(&["application/graphql-response+json"]);
    let json = weight(&["application/json", "application/*", "*/*"]);
    match (graphql, json) {
        (0, 0) => None,
        (graphql, json) if graphql >= json => Some(Media::GraphQl),
        _json_weighs_more => Some(Media::Json),
    }
}

/// A media range without its parameters, and its weight in thousandths.
fn read_range(text: &str) -> (String, u16) {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (range, weight.map_or(1_000, read_weight))
}

/// `0.5` as 500; what is no weight counts as none given.
fn read_weight(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let thousandths = format!("{fraction:0<3}");
    match (whole, thousandths.get(..3).and_then(|digits| digits.parse::<u16>().ok())) {
        ("0", Some(thousandths)) => thousandths,
        _one_or_no_weight => 1_000,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Media, negotiate};

    #[test]
    fn old_clients_and_wildcards_get_json() {
        for accept in [None, Some(""), Some("*/*"), Some("application/json"), Some("application/*;q=0.8")] {
            assert_eq!(negotiate(accept), Some(Media::Json), "{accept:?}");
        }
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert_eq!(negotiate(Some(browser)), Some(Media::Json));
    }

    #[test]
    fn the_new_type_wins_where_it_is_named_and_weighs_no_less() {
        for accept in [
            "application/graphql-response+json",
            "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
            "application/json, application/GraphQL-response+json",
            "application/graphql-response+json;q=0.5, */*;q=0.1",
        ] {
            assert_eq!(negotiate(Some(accept)), Some(Media::GraphQl), "{accept}");
        }
        let less = "application/graphql-response+json;q=0.9, application/json";
        assert_eq!(negotiate(Some(less)), Some(Media::Json));
    }

    #[test]
    fn other_types_are_not_acceptable() {
        for accept in ["text/html", "application/json;q=0", "*/*;q=0.000", "image/*"] {
            assert_eq!(negotiate(Some(accept)), None, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(accept in ".*|([a-z*]/[a-z*](;q=[0-9.]*)?,?)*") {
            let _ = negotiate(Some(&accept));
        }
    }
}
