//! Fills a template in: pure, and bounded in time and in what it makes, whoever wrote the template and whatever the values are.

use std::collections::{BTreeMap, HashMap};
use std::io;

use minijinja::value::StringInput;
use minijinja::{AutoEscape, Environment, State, UndefinedBehavior, Value, filters};
use mrml::prelude::parser::ParserOptions;
use mrml::prelude::render::RenderOptions;
use serde_json::Value as Json;

use super::{Content, Refusal, code, formats, markup, places};
use crate::messages::template::Language;
use crate::messages::words::{Rendered, plain, plain_lines};

/// Bytes of one field of a template.
pub(crate) const LONGEST_SOURCE: usize = 64 * 1024;
/// Bytes of MJML, filled in, and of the HTML that it becomes.
const LONGEST_MARKUP: usize = 256 * 1024;
/// Bytes of plain text.
const LONGEST_TEXT: usize = 100 * 1024;
/// Bytes of a field of one line, before it is cut.
const LONGEST_LINE: usize = 4 * 1024;
/// Characters that are left of a subject or title.
const SHOWN_OF_LINE: usize = 200;
/// Characters that are left of the text of a short message.
const SHOWN_OF_SHORT: usize = 2_000;
/// Characters of a link.
const LONGEST_LINK: usize = 2_000;
/// Steps of the engine in one field.
const STEPS: u64 = 50_000;
/// Columns of plain text.
const WIDTH: usize = 76;

/// A short message: for inboxes, phones and devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// One line.
    pub(crate) title: String,
    /// Plain text.
    pub(crate) body: String,
    /// An address of the web.
    pub(crate) link: Option<String>,
}

/// What a field becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Line,
    Text,
    Markup,
}

impl Kind {
    fn limit(self) -> usize {
        match self {
            Self::Line => LONGEST_LINE,
            Self::Text => LONGEST_TEXT,
            Self::Markup => LONGEST_MARKUP,
        }
    }
}

/// A mail of `content` with what `values` has.
pub(crate) fn mail(content: &Content, values: &Json, language: &str) -> Result<Rendered, Refusal> {
    let engine = Engine::new(values, language);
    let subject = line(&engine.fill("subject", content.subject.as_deref(), Kind::Line, &[])?, SHOWN_OF_LINE);
    if subject.is_empty() {
        return Refusal::of("subject: is empty");
    }
    let preheader = match &content.preheader {
        Some(preheader) => line(&engine.fill("preheader", Some(preheader), Kind::Line, &[])?, SHOWN_OF_LINE),
        None => String::new(),
    };
    let more = [("subject", subject.as_str()), ("preheader", preheader.as_str())];
    let mjml = engine.fill("mjml", content.mjml.as_deref(), Kind::Markup, &more)?;
    let html = html(&mjml).map_err(|Refusal(problem)| Refusal(format!("mjml: {problem}")))?;
    let text = match &content.text {
        Some(text) => plain_lines(&engine.fill("text", Some(text), Kind::Text, &more)?),
        None => as_text(&html)?,
    };
    Ok(Rendered { subject, text, html })
}

/// A short message of `content` with what `values` has.
pub(crate) fn note(content: &Content, values: &Json, language: &str) -> Result<Note, Refusal> {
    let engine = Engine::new(values, language);
    let title = line(&engine.fill("title", content.title.as_deref(), Kind::Line, &[])?, SHOWN_OF_LINE);
    let body = engine.fill("short", content.short.as_deref(), Kind::Text, &[])?;
    let body = cut(plain_lines(&body).trim(), SHOWN_OF_SHORT);
    if title.is_empty() || body.is_empty() {
        return Refusal::of("title and short: must not be empty");
    }
    let link = match &content.link {
        Some(link) => engine.fill("link", Some(link), Kind::Line, &[])?,
        None => String::new(),
    };
    let link = link.trim();
    let is_web = link.starts_with("https://") || link.starts_with("http://");
    let is_one = !link.contains(|c: char| c.is_whitespace() || c.is_control());
    let fits = is_web && is_one && link.len() <= LONGEST_LINK;
    if !link.is_empty() && !fits {
        return Refusal::of("link: is no address of the web");
    }
    Ok(Note { title, body, link: (!link.is_empty()).then(|| link.to_owned()) })
}

