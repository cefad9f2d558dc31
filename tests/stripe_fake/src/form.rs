//! Parameters, as they come in a query or a form: `items[0][price]=price_1`.

use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::refusal::Refusal;

/// The decoded parameters of a call, in the order in which they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(query: &str, body: &[u8]) -> Self {
        let decode = |text| form_urlencoded::parse(text).into_owned();
        Self(decode(query.as_bytes()).chain(decode(body)).collect())
    }

    /// The pairs as sent.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The parameter of that full name, such as `items[0][price]`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether anything was sent under that name, itself or below it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name || below(key, name).is_some())
    }

    pub(crate) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            Refusal::parameter(name, "parameter_missing", &format!("Missing required param: {name}."))
        })
    }

    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.text(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        let number = value.parse().ok();
        let refusal =
            || Refusal::parameter(name, "parameter_invalid_integer", &format!("Invalid integer: {value}"));
        number.map(Some).ok_or_else(refusal)
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Refusal::invalid(&format!("Invalid boolean: {other}")).with("param", name)),
        }
    }

    /// One of `values`; the first of them if nothing was sent.
    pub(crate) fn one_of<'a>(&self, name: &str, values: &[&'a str]) -> Result<&'a str, Refusal> {
        let Some(sent) = self.text(name) else { return Ok(values.first().copied().unwrap_or_default()) };
        let found = values.iter().find(|value| **value == sent);
        found.copied().ok_or_else(|| {
            Refusal::invalid(&format!("Invalid {name}: must be one of {}", values.join(", ")))
                .with("param", name)
        })
    }

    /// All of `name[]`, `name[0]`, `name[1]` …
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| below(key, name).is_some()).map(|(_, value)| value.as_str()).collect()
    }

    /// Lays `name[key]=value` over a map: an empty value takes the key out, an empty map all of them.
    pub(crate) fn merge(&self, name: &str, onto: &Value) -> Value {
        let mut map = onto.as_object().cloned().unwrap_or_default();
        if self.text(name) == Some("") {
            map = Map::new();
        }
        for (key, value) in &self.0 {
            let Some(inner) = below(key, name).map(|inner| inner.trim_end_matches(']')) else { continue };
            if value.is_empty() {
                map.remove(inner);
            } else {
                map.insert(inner.to_owned(), Value::from(value.as_str()));
            }
        }
        map.into()
    }

    /// Refuses what this fake would ignore: a test must not rest on a parameter that does nothing.
    pub(crate) fn only(&self, names: &[&str]) -> Result<(), Refusal> {
        let unknown = |(key, _): &&(String, String)| {
            let outer = key.split('[').next().unwrap_or_default();
            outer != "expand" && !names.contains(&outer)
        };
        match self.0.iter().find(unknown) {
            None => Ok(()),
            Some((key, _)) => Err(Refusal::parameter(
                key,
                "parameter_unknown",
                &format!("Received unknown parameter: {key}"),
            )),
        }
    }

    /// The parameters below `name`, without that prefix: `data[trial_end]` becomes `trial_end`.
    pub(crate) fn inside(&self, name: &str) -> Self {
        let pair = |(key, value): &(String, String)| {
            let inner = below(key, name)?;
            let (first, rest) = inner.split_once(']')?;
            Some((format!("{first}{rest}"), value.clone()))
        };
        Self(self.0.iter().filter_map(pair).collect())
    }

    /// One page of a list, by `limit`, `starting_after` and `ending_before`.
    pub(crate) fn page(&self, url: &str, all: &[Value]) -> Result<Value, Refusal> {
        let limit = self.int("limit")?.unwrap_or(10);
        let limit =
            usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
                Refusal::parameter(
                    "limit",
                    "parameter_invalid_integer",
                    "This value must be between 1 and 100",
                )
            })?;
        let place = |param: &str, id: &str| {
            let found = all.iter().position(|doc| doc["id"] == id);
            found.ok_or_else(|| Refusal::no_such(param, "object", id))
        };
        let before = self.text("ending_before").map(|id| place("ending_before", id)).transpose()?;
        let after = self.text("starting_after").map(|id| place("starting_after", id)).transpose()?;
        let (from, to) = before.map_or_else(
            || {
                let from = after.map_or(0, |after| after + 1);
                (from, (from + limit).min(all.len()))
            },
            |before| (before.saturating_sub(limit), before),
        );
        let has_more = if before.is_some() { from > 0 } else { to < all.len() };
        let data = all.get(from..to).unwrap_or_default();
        Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": data }))
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }
}

/// What follows the opening bracket, if `key` is inside `name`.
fn below<'a>(key: &'a str, name: &str) -> Option<&'a str> {
    key.strip_prefix(name)?.strip_prefix('[')
}
