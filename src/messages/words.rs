//! The words of mails: one catalogue a language, from which both the text and the HTML of a mail are made, so that they
//! cannot say different things. Values are text and stay text: the HTML layout escapes whatever it is given.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{Datelike, TimeDelta};
use chrono_tz::Tz;
use entity::Instant;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Deserialize;

use super::template::{Language, Shows, Template};
use crate::error::Fault;

/// The words of every template in every language.
#[derive(Debug)]
pub struct Words {
    templates: Environment<'static>,
    english: Catalogue,
    dutch: Catalogue,
    hebrew: Catalogue,
}

/// What a template is filled in with. Nothing of it was written by whoever caused the mail.
#[derive(Clone, Debug)]
pub(crate) struct Values<'a> {
    /// The shop's name.
    pub(crate) shop: &'a str,
    /// Where its clocks are.
    pub(crate) zone: Tz,
    /// When it happened.
    pub(crate) at: Instant,
    /// How long the code or the token is good.
    pub(crate) life: TimeDelta,
    /// For templates that show a code.
    pub(crate) code: Option<&'a str>,
    /// For templates that show a token.
    pub(crate) token: Option<&'a str>,
    /// Where the token is taken: an `https://` or `http://` address with the token in it, if the shop has such a page.
    pub(crate) link: Option<&'a str>,
}

/// A mail's words, filled in.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    /// One line.
    pub(crate) subject: String,
    /// Plain text.
    pub(crate) text: String,
    /// A whole HTML document.
    pub(crate) html: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    greeting: String,
    code_care: String,
    token_care: String,
    link_copy: String,
    token_paste: String,
    when: String,
    months: [String; 12],
    templates: BTreeMap<Template, Phrases>,
}

/// The words of one template: paragraphs before and after what it shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Phrases {
    subject: String,
    opening: Vec<String>,
    /// On the button that follows the link; empty where there is none.
    #[serde(default)]
    button: String,
    closing: Vec<String>,
}

impl Words {
    /// The words that are part of the program.
    pub fn embedded() -> anyhow::Result<Self> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_auto_escape_callback(|name| {
            if name == "layout.html" { AutoEscape::Html } else { AutoEscape::None }
        });
        templates.add_template("layout.txt", include_str!("words/layout.txt"))?;
        templates.add_template("layout.html", include_str!("words/layout.html"))?;
        Ok(Self {
            templates,
            english: catalogue(Language::English, include_str!("words/en.toml"))?,
            dutch: catalogue(Language::Dutch, include_str!("words/nl.toml"))?,
            hebrew: catalogue(Language::Hebrew, include_str!("words/he.toml"))?,
        })
    }

    fn catalogue(&self, language: Language) -> &Catalogue {
        match language {
            Language::English => &self.english,
            Language::Dutch => &self.dutch,
            Language::Hebrew => &self.hebrew,
        }
    }

    /// The words of a mail; a fault if `values` lacks what the template shows.
    pub(crate) fn render(
        &self,
        template: Template,
        language: Language,
        values: &Values,
    ) -> Result<Rendered, Fault> {
        let catalogue = self.catalogue(language);
        let phrases = catalogue.templates.get(&template);
        let phrases = phrases.ok_or_else(|| Fault::internal("a template without words"))?;
        let shown = Shown::of(template, values)?;
        let shop = plain(values.shop);
        let when = self.when(catalogue, language, values)?;
        let (minutes, days) = (values.life.num_minutes(), values.life.num_days());
        // A phrase that names what its template does not show is a fault.
        let code = shown.code.clone().map_or(Value::UNDEFINED, Value::from);
        let in_subject = context! { shop => shop.as_str(), code => code.clone() };
        let in_paragraph = context! { shop => isolated(language, &shop), code, minutes, days, when };
        let subject = self.fill(&phrases.subject, &in_subject)?;
        let all = |phrases: &[String]| -> Result<Vec<String>, Fault> {
            phrases.iter().map(|phrase| self.fill(phrase, &in_paragraph)).collect()
        };
        let care = match template.shows() {
            Shows::Nothing => String::new(),
            Shows::Code => self.fill(&catalogue.code_care, &in_paragraph)?,
            Shows::Token => self.fill(&catalogue.token_care, &in_paragraph)?,
        };
        let context = context! {
            language => language.tag(),
            direction => if language.is_right_to_left() { "rtl" } else { "ltr" },
            side => if language.is_right_to_left() { "right" } else { "left" },
            subject => subject.as_str(),
            shop => shop,
            greeting => catalogue.greeting.as_str(),
            opening => all(&phrases.opening)?,
            closing => all(&phrases.closing)?,
            button => phrases.button.as_str(),
            code => shown.code,
            link => shown.link,
            token => shown.token,
            care,
            link_copy => catalogue.link_copy.as_str(),
            token_paste => catalogue.token_paste.as_str(),
        };
        let text = self.templates.get_template("layout.txt")?.render(&context)?;
        let html = self.templates.get_template("layout.html")?.render(&context)?;
        Ok(Rendered { subject, text, html })
    }

    fn fill(&self, phrase: &str, values: &Value) -> Result<String, Fault> {
        Ok(self.templates.render_named_str("phrase", phrase, values)?)
    }

    /// The day and the minute, in words and by the shop's clocks.
    fn when(&self, catalogue: &Catalogue, language: Language, values: &Values) -> Result<String, Fault> {
        let at = values.at.with_timezone(&values.zone);
        let month = usize::try_from(at.month0())?;
        let month = catalogue.months.get(month).ok_or_else(|| Fault::internal("a thirteenth month"))?;
        let time = at.format("%H:%M").to_string();
        // In a paragraph that is read from right to left, what is written from left to right stands apart.
        let zone = isolated(language, &at.format("%Z").to_string());
        let values = context! { day => at.day(), month => month.as_str(), year => at.year(), time, zone };
        self.fill(&catalogue.when, &values)
    }
}

