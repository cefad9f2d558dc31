//! The page behind the link to a survey: it asks, and does nothing until its button is pressed. Nothing on it tells who the
//! reader is.

mod texts;

use entity::survey::SurveyKind;
use minijinja::{AutoEscape, Environment, Value, context};

use self::texts::Texts;
use super::survey::answer::{Given, Invited};
use super::survey::definition::{self, Question, QuestionKind};
use crate::app::App;
use crate::error::Fault;
use crate::localized::{self, in_language};
use crate::messages::template::Language;

/// What it looks like: the only thing that the page may load, and it is in the page.
pub(crate) const STYLES: &str = include_str!("page.css");

/// A page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Page<'a> {
    /// Asks; again, with what was given, if that was no answer.
    Ask(&'a Invited, Option<&'a Given>),
    /// It was answered just now.
    Thanks(&'a Invited),
    /// It was answered before.
    Already(&'a Invited),
    /// The link is none of ours, or not any more.
    Gone,
}

impl Page<'_> {
    /// As a whole document, in the language of its reader.
    pub(crate) fn written(self, app: &App) -> Result<String, Fault> {
        let settings = app.settings();
        let locale = self.invited().and_then(|invited| invited.locale.as_deref()).unwrap_or(&settings.locale);
        let language = Language::of(locale);
        let texts = Texts::of(language);
        let (title, said, form) = match self {
            Self::Ask(invited, given) => {
                let title = in_language(&invited.survey.definition.title, Some(locale), &settings.locale);
                let form = form(invited, given, texts, (locale, &settings.locale));
                (title.to_owned(), "", Some(form))
            }
            Self::Thanks(_) => (texts.thanks_title.to_owned(), texts.thanks, None),
            Self::Already(_) => (texts.already_title.to_owned(), texts.already, None),
            Self::Gone => (texts.gone_title.to_owned(), texts.gone, None),
        };
        let problem = if matches!(self, Self::Ask(_, Some(_))) { texts.problem } else { "" };
        let mut templates = Environment::new();
        templates.set_auto_escape_callback(|_| AutoEscape::Html);
        templates.add_template("page", include_str!("page.html"))?;
        let context = context! {
            language => language.tag(),
            direction => if language.is_right_to_left() { "rtl" } else { "ltr" },
            styles => STYLES,
            shop => settings.name.as_str(),
            texts => context! {
                score => texts.score,
                rating_scale => texts.rating_scale,
                comment => texts.comment,
                optional => texts.optional,
                send => texts.send,
            },
            title, said, problem, form,
        };
        Ok(templates.get_template("page")?.render(context)?)
    }

    fn invited(&self) -> Option<&Invited> {
        match self {
            Self::Ask(invited, _) | Self::Thanks(invited) | Self::Already(invited) => Some(invited),
            Self::Gone => None,
        }
    }
}

fn form(invited: &Invited, given: Option<&Given>, texts: &Texts, locales: (&str, &str)) -> Value {
    let definition = &invited.survey.definition;
    let score = given.and_then(|given| given.score);
    let scores = definition.scores().into_iter().flatten().map(|value| number(value, score == Some(value)));
    let questions = definition.questions.iter().map(|question| asked(question, given, locales));
    context! {
        scores => scores.collect::<Vec<Value>>(),
        scale => match definition.kind {
            SurveyKind::Nps => texts.nps_scale,
            SurveyKind::Rating | SurveyKind::Questions => texts.rating_scale,
        },
        questions => questions.collect::<Vec<Value>>(),
        comment => given.and_then(|given| given.comment.as_deref()).unwrap_or_default(),
    }
}

/// Something to choose.
fn offered(value: &str, text: &str, chosen: bool) -> Value {
    context! { value, text, chosen }
}

fn number(value: i32, chosen: bool) -> Value {
    let value = value.to_string();
    offered(&value, &value, chosen)
}

fn asked(question: &Question, given: Option<&Given>, (locale, shop): (&str, &str)) -> Value {
    let answers = given.map(|given| given.answers.as_slice()).unwrap_or_default();
    let given = answers.iter().find(|(code, _)| *code == question.code).map(|(_, value)| value.as_str());
    let read = |texts: &localized::Texts| in_language(texts, Some(locale), shop).to_owned();
    let choices: Vec<Value> = match question.kind {
        QuestionKind::Text => Vec::new(),
        QuestionKind::Scale => {
            definition::SCALE.map(|value| number(value, given == Some(value.to_string().as_str()))).collect()
        }
        QuestionKind::Choice => question
            .choices
            .iter()
            .map(|choice| offered(&choice.code, &read(&choice.text), given == Some(choice.code.as_str())))
            .collect(),
    };
    context! {
        code => question.code.as_str(),
        text => read(&question.text),
        is_text => question.kind == QuestionKind::Text,
        is_scale => question.kind == QuestionKind::Scale,
        required => question.required,
        choices,
        given => given.unwrap_or_default(),
    }
}
