//! Templates of messages: what the shop writes, or what is built in, and how it is filled in.
//!
//! A template is MJML, and plain text for channels without markup, with a small part of Jinja in it: values, `if` and `for`.
//! Whoever writes one can do no more with it than show what the context has: [`code`] and [`markup`] refuse everything else
//! before any engine sees it, and [`fill`] bounds what it makes.

pub(crate) mod built_in;
mod code;
pub(crate) mod context;
pub(crate) mod fill;
pub(crate) mod formats;
mod markup;
mod places;
pub(crate) mod samples;
pub(crate) mod store;
pub(crate) mod validate;

use std::collections::BTreeMap;

use entity::consent::Purpose;
use entity::message::Channel;
use serde::{Deserialize, Serialize};

/// What a template is, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Body {
    /// What right it needs; transactional, if none.
    pub(crate) purpose: Option<Purpose>,
    /// By which ways it can be sent.
    pub(crate) channels: Vec<Channel>,
    /// What it says, by language tag.
    pub(crate) content: BTreeMap<String, Content>,
}

/// What a template says in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Content {
    /// Of mail: one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// Of mail: what mail programs show beside the subject; `preheader` in the MJML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preheader: Option<String>,
    /// Of mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mjml: Option<String>,
    /// Of mail, for readers of plain text; made of the MJML, if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// Of the other channels: one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    /// Of the other channels: plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) short: Option<String>,
    /// Of the other channels: where it leads; nowhere, if it is filled in with nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) link: Option<String>,
}

impl Content {
    /// Its fields by the names that the API gives them.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = [
            ("subject", &self.subject),
            ("preheader", &self.preheader),
            ("mjml", &self.mjml),
            ("text", &self.text),
            ("title", &self.title),
            ("short", &self.short),
            ("link", &self.link),
        ];
        fields.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)))
    }
}

impl Body {
    /// What it says in the wanted language tag, else in its language, else in the shop's, else in the first by tag.
    pub(crate) fn in_language(&self, wanted: Option<&str>, shop: &str) -> Option<(&str, &Content)> {
        let tags = self.content.keys().map(|tag| (tag.clone(), tag.clone())).collect();
        let tag = crate::localized::in_language(&tags, wanted, shop).to_owned();
        self.content.get_key_value(&tag).map(|(tag, content)| (tag.as_str(), content))
    }
}

/// Why a template is not taken, or cannot be filled in: for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

impl Refusal {
    fn of<T>(problem: impl Into<String>) -> Result<T, Self> {
        Err(Self(problem.into()))
    }
}