fn line(text: &str, most: usize) -> String {
    let words: Vec<String> = plain(text).split_whitespace().map(str::to_owned).collect();
    cut(&words.join(" "), most)
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn html(mjml: &str) -> Result<String, Refusal> {
    let mjml = markup::referenced(mjml);
    markup::check(&mjml)?;
    let parsed = mrml::parse_with_options(&mjml, &ParserOptions::default());
    let parsed = parsed.map_err(|error| Refusal(format!("is no MJML: {error}")))?;
    // Without its fonts: they would be loaded from others, who would see who reads what.
    let options = RenderOptions { disable_comments: false, social_icon_origin: None, fonts: HashMap::new() };
    let html = parsed.element.render(&options).map_err(|error| Refusal(format!("is no MJML: {error}")))?;
    if html.len() > LONGEST_MARKUP { Refusal::of("is more than 256 KiB of HTML") } else { Ok(html) }
}

/// What readers of plain text see: links are written out below.
fn as_text(html: &str) -> Result<String, Refusal> {
    let config = html2text::config::plain_no_decorate().link_footnotes(true).raw_mode(true);
    let text = config.allow_width_overflow().no_link_wrapping().string_from_read(html.as_bytes(), WIDTH);
    let text = text.map_err(|error| Refusal(format!("mjml: cannot be made plain text: {error}")))?;
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && lines.last().is_none_or(|last| last.is_empty())) {
            lines.push(line);
        }
    }
    let text = plain_lines(lines.join("\n").trim_end());
    if text.len() > LONGEST_TEXT { Refusal::of("mjml: is more than 100 KiB of text") } else { Ok(text) }
}

struct Engine<'a> {
    context: &'a Json,
    language: Language,
}

impl<'a> Engine<'a> {
    fn new(context: &'a Json, language: &str) -> Self {
        Self { context, language: Language::of(language) }
    }

    fn fill(
        &self,
        field: &'static str,
        source: Option<&str>,
        kind: Kind,
        more: &[(&str, &str)],
    ) -> Result<String, Refusal> {
        let problem = |problem: String| Refusal(format!("{field}: {problem}"));
        let source = source.ok_or_else(|| problem("is missing".to_owned()))?;
        check_source(source, kind == Kind::Markup).map_err(|refusal| problem(refusal.0))?;
        let environment = self.environment(kind);
        let template = environment.template_from_named_str(field, source);
        let template = template.map_err(|error| problem(told(&error)))?;
        let mut values = members(self.context);
        values.extend(more.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text))));
        let mut written = Bounded { bytes: Vec::new(), limit: kind.limit(), is_over: false };
        match template.render_captured_to(Value::from(values), &mut written) {
            Ok(_) => String::from_utf8(written.bytes).map_err(|error| problem(error.to_string())),
            Err(_) if written.is_over => Err(problem(format!("becomes more than {} bytes", written.limit))),
            Err(error) => Err(problem(told(&error))),
        }
    }

    fn environment(&self, kind: Kind) -> Environment<'static> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(STEPS));
        environment.set_recursion_limit(60);
        let is_markup = kind == Kind::Markup;
        environment.set_auto_escape_callback(
            move |_| {
                if is_markup { AutoEscape::Html } else { AutoEscape::None }
            },
        );
        environment.set_formatter(|out, state, value| {
            there(value)?;
            minijinja::escape_formatter(out, state, value)
        });
        let language = self.language;
        environment.add_filter("number", move |number: i64| formats::number(language, number));
        environment.add_filter("capitalize", text(filters::capitalize));
        environment.add_filter("default", |value: Value, other: Value| {
            if value.is_undefined() || value.is_none() { other } else { value }
        });
        environment.add_filter("first", filters::first);
        environment.add_filter("last", filters::last);
        environment.add_filter("length", filters::length);
        environment.add_filter("lower", text(filters::lower));
        environment.add_filter("trim", text(|value| filters::trim(value, None)));
        environment.add_filter("upper", text(filters::upper));
        environment.add_test("defined", minijinja::tests::is_defined);
        environment
    }
}

/// Refuses what a field of a template may not have in it; what it shows is another matter.
pub(super) fn check_source(source: &str, is_markup: bool) -> Result<(), Refusal> {
    if source.len() > LONGEST_SOURCE {
        return Refusal::of("is longer than 64 KiB");
    }
    let pieces = code::pieces(source)?;
    code::check(&pieces)?;
    if is_markup { places::check(&pieces) } else { Ok(()) }
}

/// Refuses what is not there, which the engine would write as a word.
fn there(value: &Value) -> Result<(), minijinja::Error> {
    if !value.is_undefined() && !value.is_none() {
        return Ok(());
    }
    let message = "it is null where it is shown, and belongs in {% if … %}";
    Err(minijinja::Error::new(minijinja::ErrorKind::UndefinedError, message))
}

/// A filter of text, which would take what is not there for a word too.
fn text(
    filter: fn(StringInput<'_>) -> Value,
) -> impl Fn(&State, Value) -> Result<Value, minijinja::Error> + Send + Sync + 'static {
    move |state, value| {
        there(&value)?;
        Ok(filter(StringInput::new(state, &value)?))
    }
}

/// What the engine says is wrong, for whoever wrote the template: it names no values.
fn told(error: &minijinja::Error) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(" (line {line})"));
    match error.detail() {
        Some(detail) => format!("{}: {detail}{line}", error.kind()),
        None => format!("{}{line}", error.kind()),
    }
}

fn members(object: &Json) -> BTreeMap<String, Value> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, member)| (name.clone(), value(member))).collect()
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(is) => Value::from(*is),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(value).collect::<Vec<Value>>()),
        Json::Object(_) => Value::from(members(json)),
    }
}

/// Takes so many bytes, and fails then.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    is_over: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            self.is_over = true;
            return Err(io::Error::other("more than may be written"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