fn catalogue(language: Language, text: &'static str) -> anyhow::Result<Catalogue> {
    let catalogue: Catalogue =
        toml::from_str(text).with_context(|| format!("the words in {} are no catalogue", language.tag()))?;
    for template in Template::ALL {
        let phrases = catalogue.templates.get(&template);
        let is_whole =
            phrases.is_some_and(|phrases| (template.shows() == Shows::Token) != phrases.button.is_empty());
        anyhow::ensure!(is_whole, "{} is not whole in {}", template.name(), language.tag());
    }
    Ok(catalogue)
}

/// What a template shows of the values, and nothing else of them.
#[derive(Default)]
struct Shown {
    code: Option<String>,
    link: Option<String>,
    token: Option<String>,
}

impl Shown {
    fn of(template: Template, values: &Values) -> Result<Self, Fault> {
        let missing = || Fault::internal("a mail without what it is to show");
        match template.shows() {
            Shows::Nothing => Ok(Self::default()),
            Shows::Code => {
                let code = values.code.ok_or_else(missing)?;
                Ok(Self { code: Some(plain(code)), ..Self::default() })
            }
            Shows::Token => match values.link {
                Some(link) if is_address(link) => Ok(Self { link: Some(plain(link)), ..Self::default() }),
                Some(_) => Err(Fault::internal("a link that leads to no web page")),
                None => {
                    let token = values.token.ok_or_else(missing)?;
                    Ok(Self { token: Some(plain(token)), ..Self::default() })
                }
            },
        }
    }
}

fn is_address(link: &str) -> bool {
    link.starts_with("https://") || link.starts_with("http://")
}

/// One line without anything that ends it or turns its direction.
pub(super) fn plain(value: &str) -> String {
    value.chars().map(|c| if breaks(c) { ' ' } else { c }).collect()
}

/// The same with its line breaks.
pub(super) fn plain_lines(value: &str) -> String {
    value.chars().map(|c| if c != '\n' && breaks(c) { ' ' } else { c }).collect()
}

fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn isolated(language: Language, value: &str) -> String {
    if language.is_right_to_left() { format!("\u{2068}{value}\u{2069}") } else { value.to_owned() }
}

#[cfg(test)]
mod tests;
